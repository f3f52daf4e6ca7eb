"""Any small network of common parts: its kernel is that of the slow oracle."""

import pytest
import torch
from hypothesis import assume, given
from torch import Tensor

import kinsight as ks
import oracle
from architectures.parts_random import Case, cases

pytestmark = [
    pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
]

BOUND = 1e-9


@given(case=cases())
def test_a_random_network_is_exact(case: Case) -> None:
    ours, theirs = jacobians(case)
    check(kernel(case), case, ours, theirs)


@given(case=cases())
def test_a_forgotten_bias_is_seen(case: Case) -> None:
    """The test above can fail: one parameter fewer and it does."""
    ours, theirs = jacobians(case)
    forgetful = kernel(case, parameters=lambda name, _: name != "head.bias")
    with pytest.raises(AssertionError):
        check(forgetful, case, ours, theirs)


def kernel(case: Case, **options) -> ks.TangentKernel:
    """The kernel under test."""
    return ks.TangentKernel(case.network, batch_size=case.batch_size, **options)


def jacobians(case: Case) -> tuple[Tensor, Tensor]:
    """J of x and of y; examples in which a rank is a matter of rounding are passed over."""
    both = oracle.jacobian(case.network, case.x), oracle.jacobian(case.network, case.y)
    for jacobian in both:
        values = torch.linalg.eigvalsh(jacobian @ jacobian.mT)
        assume(bool((values[:, 0] > 1e-5 * values[:, -1]).all()))
    return both


def check(kernel: ks.TangentKernel, case: Case, ours: Tensor, theirs: Tensor) -> None:
    """Inner products, similarity and density, of x with y and of x with itself."""
    for y, other in ((case.y, theirs), (None, ours)):
        scale = oracle.norms(ours)[:, None] * oracle.norms(other)
        close(kernel.inner(case.x, y) / scale, oracle.inner(ours, other) / scale)
        similarity = oracle.similarity(ours, other)
        close(kernel.similarity(case.x, y), similarity)
        close(kernel.density(case.x, y), similarity.sum(1))


def close(got: Tensor, want: Tensor) -> None:
    """Equal up to rounding, in the units of the promise."""
    assert got.shape == want.shape
    assert float((got - want).abs().nan_to_num(torch.inf).max()) <= BOUND
