"""Networks that are sure of their answers, in float32; and outputs that look like no routing."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kinsight as ks
from kinsight.network.function import NetworkFunction
from kinsight.tangent.graph import read_graph

o = ks.outputs


def fisher_in_two_steps(scores: Tensor) -> Tensor:
    """√p_c (z_c − Σ p z) as it is written."""
    p = scores.detach().softmax(1)
    return p.sqrt() * (scores - (p * scores).sum(1, keepdim=True))


@pytest.mark.parametrize("lead", [0.0, 5.0, 12.0, 20.0])
def test_the_fisher_form_does_not_cancel_where_the_network_is_sure(lead: float) -> None:
    torch.manual_seed(0)
    scores = torch.randn(6, 5)
    scores[torch.arange(6), torch.arange(6) % 5] += lead
    mix = torch.randn(6, 5)
    fine, rough = scores.double().requires_grad_(True), scores.clone().requires_grad_(True)
    expected = fisher_in_two_steps(fine)
    found = o.Fisher()(rough, rough)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-13)
    (want,) = torch.autograd.grad((expected * mix).sum(), fine)
    (got,) = torch.autograd.grad((found * mix).sum(), rough)
    off = (got - want).norm(dim=1) / want.norm(dim=1)
    assert off.max() < 1e-5


@pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning")
def test_a_sure_network_has_the_same_fisher_kernel_in_both_precisions() -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 4)).eval()
    with torch.no_grad():
        model[2].weight.mul_(150)
    x = torch.randn(12, 5)
    p = model(x).softmax(1).amax(1)
    assert int((p == 1).sum()) > 2  # float32 cannot tell it from 1
    found = [
        ks.TangentKernel(model, output=o.Fisher(), normalization="trace", dtype=dtype).similarity(x)
        for dtype in (torch.float32, torch.float64)
    ]
    torch.testing.assert_close(found[0].double(), found[1], rtol=0, atol=1e-4)


FLAT = (
    o.Logits(), o.LogProbabilities(), o.OwnClass(), o.OwnClass("batch"), o.Fisher(), o.Loss(),
    o.AgainstClass(), o.AgainstClass("runner_up", "batch"), o.Select((2, 0)), o.Probes(2),
    o.Linear(((1.0, -1.0, 0.0),)),
)  # fmt: skip
DENSE = (
    o.Averaged(o.Loss(), mask=lambda batch: batch[1] > 0), o.PerPosition(o.Fisher()),
    o.AtPosition(lambda batch: batch[1][:, 0], o.OwnClass()), o.AtPosition(1),
)  # fmt: skip


@pytest.mark.parametrize("output", [*FLAT, *DENSE])
def test_outputs_do_not_look_as_if_rows_went_where_the_data_say(output: Any) -> None:
    """Else owners of rows would be sought anew in every batch, at many times the cost."""
    model: nn.Module = nn.Linear(4, 3)
    batch = torch.randn(5, 4), torch.randint(0, 3, (5,))
    if output in DENSE:
        model, batch = nn.Conv1d(2, 3, 1), (torch.randn(5, 2, 4), torch.randint(0, 3, (5, 4)))
    function = NetworkFunction(model, output)
    graph = read_graph(function(batch), function.selection.chosen)
    assert not graph.routing(set())
