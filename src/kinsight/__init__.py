"""kinsight: what a neural network takes for the same thing, from its exact tangent kernel."""

from kinsight import errors
from kinsight.analysis import smoothing
from kinsight.analysis.denoising import Denoising, denoise
from kinsight.analysis.density import Density, density
from kinsight.analysis.fit import Fit, fit
from kinsight.analysis.spectrum import Spectrum
from kinsight.analysis.suspects import Suspects, suspects
from kinsight.analysis.training import Descent
from kinsight.analysis.uncertainty import Uncertainty, uncertainty
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.feature_source import FeatureSource
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.source import Source
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network import outputs
from kinsight.tangent.coverage import Coverage, CoverageRow

__version__ = "0.1.0.dev0"

__all__ = [
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
]
