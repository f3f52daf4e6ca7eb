"""The table of suspects: every number that speaks for or against a label, a row a sample."""

from dataclasses import dataclass

from kinsight.report.samples import Samples, Shown, clean, short

MOST = 100


@dataclass(frozen=True)
class Row:
    """One suspect. Shares are of its nearest labelled samples; None where there is nothing."""

    place: int  # 1 = most suspected
    sample: Shown
    proposed: str | None
    score: float | None
    support: float | None  # of the proposed label by the others, 1 = all of it
    with_label: float | None
    with_proposed: float | None
    density: float
    fit: str | None
    planted: str | None


def rows(samples: Samples, suspects: list[int]) -> list[Row]:
    """The first hundred of ``suspects``, in their order."""
    return [_row(samples, place, i) for place, i in enumerate(suspects[:MOST], 1)]


def _row(samples: Samples, place: int, position: int) -> Row:
    proposed = samples.value("proposed_label", position)
    planted = samples.value("planted_label", position)
    label = samples.value("label", position)
    return Row(
        place,
        samples.shown(position),
        None if proposed is None else clean(short(proposed)),
        samples.value("suspect_score", position),
        samples.value("proposed_support", position),
        samples.agreeing(position, label) if samples.classes else None,
        samples.agreeing(position, proposed) if samples.classes else None,
        float(samples.density[position]),
        samples.value("fit", position),
        None if planted is None else clean(planted),
    )
