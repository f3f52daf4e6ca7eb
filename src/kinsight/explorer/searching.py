"""Samples by a word: number, name, text, label; case does not matter."""

from typing import Any

import numpy as np
import pyarrow.compute

from kinsight.explorer.columns import Columns

compute: Any = pyarrow.compute  # its functions are made at run time
LONGEST = 200  # letters of a question
_SEARCHED = ("name", "id", "text", "label", "predicted", "proposed_label")


def search(columns: Columns, question: str) -> np.ndarray:
    """Which samples have the word anywhere in one of their texts, or have that number: (N,) bool.

    Cost: one look at each text.
    """
    word = question.strip()
    hit = np.zeros(columns.count, bool)
    if not word:
        return hit
    for name in _SEARCHED:
        if columns.has(name):
            hit |= _matching(columns, name, word)
    numbered = word.replace(",", "").lstrip("#")
    if numbered.isascii() and numbered.isdigit() and int(numbered) < columns.count:
        hit[int(numbered)] = True
    return hit


def _matching(columns: Columns, name: str, word: str) -> np.ndarray:
    found = compute.match_substring(columns.texts(name), word, ignore_case=True)
    return found.fill_null(False).to_numpy().astype(bool)
