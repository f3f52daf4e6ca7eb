"""What each way to a parameter's inner products costs, predicted from its sizes.

Two ways for every sum of outer products: write the gradient out once and multiply long rows, or
multiply the inputs of two samples, and their output-gradients, position by position. Operations
decide (:mod:`kinsight.tangent.plan`), the same on every machine; seconds are what the machine at
hand makes of them.
"""

from dataclasses import dataclass

from kinsight.tangent import plan
from kinsight.tangent.blocks import Affine, Block, Convolution, Dense, Outer, Rows, Taps

_NUMBER = 4  # bytes of a float32


@dataclass(frozen=True)
class Way:
    """One way to a sample's inner products with ``pairs`` others, D outputs summed over.

    ``operations``: multiply-adds, an element-wise operation counted as ``plan.ELEMENTWISE`` of
    them. ``moved``: bytes that go through memory at least once.
    """

    name: str
    operations: float
    moved: float


NOTHING = Way("", 0.0, 0.0)


def written_out(shape: plan.Shape, pairs: int) -> Way:
    """The gradient, D·P numbers, made once and used for every pair."""
    read = shape.groups * shape.positions * (shape.inputs + shape.rows * shape.outputs)
    operations = plan.dense_cost(shape, pairs) * pairs
    return Way("written out", operations, _NUMBER * (read + 2.0 * shape.entries))


def factored(shape: plan.Shape, pairs: int) -> Way:
    """a·a' and δ·δ' of every pair of positions, multiplied and added up."""
    read = shape.groups * shape.positions * (shape.inputs + shape.rows * shape.outputs)
    between = 3.0 * shape.groups * shape.positions**2 * pairs  # two products and theirs
    return Way("factored", plan.factored_cost(shape) * pairs, _NUMBER * (read + between))


def ways(shape: plan.Shape, pairs: int) -> tuple[Way, Way]:
    """Both, the one that is taken first."""
    dense, apart = written_out(shape, pairs), factored(shape, pairs)
    return (dense, apart) if plan.dense_is_cheaper(shape, pairs) else (apart, dense)


def forecast(block: Block, pairs: int) -> Way:
    """The way that a block takes for ``pairs`` inner products a sample, and what it costs."""
    if isinstance(block, Outer | Convolution) and not isinstance(block, Affine):
        return ways(block.shape, pairs)[0]
    if isinstance(block, Rows):  # positions with the same index meet
        _, rows, positions, width = block.right.shape
        operations = positions**2 * (rows * width + plan.ELEMENTWISE) * pairs
        return Way("factored", operations, 2.0 * _NUMBER * rows * positions * width)
    if isinstance(block, Dense | Taps):
        entries = block.bytes / max(_samples(block), 1) / _NUMBER
        return Way("written out", entries * pairs, 2.0 * _NUMBER * entries)
    return NOTHING


def _samples(block: Dense | Taps) -> int:
    return block.value.shape[1] if isinstance(block, Taps) else len(block.value)
