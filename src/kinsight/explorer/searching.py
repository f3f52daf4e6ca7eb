"""Samples by a word: number, name, text, label; case does not matter."""

from typing import Any

import numpy as np
import pyarrow.compute

from kinsight.explorer.columns import Columns

compute: Any = pyarrow.compute  # its functions are made at run time
MOST_FOUND = 10_000
LONGEST = 200  # letters of a question
_SEARCHED = ("name", "id", "text", "label", "predicted", "proposed_label")


def search(columns: Columns, question: str) -> tuple[list[int], int]:
    """Numbers of at most 10,000 samples, and how many there are.

    The sample of that number comes first, then those with the word anywhere in one of their
    texts, in their order. Cost: one look at each text.
    """
    word = question.strip()
    if not word:
        return [], 0
    hit = np.zeros(columns.count, bool)
    for name in _SEARCHED:
        if columns.has(name):
            hit |= _matching(columns, name, word)
    numbered = word.replace(",", "").lstrip("#")
    first = []
    if numbered.isascii() and numbered.isdigit() and int(numbered) < columns.count:
        first = [int(numbered)]
        hit[first[0]] = False
    others = np.flatnonzero(hit)
    return (first + others[: MOST_FOUND - len(first)].tolist()), len(first) + len(others)


def _matching(columns: Columns, name: str, word: str) -> np.ndarray:
    found = compute.match_substring(columns.texts(name), word, ignore_case=True)
    return found.fill_null(False).to_numpy().astype(bool)
