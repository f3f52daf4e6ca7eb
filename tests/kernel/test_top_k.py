"""The running top-k: ties, blocks of any size, NaN and the row itself."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from kinsight.kernel.neighbours import TopK


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_of_equal_values_the_first_columns_stay(rows, k: int, step: int) -> None:
    """Whatever the blocks; a row's own column and NaN never."""
    values = torch.tensor(rows).double()
    values[values == -2] = torch.nan
    own = torch.arange(len(values)) - 1
    best = TopK(len(values), k, values)
    for start in range(0, 7, step):
        best.add(values[:, start : start + step], start, own)
    for row, mine in enumerate(values.tolist()):
        order = sorted((-v, j) for j, v in enumerate(mine) if v == v and j != row - 1)
        expected = [j for _, j in order[:k]] + [-1] * (k - len(order))
        assert best.indices[row].tolist() == expected
