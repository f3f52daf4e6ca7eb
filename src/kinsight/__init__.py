"""kinsight: what a neural network takes for the same thing, from its exact tangent kernel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinsight import errors

if TYPE_CHECKING:
    from kinsight import baselines, engines, losses, metrics, training
    from kinsight.analysis import smoothing
    from kinsight.analysis.compare import Comparison, compare
    from kinsight.analysis.denoising import Denoising, denoise
    from kinsight.analysis.density import Density, density
    from kinsight.analysis.fit import Fit, fit
    from kinsight.analysis.invariance import Invariance, invariance
    from kinsight.analysis.spectrum import Spectrum
    from kinsight.analysis.suspects import Suspects, suspects
    from kinsight.analysis.training import Descent
    from kinsight.analysis.uncertainty import Uncertainty, uncertainty
    from kinsight.kernel.exact_source import ExactSource
    from kinsight.kernel.explanation import Explanation
    from kinsight.kernel.feature_source import FeatureSource
    from kinsight.kernel.neighbours import Neighbours
    from kinsight.kernel.source import Source
    from kinsight.kernel.tangent_kernel import TangentKernel
    from kinsight.network import outputs
    from kinsight.sketching.job import sketch
    from kinsight.sketching.law import SketchError
    from kinsight.sketching.store import Store
    from kinsight.sketching.survey import survey
    from kinsight.tangent.coverage import Coverage, CoverageRow

__version__ = "0.1.0.dev0"

__all__ = [
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
]

# Where each name lives. It is loaded when first asked for: torch takes seconds to import, and a
# command that is stopped in the meantime must end without a trace.
_HOMES = {
    "Comparison": "kinsight.analysis.compare",
    "Coverage": "kinsight.tangent.coverage",
    "CoverageRow": "kinsight.tangent.coverage",
    "Denoising": "kinsight.analysis.denoising",
    "Density": "kinsight.analysis.density",
    "Descent": "kinsight.analysis.training",
    "ExactSource": "kinsight.kernel.exact_source",
    "Explanation": "kinsight.kernel.explanation",
    "FeatureSource": "kinsight.kernel.feature_source",
    "Fit": "kinsight.analysis.fit",
    "Invariance": "kinsight.analysis.invariance",
    "Neighbours": "kinsight.kernel.neighbours",
    "SketchError": "kinsight.sketching.law",
    "Source": "kinsight.kernel.source",
    "Spectrum": "kinsight.analysis.spectrum",
    "Store": "kinsight.sketching.store",
    "Suspects": "kinsight.analysis.suspects",
    "TangentKernel": "kinsight.kernel.tangent_kernel",
    "Uncertainty": "kinsight.analysis.uncertainty",
    "compare": "kinsight.analysis.compare",
    "denoise": "kinsight.analysis.denoising",
    "density": "kinsight.analysis.density",
    "fit": "kinsight.analysis.fit",
    "invariance": "kinsight.analysis.invariance",
    "outputs": "kinsight.network",
    "sketch": "kinsight.sketching.job",
    "smoothing": "kinsight.analysis",
    "survey": "kinsight.sketching.survey",
    "suspects": "kinsight.analysis.suspects",
    "uncertainty": "kinsight.analysis.uncertainty",
}


def __getattr__(name: str) -> Any:
    if name in ("baselines", "engines", "losses", "metrics", "training"):
        return import_module(f"kinsight.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'kinsight' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = getattr(home, name, None) or import_module(f"{_HOMES[name]}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
