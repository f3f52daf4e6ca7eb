"""Why two samples are alike, as the page gets it: a stored row, or an explanation made now."""

import math
from typing import Any

from kinsight.errors import RunFolderError
from kinsight.explorer.answers import HeatAnswer, PairAnswer, Share
from kinsight.explorer.view import finite, told

_MOST_SHARES = 10_000
_MOST_PLACES = 1 << 22


def pair_answer(row: dict[str, Any]) -> PairAnswer:
    """Of a row of explanations.parquet; heat-maps change sides where the pair was asked the other
    way round.

    Raises:
        RunFolderError: the row is not as analyze writes it.
    """
    mine, theirs = _heat(row, ""), _heat(row, "other_")
    if row.get("turned"):
        mine, theirs = theirs, mine
    try:
        shares = [
            Share(name=told(s["name"]), operator=told(s["operator"]), share=_number(s["share"]))
            for s in (row["shares"] or ())[:_MOST_SHARES]
        ]
        similarity = _number(row["similarity"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"explanations: expected similarity and shares, got {error!r}; run it again"
        ) from error
    return PairAnswer(
        similarity=similarity, shares=shares, heat=mine, other_heat=theirs, live=False
    )  # fmt: skip


def _heat(row: dict[str, Any], side: str) -> HeatAnswer | None:
    shape, values = row.get(f"{side}heat_shape"), row.get(f"{side}heat")
    if not isinstance(shape, list) or not isinstance(values, list):
        return None
    fits = all(isinstance(n, int) and n > 0 for n in shape) and len(shape) in (1, 2)
    if not fits or math.prod(shape) != len(values) or len(values) > _MOST_PLACES:
        return None
    return HeatAnswer(shape=shape, values=finite(values))


def _number(value: Any) -> float:
    if not math.isfinite(float(value)):
        raise ValueError(f"{value!r}")
    return float(value)
