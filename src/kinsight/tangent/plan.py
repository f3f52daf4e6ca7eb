"""Counts operations to choose the form in which a parameter's inner products are cheapest.

One page of constants for all choices. The unit is a multiply-add in a matrix product; an
element-wise operation on the T×T' blocks of the factored form moves memory and weighs more.
"""

from dataclasses import dataclass
from math import log2

ELEMENTWISE = 8.0  # multiply-adds that one element-wise operation costs as much as
SCATTER = 12.0  # … that adding one entry to its bucket costs as much as
FOURIER = 8.0  # … that one of the S log2 S steps of an FFT costs as much as


@dataclass(frozen=True)
class Shape:
    """G groups, T positions, I × O weight entries a group, D outputs."""

    groups: int
    positions: int
    inputs: int
    outputs: int
    rows: int

    @property
    def entries(self) -> int:
        """D·P: numbers a sample takes in dense form."""
        return self.rows * self.groups * self.inputs * self.outputs


def factored_cost(shape: Shape) -> float:
    """Operations of one pair's inner product from the factors: G·T²·(I + D·O)."""
    per_position = shape.inputs + shape.rows * shape.outputs + ELEMENTWISE
    return shape.groups * shape.positions**2 * per_position


def dense_cost(shape: Shape, pairs: int) -> float:
    """Operations of one pair's inner product in dense form, the making shared by ``pairs``."""
    return shape.entries * (1 + shape.positions / max(pairs, 1))


def dense_is_cheaper(shape: Shape, pairs: int) -> bool:
    """Whether to write the gradient out before taking ``pairs`` inner products a sample."""
    return dense_cost(shape, pairs) < factored_cost(shape)


def scattering_cost(shape: Shape) -> float:
    """Operations of one sample's sketch by way of its gradient written out."""
    return shape.entries * (shape.positions + SCATTER)


def convolving_cost(shape: Shape, dim: int) -> float:
    """Operations of one sample's sketch of S = ``dim`` numbers from the factors by FFT."""
    transforms = shape.groups * shape.positions * (1 + shape.rows) + shape.rows
    return transforms * dim * log2(max(dim, 2)) * FOURIER


def scattering_is_cheaper(shape: Shape, dim: int) -> bool:
    """Whether to write the gradient out before sketching it."""
    return scattering_cost(shape) < convolving_cost(shape, dim)
