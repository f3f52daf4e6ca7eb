"""kinsight: what a neural network takes for the same thing, from its exact tangent kernel."""

from kinsight import errors
from kinsight.analysis import smoothing
from kinsight.analysis.spectrum import Spectrum
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import ExactSource, Source
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network import outputs
from kinsight.tangent.coverage import Coverage, CoverageRow

__version__ = "0.1.0.dev0"

__all__ = [
    "Coverage",
    "CoverageRow",
    "ExactSource",
    "Neighbours",
    "Source",
    "Spectrum",
    "TangentKernel",
    "errors",
    "outputs",
    "smoothing",
]
