"""Which operators may give rows to other samples when data change, and so are read each time."""

import torch
from torch import Tensor, nn

import kinsight as ks
import oracle


class LanguageModel(nn.Module):
    """Causal attention by a mask, and the likelihood of the next token by a gather."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.attention, self.head = nn.Linear(8, 24), nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.attention(self.words(tokens)).chunk(3, -1)
        later = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        weight = (q @ k.mT).masked_fill(later, -torch.inf).softmax(-1)
        log = self.head(weight @ v)[:, :-1].log_softmax(-1)
        return log.gather(-1, tokens[:, 1:, None]).mean(1)


class Shuffled(nn.Module):
    """Samples exchange rows, and take them back: by a gather along their own axis."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 20), nn.Linear(20, 2)

    def forward(self, x: Tensor) -> Tensor:
        order = x[:, 0].argsort()[:, None].expand(-1, 20)
        back = order.argsort(0)
        return self.last(self.first(x.gather(0, order[:, :6])).tanh().gather(0, back))


def routed(model: nn.Module, x: Tensor) -> bool:
    """Whether owners are read anew in every batch; the kernel is right either way."""
    kernel = ks.TangentKernel(model.double())
    found = kernel.inner(x)
    jacobian = oracle.jacobian(model, x)
    assert torch.allclose(found, oracle.inner(jacobian, jacobian), atol=1e-9)
    return bool(kernel.engine.capture._routed)


def test_picking_within_each_sample_is_the_same_for_all_data() -> None:
    assert not routed(LanguageModel(), torch.randint(11, (7, 12)))


def test_picking_among_samples_is_read_each_time() -> None:
    assert routed(Shuffled(), torch.randn(7, 6, dtype=torch.float64))


class Own(nn.Sequential):
    """The largest output, picked by a gather: few numbers say whose rows are whose."""

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)
        return scores.gather(1, scores.argmax(1, keepdim=True))


class Across(nn.Sequential):
    """Samples along the last axis, where a gather deals them out."""

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)  # (B, 4)
        order = scores[:, 0].argsort()
        return scores.T.gather(1, order.expand(4, -1)).T[order.argsort()]


def test_few_numbers_are_enough_where_silence_confirms_them() -> None:
    assert not routed(Own(nn.Linear(6, 4)), torch.randn(7, 6, dtype=torch.float64))


def test_a_gather_along_the_axis_of_the_samples_is_read_each_time() -> None:
    assert routed(Across(nn.Linear(6, 4)), torch.randn(7, 6, dtype=torch.float64))
