"""A batch that is cut out of a large tensor costs what the batch costs, not the tensor."""

import torch
from torch.profiler import ProfilerActivity, profile

from kinsight.losses import InvarianceLoss
from losses.cases import OWN, brighter, images, network


def test_a_slice_gives_the_rates_of_a_copy_and_takes_no_more_memory() -> None:
    data = images(20_000)
    loss = InvarianceLoss(network(), brighter, step=1e-4, output=OWN)
    want = loss.rates(data[:3].clone())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        rates = loss.rates(data[:3])
    torch.testing.assert_close(rates, want, rtol=0, atol=0)
    largest = max(event.self_cpu_memory_usage for event in seen.key_averages())
    assert 0 < largest < data.numel() * data.element_size() / 10
