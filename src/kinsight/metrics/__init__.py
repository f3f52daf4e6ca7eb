"""Metrics on parameters, to pass as ``metric=``: what a parameter step is said to cost.

K_M(x,x') = J(x) M⁻¹ J(x')ᵀ. The plain kernel (M = I) depends on how a network is written: two
ReLU layers rescaled against each other compute the same and have other similarities. With M the
Fisher information they do not. Each metric is fitted to some data, once, and kept.
"""

from kinsight.kernel.metric import Euclidean, Metric
from kinsight.metrics.diagonal import diagonal_fisher
from kinsight.metrics.in_blocks import block_fisher, full_fisher
from kinsight.metrics.kronecker import kronecker
from kinsight.metrics.optimizer import adam

__all__ = [
    "Euclidean",
    "Metric",
    "adam",
    "block_fisher",
    "diagonal_fisher",
    "full_fisher",
    "kronecker",
]
