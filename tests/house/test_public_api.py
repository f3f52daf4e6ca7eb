"""The public API is what this file lists: a name joins or leaves it on purpose only."""

import subprocess
import sys

import pytest

import kinsight

PUBLIC = {
    "Comparison",
    "Coverage",
    "CoverageRow",
    "Denoising",
    "Density",
    "Descent",
    "ExactSource",
    "Explanation",
    "FeatureSource",
    "Fit",
    "Invariance",
    "Neighbours",
    "SketchError",
    "Source",
    "Spectrum",
    "Store",
    "Suspects",
    "TangentKernel",
    "Uncertainty",
    "baselines",
    "compare",
    "denoise",
    "density",
    "engines",
    "errors",
    "fit",
    "invariance",
    "losses",
    "metrics",
    "outputs",
    "sketch",
    "smoothing",
    "survey",
    "suspects",
    "training",
    "uncertainty",
}
# What a user of the library alone should not wait for: these belong to the report, the commands
# and what is optional; pyarrow comes with the stores.
HEAVY = ("matplotlib", "sklearn", "typer", "ray", "faiss", "umap", "boto3")
STORES = ("Store", "sketch", "survey")


def test_the_public_names_are_these() -> None:
    assert set(kinsight.__all__) == PUBLIC
    assert list(kinsight.__all__) == sorted(kinsight.__all__)


def test_every_public_name_exists_and_is_documented() -> None:
    for name in kinsight.__all__:
        assert getattr(kinsight, name).__doc__, name


def test_every_error_is_a_kinsight_error_and_documented() -> None:
    errors = [value for value in vars(kinsight.errors).values() if isinstance(value, type)]
    raised = [
        kind for kind in errors if issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    assert raised
    assert all(issubclass(kind, kinsight.errors.KinsightError) for kind in raised)
    assert all(kind.__doc__ for kind in raised)


@pytest.mark.parametrize(
    ("names", "heavy"), [(PUBLIC, HEAVY), (PUBLIC - set(STORES), (*HEAVY, "pyarrow"))]
)
def test_importing_the_library_leaves_the_heavy_parts_alone(names, heavy) -> None:
    wanted = ", ".join(sorted(names))
    code = f"import sys; from kinsight import {wanted}"
    code += f"; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
