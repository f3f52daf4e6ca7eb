"""Every architecture of the zoo against the slow oracle: float64, float32, and nothing ignored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
import oracle
from architectures.zoo import ZOO
from kinsight.network.batches import Batch
from kinsight.network.function import tensor_output
from kinsight.network.parameters import select_parameters

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
    pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning"),
]

FLOAT64, FLOAT32 = 1e-10, 1e-5  # relative errors that are promised
SAMPLES, OTHERS = 4, 2  # of x and of y; 4 in batches of 3 leaves one sample alone

# Parameters that go one sample at a time, for want of a rule. A longer list is a loss of speed
# that somebody has to mean; of a shorter one this table should learn.
ONE_AT_A_TIME: dict[str, set[str]] = {
    "bag by maximum": {"weight"},
    "table by two indices": {"table"},
    "table by gather": {"table"},
    "sparse matrix times table": {"w"},
    "linear system solved": {"w"},
    "baddbmm": {"bias"},
    "addcmul and lerp": {"a", "b", "c"},
    "centres by distance": {"centres"},
    "power and minimum": {"power"},
    "bilinear": {"layer.weight"},
    "prototypes encoded with the batch": {"examples", "encoder.weight", "encoder.bias"},
    "Gaussian with full covariance": {"lower", "log_scale"},
    "operator with a backward of its own": {"w"},
    "operator with two answers, differentiable once": {"w"},
    "mask tokens": {"token"},
    "filter on frequencies": {"filter"},
    "complex weight": {"weight"},
}


every = pytest.mark.parametrize("name", list(ZOO))


@dataclass(frozen=True)
class Jacobians:
    """J of x and of y: (N, D, P) and (M, D, P)."""

    x: Tensor
    y: Tensor


@cache
def truth(name: str, one: bool = False) -> Jacobians:
    """From the float64 loop, computed once; of all outputs or of :func:`weighted_sum`."""
    if one:  # the gradient of a sum is the sum of gradients
        every = truth(name)
        weights = ladder(every.x.shape[1], every.x)
        return Jacobians(*(torch.einsum("d,ndp->np", weights, j)[:, None] for j in parts(every)))
    network = ZOO[name].network()
    return Jacobians(*(oracle.jacobian(network, ZOO[name].batch(n)) for n in (SAMPLES, OTHERS)))


def parts(jacobians: Jacobians) -> tuple[Tensor, Tensor]:
    """Those of x and of y."""
    return jacobians.x, jacobians.y


def ladder(count: int, like: Tensor) -> Tensor:
    """Weights of D outputs, all different: (D,)."""
    return torch.linspace(1, 2, count).to(like)


def weighted_sum(outputs: Any, batch: Batch) -> Tensor:
    """One output of many: (N,)."""
    value = tensor_output(outputs)
    rows = value.reshape(len(value), -1)
    return rows @ ladder(rows.shape[1], rows)


@dataclass(frozen=True)
class Question:
    """Something a kernel is asked of x and y, the answer of the oracle, and how far off it is."""

    ask: Callable[[ks.TangentKernel, Batch, Batch | None], Tensor]
    answer: Callable[[Tensor, Tensor], Tensor]
    normalization: str = "whitened"
    relative_to: Callable[[Tensor], Tensor] | None = None  # None: what lies in [−1, 1]

    def error(
        self, kernel: ks.TangentKernel, x: Batch, y: Batch | None, ours: Tensor, theirs: Tensor
    ) -> float:
        got, want = self.ask(kernel, x, y), self.answer(ours, theirs)
        if self.relative_to is not None:
            return oracle.deviation(got, want, self.relative_to(ours), self.relative_to(theirs))
        assert got.shape == want.shape
        return float((got - want).abs().nan_to_num(torch.inf).max())


INNER = Question(lambda k, x, y: k.inner(x, y), oracle.inner, relative_to=oracle.norms)
MATRIX = Question(
    lambda k, x, y: k.matrix(x, y, normalized=False), oracle.matrix, relative_to=oracle.row_norms
)
NORMALIZED = Question(lambda k, x, y: k.matrix(x, y), oracle.normalized_matrix)
QUESTIONS = [
    INNER,
    MATRIX,
    NORMALIZED,
    Question(lambda k, x, y: k.similarity(x, y), oracle.similarity),
    Question(lambda k, x, y: k.density(x, y), lambda a, b: oracle.similarity(a, b).sum(1)),
    Question(lambda k, x, y: k.similarity(x, y), oracle.trace_similarity, "trace"),
    Question(
        lambda k, x, y: k.density(x, y), lambda a, b: oracle.trace_similarity(a, b).sum(1), "trace"
    ),
]
CASES = [(question, same) for same in (False, True) for question in QUESTIONS]


def errors(name: str, one: bool, batch_size: int | None, cases: list) -> Iterator[float]:
    """How far off the kernel's answers are in float64."""
    entry, true = ZOO[name], truth(name, one)
    network, x, y = entry.network(), entry.batch(SAMPLES), entry.batch(OTHERS)
    kernels: dict[str, ks.TangentKernel] = {}
    for question, same in cases:
        how = question.normalization
        if how not in kernels:
            kernels[how] = ks.TangentKernel(
                network,
                output=weighted_sum if one else None,
                normalization=how,
                batch_size=batch_size,
            )
        other, theirs = (None, true.x) if same else (y, true.y)
        yield question.error(kernels[how], x, other, true.x, theirs)


