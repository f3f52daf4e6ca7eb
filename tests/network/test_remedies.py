"""A remedy that an error names must work: each is followed here."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

import kinsight as ks
from kinsight import errors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Centred(nn.Module):
    """Subtracts a statistic of the batch, or of the sample where it is alone."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x).tanh()
        return (y - 0.5 * y.mean(0)) * self.scale


class Augmented(Dataset):
    """Mirrors samples at random, anew at every reading or by a seed for every sample."""

    def __init__(self, seeded: bool = False):
        self.seeded = seeded

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(index) if self.seeded else None
        mirror = bool(torch.rand(1, generator=generator) < 0.5)
        return X[index].flip(0) if mirror else X[index]


def test_samples_one_by_one_do_not_influence_each_other() -> None:
    model = Centred()
    with pytest.raises(errors.SampleInfluenceError) as caught:
        ks.TangentKernel(model, batch_size=1).similarity(X)
    assert "batch_size" not in str(caught.value)
    remedy = "lambda model, batch: torch.cat([model(x[None]) for x in batch])"
    assert f"forward={remedy}" in str(caught.value)
    forward = eval(remedy, {"torch": torch})
    ours = ks.TangentKernel(model, forward=forward, dtype=torch.float64)
    rows = []
    for x in X.double():
        outputs = ours.function.model(x[None])[0]
        parameters = list(ours.function.model.parameters())
        gradients = [torch.autograd.grad(value, parameters, retain_graph=True) for value in outputs]
        rows.append(torch.stack([torch.cat([g.flatten() for g in gs]) for gs in gradients]))
    jacobian = torch.stack(rows)  # (N, D, P)
    assert torch.allclose(ours.inner(X), torch.einsum("ndp,mdp->nm", jacobian, jacobian))


def test_ragged_samples_are_padded_by_a_loader() -> None:
    class Summed(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 3, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x[..., None]).sum(1)

    ragged = [x[: 2 + i % 3] for i, x in enumerate(X)]
    kernel = ks.TangentKernel(Summed())
    with pytest.raises(errors.DataError, match="collate_fn pads them") as caught:
        kernel.similarity(ragged)
    assert "batch_size" not in str(caught.value)
    padding = DataLoader(ragged, collate_fn=lambda items: pad_sequence(items, batch_first=True))
    assert kernel.similarity(padding).shape == (6, 6)


def test_a_loss_that_vanishes_asks_for_more_precision() -> None:
    model = nn.Linear(4, 3)
    with torch.no_grad():
        model.weight.mul_(300)
    data = (X, model(X).argmax(1))
    with pytest.warns(errors.KinsightWarning) as caught:
        ks.TangentKernel(model, output=ks.outputs.Loss(), normalization="trace").similarity(data)
    said = "".join(str(w.message) for w in caught if w.category is errors.CancellationWarning)
    assert "it vanishes where the network is sure. Use dtype=torch.float64" in said
    assert "ks.outputs" not in said
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.CancellationWarning)
        fine = ks.TangentKernel(model, output=ks.outputs.Loss(), dtype=torch.float64)
        fine.similarity(data)


def test_augmentation_is_not_taken_for_influence() -> None:
    kernel = ks.TangentKernel(nn.Linear(4, 3))
    with pytest.raises(errors.DataError, match="another sample each time") as caught:
        kernel.similarity(Augmented())
    assert "fix its seed" in str(caught.value)
    assert kernel.similarity(Augmented(seeded=True)).shape == (6, 6)


def test_a_random_collate_function_is_found_and_nan_is_none() -> None:
    def noisy(items: list) -> torch.Tensor:
        return torch.stack(items) + torch.rand(1)

    kernel = ks.TangentKernel(nn.Linear(4, 3))
    with pytest.raises(errors.DataError, match="another sample each time"):
        kernel.similarity(DataLoader(list(X), collate_fn=noisy))
    spoilt = X.clone()
    spoilt[0, 0] = torch.nan
    with pytest.warns(errors.NonFiniteGradientWarning):
        assert kernel.similarity(list(spoilt))[0].isnan().all()
