"""The forms in which a parameter's share of J is held: dense, outer products, rows, patches."""

from kinsight.tangent.blocks.addition import add_up
from kinsight.tangent.blocks.affine import Affine, with_biases
from kinsight.tangent.blocks.base import Block
from kinsight.tangent.blocks.convolution import Convolution, Geometry, patches
from kinsight.tangent.blocks.dense import Dense, Joined
from kinsight.tangent.blocks.outer import Outer
from kinsight.tangent.blocks.rows import Rows
from kinsight.tangent.blocks.taps import Taps

__all__ = [
    "Affine",
    "Block",
    "Convolution",
    "Dense",
    "Geometry",
    "Joined",
    "Outer",
    "Rows",
    "Taps",
    "add_up",
    "patches",
    "with_biases",
]