@every
def test_everything_is_exact_in_float64(name: str) -> None:
    """All questions, of x with y and of x with itself, in one batch."""
    assert max(errors(name, False, None, CASES)) <= FLOAT64


@every
@pytest.mark.parametrize("batch_size", [1, 3])
def test_other_batch_sizes(name: str, batch_size: int) -> None:
    """From entry to entry another question."""
    assert max(errors(name, False, batch_size, in_turn(name, 3 + batch_size))) <= FLOAT64


@every
@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_one_output(name: str, batch_size: int | None) -> None:
    """From entry to entry another question."""
    assert max(errors(name, True, batch_size, in_turn(name, batch_size or 7))) <= FLOAT64


def in_turn(name: str, start: int) -> list:
    """One of the questions, another one for the next entry."""
    return [CASES[(list(ZOO).index(name) + start) % len(CASES)]]


@every
def test_float32_against_the_loop_in_float64(name: str) -> None:
    """The same float32 weights and inputs; whitening may lose √cond K(x, x)."""
    entry, true = ZOO[name], truth(name)
    kernel = ks.TangentKernel(entry.network(torch.float32))
    x, y = entry.batch(SAMPLES, torch.float32), entry.batch(OTHERS, torch.float32)
    condition = max(map(oracle.condition, parts(true)))
    for other, theirs in ((y, true.y), (None, true.x)):
        assert INNER.error(kernel, x, other, true.x, theirs) <= FLOAT32
        assert NORMALIZED.error(kernel, x, other, true.x, theirs) <= FLOAT32 * condition**0.5


@every
def test_no_parameter_is_ignored(name: str) -> None:
    """Each has a row; "unused" is said of zero gradients alone, fallback where it is expected."""
    entry, network = ZOO[name], ZOO[name].network()
    kernel = ks.TangentKernel(network)
    kernel.inner(entry.batch(SAMPLES), entry.batch(OTHERS))
    coverage = kernel.coverage()
    assert [row.name for row in coverage] == [name for name, _ in network.named_parameters()]
    assert {row.how for row in coverage} <= {"rule", "fallback", "unused"}
    assert not coverage.frozen
    assert not coverage.excluded
    chosen = select_parameters(network, None).chosen
    sizes = [p.numel() * (2 if p.is_complex() else 1) for p in chosen.values()]
    own = torch.cat(parts(truth(name))).split(sizes, dim=2)
    zero = {name for name, j in zip(chosen, own, strict=True) if not bool(j.any())}
    assert set(coverage.unused) <= zero
    assert set(coverage.fallback) == ONE_AT_A_TIME.get(name, set())


def test_the_table_of_fallbacks_names_entries() -> None:
    assert set(ONE_AT_A_TIME) <= set(ZOO)


@every
def test_the_rank_of_an_entry_is_beyond_doubt(name: str) -> None:
    """Of the zoo itself: an eigenvalue counts in both precisions or in neither."""
    for jacobian in parts(truth(name)):
        values = torch.linalg.eigvalsh(jacobian @ jacobian.mT)
        share = values / values[:, -1:]
        assert bool(((share > 1e-6) | (share < 1e-15)).all())


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_error_is_seen(question: Question) -> None:
    """One parameter's share counted 0.1 % too high does not pass."""
    name = "perceptron of three layers"
    entry, true = ZOO[name], truth(name)
    wrong = true.x.clone()
    wrong[:, :, :4] *= 1.001
    kernel = ks.TangentKernel(entry.network(), normalization=question.normalization)
    error = question.error(kernel, entry.batch(SAMPLES), entry.batch(OTHERS), wrong, true.y)
    assert error > 100 * FLOAT64


class Temperature(nn.Module):
    """Scores scaled by exp of a parameter, as in CLIP: a scalar stands between it and its use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.temperature = nn.Linear(4, 3), nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.temperature.exp() * self.layer(x)


def test_a_scalar_between_parameter_and_use_is_never_taken_as_owned_by_a_sample() -> None:
    """Its gradient is a mixture of samples that looks like one sample's, now and then."""
    for seed in range(100):
        torch.manual_seed(seed)
        network, x = Temperature().eval(), torch.randn(4, 4)
        true = oracle.jacobian(network, x).double()
        assert INNER.error(ks.TangentKernel(network), x, None, true, true) <= FLOAT32


class PooledPositions(nn.Module):
    """An image normalised, its places averaged as positions: gradients arrive transposed."""

    def __init__(self, norm: nn.Module):
        super().__init__()
        self.layer, self.norm, self.head = nn.Conv2d(2, 2, 3), norm, nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.layer(x)).flatten(2).transpose(1, 2).mean(1))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_sample_left_alone_in_its_batch(norm: type, batch_size: int) -> None:
    """4 samples in batches of 3 leave one alone, and PyTorch 2.13 on CPU gets that one wrong."""
    network = PooledPositions(norm(2, affine=True)).double().eval()
    x = torch.randn(SAMPLES, 2, 5, 5, dtype=torch.float64)
    true = oracle.jacobian(network, x)
    kernel = ks.TangentKernel(network, batch_size=batch_size)
    assert INNER.error(kernel, x, None, true, true) <= FLOAT64
