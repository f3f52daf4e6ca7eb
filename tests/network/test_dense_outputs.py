"""Dense outputs in every verb against the float64 oracle, position by position."""

import tempfile
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

import kinsight as ks
import oracle
from network.dense_cases import CASES, Case, displacing, language, segmenting, slowly

pytestmark = pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")


def part(batch: Any, rows: list[int]) -> Any:
    if isinstance(batch, dict):
        return {key: value[rows] for key, value in batch.items()}
    return tuple(value[rows] for value in batch)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_exact_verbs_are_those_of_the_gradients_written_out(case: Case) -> None:
    model, batch = case.make()
    kernel = ks.TangentKernel(model, output=case.output)
    J = oracle.jacobian(model, batch, slowly(case))  # (N, D, P)
    other = part(batch, [3, 0])
    theirs = J[[3, 0]]
    size = oracle.norms(J)
    assert bool((size > 1e-3).all())
    assert oracle.deviation(kernel.inner(batch), oracle.inner(J, J), size, size) < 1e-10
    crossed = kernel.inner(batch, other)
    assert oracle.deviation(crossed, oracle.inner(J, theirs), size, size[[3, 0]]) < 1e-10
    torch.testing.assert_close(kernel.on(batch).norms(), size)
    similar = oracle.similarity(J, J)
    torch.testing.assert_close(kernel.similarity(batch), similar, atol=1e-7, rtol=0)
    torch.testing.assert_close(kernel.density(batch), similar.sum(1), atol=1e-6, rtol=0)
    traced = ks.TangentKernel(model, output=case.output, normalization="trace")
    expected = oracle.trace_similarity(J, J)
    torch.testing.assert_close(traced.similarity(batch), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(traced.density(batch), expected.sum(1), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ["own class, averaged", "squared loss, summed", "sequence"])
def test_explanations_add_up_and_sketches_come_close(name: str) -> None:
    case = CASES[name]
    model, batch = case.make()
    kernel = ks.TangentKernel(model, output=case.output)
    exact = kernel.similarity(batch)
    explanation = kernel.explain(part(batch, [0]), part(batch, [1]))
    assert abs(sum(layer.share for layer in explanation.layers) - float(exact[0, 1])) < 1e-9
    store = ks.sketch(kernel, batch, tempfile.mkdtemp() + "/store", dim=2048)
    assert (store.similarity(range(4), range(4)) - exact).abs().max() < 0.12  # 5/√2048


@pytest.mark.parametrize("make", [segmenting, displacing])
def test_probes_over_positions_are_unbiased_and_as_noisy_as_stated(make) -> None:
    model, batch = make()
    of = ks.outputs.PerPosition(ks.outputs.Select((1,)))
    J = oracle.jacobian(model, batch, of)  # (N, T, P)
    matrix = J[0] @ J[1].T  # (T, T)
    symmetric = (matrix + matrix.T) / 2
    stated = 2 / 4 * (symmetric.square().sum() - symmetric.diagonal().square().sum())
    traces = []
    for seed in range(2000):
        probes = ks.outputs.Probes(4, seed)  # linear, so that it makes J of the probes from J
        ours, theirs = (probes(J[i].T, None) for i in (0, 1))  # (P, 4)
        traces.append(float((ours * theirs).sum()))
    found = torch.tensor(traces, dtype=torch.float64)
    probed = ks.TangentKernel(model, output=ks.outputs.Probes(4, 7, of), normalization=None)
    torch.testing.assert_close(probed.inner(batch)[0, 1], found[7])
    assert abs(found.mean() - matrix.trace()) <= 4 * found.std() / 2000**0.5
    assert float(found.var()) == pytest.approx(float(stated), rel=0.2)


def test_next_token_of_a_sure_model_does_not_cancel() -> None:
    scores = torch.zeros(1, 3, 4)
    tokens = torch.tensor([[0, 1, 2]])
    scores[0, [0, 1], [1, 2]] = 30.0  # p = 1 − 3e-13, which float32 cannot tell from 1
    leaf = scores.requires_grad_(True)
    (gradient,) = torch.autograd.grad(ks.outputs.NextToken()(leaf, tokens).sum(), leaf)
    fine = scores.detach().double().requires_grad_(True)
    (expected,) = torch.autograd.grad(ks.outputs.NextToken()(fine, tokens).sum(), fine)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=0.0)


def test_padding_has_no_influence_on_masked_outputs() -> None:
    model, batch = language()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    other = batch | {"input_ids": torch.where(mask == 0, 5, ids)}  # other padding
    for of in (
        ks.outputs.NextToken(mask="attention_mask"),
        ks.outputs.Averaged(ks.outputs.OwnClass(), channels=-1, mask="attention_mask"),
        ks.outputs.PerPosition(ks.outputs.Fisher(), channels=-1, mask="attention_mask"),
    ):
        kernel = ks.TangentKernel(model, output=of)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.testing.assert_close(kernel.similarity(batch), kernel.similarity(other))
    seen = ks.TangentKernel(model, output=ks.outputs.NextToken())  # without the mask it counts
    assert (seen.similarity(batch) - seen.similarity(other)).abs().max() > 1e-3


def test_losses_differentiate_dense_outputs_again() -> None:
    model, batch = segmenting()
    output = ks.outputs.Averaged(ks.outputs.OwnClass())
    term = ks.losses.SimilarityLoss(model, weight=1.0, output=output)
    x: Tensor = batch[0]
    term(x[:2], x[2:]).backward()
    found = [p.grad for p in model.parameters() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in found) > 0
