"""The public API is what this file lists: a name joins or leaves it on purpose only."""

import subprocess
import sys

import kinsight

PUBLIC = {
    "Coverage",
    "CoverageRow",
    "Denoising",
    "Density",
    "Descent",
    "ExactSource",
    "FeatureSource",
    "Fit",
    "Neighbours",
    "Source",
    "Spectrum",
    "Suspects",
    "TangentKernel",
    "Uncertainty",
    "denoise",
    "density",
    "errors",
    "fit",
    "outputs",
    "smoothing",
    "suspects",
    "uncertainty",
}
# What a user of the library alone should not wait for: these belong to the report and the commands.
HEAVY = ("matplotlib", "pyarrow", "sklearn", "typer")


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


def test_importing_the_library_leaves_the_heavy_parts_alone() -> None:
    code = f"import sys; from kinsight import *; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert kinsight.__version__ == version("kinsight")
