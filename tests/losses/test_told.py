"""What the losses refuse, and what they tell: pairs that are none, samples without a gradient."""

import warnings

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.errors import (
    ArgumentError,
    NetworkError,
    OutputError,
    PairError,
    ZeroGradientWarning,
)
from kinsight.losses import InvarianceLoss, SimilarityLoss
from losses.cases import OWN, brighter, images, network, turned


def test_pairs_without_a_gradient_are_left_out_and_told() -> None:
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [1.0]])
    loss = SimilarityLoss(model)
    with pytest.warns(ZeroGradientWarning, match="1 of 2"):
        assert len(loss.similarity(x, y)) == 1
    with pytest.raises(PairError, match="expected samples with a gradient"):
        loss(-x[:1], y[:1])


def test_bad_input_is_named() -> None:
    model, x = network(), images(3)
    labelled = SimilarityLoss(model, pairs="labels", output=OWN)
    with pytest.raises(PairError, match="same label"):
        labelled(x, labels=torch.tensor([0, 1, 2]))
    with pytest.raises(PairError, match="expected labels"):
        labelled(x)
    with pytest.raises(PairError, match="3 labels"):
        labelled(x, labels=[0, 0])
    given = SimilarityLoss(model, output=OWN)
    with pytest.raises(PairError, match="no y"):
        given(x)
    with pytest.raises(PairError, match="as many samples"):
        given(x, x[:2])
    with pytest.raises(PairError, match="shape"):
        given(x, x[..., :4])
    with pytest.raises(PairError, match="empty batch"):
        given(x[:0], x[:0])
    with pytest.raises(ArgumentError, match="weight"):
        SimilarityLoss(model, weight=-1.0)
    with pytest.raises(ArgumentError, match="pairs"):
        SimilarityLoss(model, pairs="neighbours")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="Tr K only"):
        SimilarityLoss(model, output=ks.outputs.Probes(2))
    with pytest.raises(PairError, match="does not"):
        InvarianceLoss(model, lambda batch, angle: batch)(x)
    with pytest.raises(NetworkError, match=r"grid_sampler.*step="):
        InvarianceLoss(model, turned)(x)


class Square(torch.autograd.Function):
    """x², to be differentiated once only."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * gradients[0]


class Squares(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Square.apply(self.first(x)))


@pytest.mark.parametrize("reduce", ["pairs", "means"])
def test_a_function_that_is_differentiable_once_is_named(reduce) -> None:
    """torch.autograd.grad does not see it; backward would stumble."""
    model, x = Squares(), torch.randn(4, 3)
    with pytest.raises(NetworkError, match=r"without: Square \(.*once_differentiable"):
        SimilarityLoss(model, reduce=reduce)(x, x + 1)
    behind = SimilarityLoss(model, reduce=reduce, parameters="second.*")(x, x + 1)
    behind.backward()
    assert model.first.weight.grad is not None


def test_labels_that_the_output_needs_and_batches_without_samples_are_named() -> None:
    model, x = network(), images(3)
    own = ks.outputs.OwnClass("batch")
    for term in (lambda: SimilarityLoss(model, output=own)(x, x + 1),
                 lambda: InvarianceLoss(model, brighter, output=own)(x)):  # fmt: skip
        with pytest.raises(OutputError, match="expected labels in the batch"):
            term()
    with pytest.raises(PairError, match="empty batch"):
        InvarianceLoss(model, brighter, output=OWN)(x[:0])
    with pytest.raises(PairError, match="same label"):  # −1 is missing, not a class
        SimilarityLoss(model, pairs="labels", output=OWN)(x, labels=torch.full((3,), -1))


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ks.errors.KinsightWarning)
        SimilarityLoss(network(), output=OWN)(images(3), images(3, 2)).backward()


def test_a_kernel_brings_its_own_settings_and_the_plain_metric() -> None:
    model, x = network(), images(8)
    kernel = ks.TangentKernel(model, output=OWN)
    with pytest.raises(ArgumentError, match="kernel alone"):
        SimilarityLoss(kernel, output=OWN)
    metric = ks.metrics.diagonal_fisher(kernel, x)
    with pytest.raises(ArgumentError, match="Euclidean"):
        SimilarityLoss(ks.TangentKernel(model, output=OWN, metric=metric))


def test_samples_without_a_gradient_are_told_by_both_losses() -> None:
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    x = torch.tensor([[1.0], [-1.0]])

    def stretched(batch: Tensor, amount: Tensor) -> Tensor:
        return batch * (1 + amount[:, None])

    with pytest.warns(ZeroGradientWarning, match="1 of 2 samples"):
        assert len(InvarianceLoss(model, stretched).rates(x)) == 1
    with pytest.raises(PairError, match="got none among 1"):
        InvarianceLoss(model, stretched)(x[1:])
