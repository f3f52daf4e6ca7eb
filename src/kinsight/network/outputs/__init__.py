"""What is asked of the network: classes, losses, the Fisher form, parts, mixtures, positions.

Each is a callable ``(outputs, batch) -> (B, D)`` to pass as ``output=``. Labels, where one needs
them, are those of the batch: the last tensor of a tuple, or ``labels`` of a dict.
"""

from kinsight.network.outputs.classes import (
    AgainstClass,
    Fisher,
    Logits,
    LogProbabilities,
    OwnClass,
)
from kinsight.network.outputs.dense import AtPosition, Averaged, PerPosition, Summed
from kinsight.network.outputs.loss import Loss
from kinsight.network.outputs.parts import Linear, Select
from kinsight.network.outputs.probes import Probes, probed
from kinsight.network.outputs.tokens import NextToken

__all__ = [
    "AgainstClass",
    "AtPosition",
    "Averaged",
    "Fisher",
    "Linear",
    "LogProbabilities",
    "Logits",
    "Loss",
    "NextToken",
    "OwnClass",
    "PerPosition",
    "Probes",
    "Select",
    "Summed",
    "probed",
]
