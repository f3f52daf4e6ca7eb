"""Training terms on similarity: make a network treat two inputs alike, or apart."""

from kinsight.losses.invariance import InvarianceLoss
from kinsight.losses.similarity import SimilarityLoss

__all__ = ["InvarianceLoss", "SimilarityLoss"]
