"""The kernel on a GPU is that of the processor: the zoo, and the settings of one network."""

import warnings

import pytest
import torch

import kinsight as ks
from architectures.zoo import ZOO

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.FallbackWarning"),
    pytest.mark.filterwarnings("ignore::kinsight.errors.SingularOutputWarning"),
    pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning"),
]
# cuDNN has no gradient for recurrent networks in evaluation mode, and no deterministic choice of
# algorithm: rounding differs from the processor's, in float64 in the last digits.
FLOAT64, FLOAT32 = 1e-9, 1e-4
ROUNDED = 1e-6  # PyTorch takes the roots of weight norm in float32 on a GPU, whatever the dtype


def inner(name: str, device: str, dtype: torch.dtype) -> torch.Tensor:
    """Tr K of four samples."""
    with torch.backends.cudnn.flags(enabled=False):
        kernel = ks.TangentKernel(ZOO[name].network(), device=device, dtype=dtype)
        return kernel.inner(ZOO[name].batch(4)).double()


@pytest.mark.parametrize("name", list(ZOO))
def test_the_kernel_in_float64_is_that_of_the_processor(name) -> None:
    here, there = (inner(name, device, torch.float64) for device in ("cpu", "cuda"))
    limit = ROUNDED if name.startswith("weight norm") else FLOAT64
    assert (here - there).abs().max() <= limit * here.abs().max()


def convolutions() -> torch.nn.Module:
    """A small network whose convolutions a GPU computes with 10 bits unless told otherwise."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
        torch.nn.Conv2d(32, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(32 * 64, 3),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_no_setting_of_the_products_hides_who_owns_a_row(precision) -> None:
    x = torch.randn(64, 3, 8, 8)
    want = ks.TangentKernel(convolutions(), dtype=torch.float64).similarity(x)
    places = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = precision
        with warnings.catch_warnings():
            warnings.simplefilter("error", ks.errors.FallbackWarning)
            found = ks.TangentKernel(convolutions(), device="cuda").similarity(x)
        assert [place.fp32_precision for place in places] == [precision] * 2
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
    limit = FLOAT32 if precision == "ieee" else 1e-2
    assert (found - want).abs().max() < limit


def test_products_in_bfloat16_are_added_up_in_float32() -> None:
    x = torch.randn(40, 3, 8, 8)
    want = ks.TangentKernel(convolutions(), dtype=torch.float64).similarity(x)
    kernel = ks.TangentKernel(convolutions(), device="cuda", products=torch.bfloat16)
    assert 0 < (kernel.similarity(x) - want).abs().max() < 5e-3


def test_sketches_densities_and_losses_work_there(tmp_path) -> None:
    x = torch.randn(60, 3, 8, 8)
    here = ks.TangentKernel(convolutions(), dtype=torch.float64)
    there = ks.TangentKernel(convolutions(), dtype=torch.float64, device="cuda")
    assert torch.allclose(here.density(x), there.density(x), rtol=1e-8)
    stores = [
        ks.sketch(kernel, x, tmp_path / str(i), dim=128, progress=False)
        for i, kernel in enumerate((here, there))
    ]
    one, other = (store.take(torch.arange(60)) for store in stores)
    assert torch.allclose(one, other, atol=1e-5)
    model = convolutions().cuda()
    loss = ks.losses.SimilarityLoss(model, reduce="means")
    loss(x[:8].cuda(), x[8:16].cuda()).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert {name for name, _ in model.named_parameters()} - set(found) == {"6.bias"}  # J has none
    assert all(bool(grad.isfinite().all()) for grad in found.values())
