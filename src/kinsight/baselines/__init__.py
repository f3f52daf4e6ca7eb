"""What others would have said: similarities without the tangent kernel, asked in the same way.

======================  ==========================================================================
``Inputs()``            cosine of the raw inputs
``LastLayer(model)``    cosine of what the last linear layer reads
``Layer(model, name)``  cosine of what a layer returns
``Logits(model)``       cosine of the network's outputs
``Perceptual(…)``       mean over layers of the cosine of their activations
``Style(…)``            the same of the Gram matrices of their channels
``RBF(of, width)``      exp(−‖φ − φ'‖² / 2h²) on the inputs or on another baseline's features
``Ensemble([…])``       mean similarity of several networks
======================  ==========================================================================

Each has ``on(data)``, a source for every analysis, and ``similarity(x, y)``, as the kernel has.
``cka(a, b)`` compares two of them on the same data; ``SimilaritySource(matrix)`` takes
similarities that somebody has already, such as people's judgements.
"""

from kinsight.baselines.baseline import Baseline, FeatureBaseline
from kinsight.baselines.cka import cka
from kinsight.baselines.ensemble import Ensemble
from kinsight.baselines.given import SimilaritySource
from kinsight.baselines.inputs import Inputs
from kinsight.baselines.layers import LastLayer, Layer, Logits
from kinsight.baselines.perceptual import Perceptual, Style
from kinsight.baselines.rbf import RBF

__all__ = [
    "RBF",
    "Baseline",
    "Ensemble",
    "FeatureBaseline",
    "Inputs",
    "LastLayer",
    "Layer",
    "Logits",
    "Perceptual",
    "SimilaritySource",
    "Style",
    "cka",
]
