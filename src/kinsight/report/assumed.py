"""What a run assumed, what failed and what it left out: one row each, the worst first."""

from dataclasses import dataclass
from typing import Any

from kinsight.analysis.fit import FEW, MIXED, POWER
from kinsight.report.plates.classes import MOST_CLASSES
from kinsight.report.samples import Samples, clean

_OPTIONAL = {
    "map": "the map of the samples",
    "beside": "what others would have called near",
    "explanations": "why suspects are like their nearest",
}
_NAMED = 12


@dataclass(frozen=True)
class Item:
    """``state``: failed, warning, assumed, left out or holds."""

    state: str
    says: str


def items(samples: Samples) -> list[Item]:
    """All of it, from the record and the tables."""
    record = samples.run.record
    found = [
        *(Item("warning", clean(text, 600)) for text in record["warnings"]),
        *_gradients(record),
        *_denoising(record),
        *_labels(record, samples),
        *_parameters(record),
        *_left_out(record, samples),
    ]
    order = ("failed", "warning", "assumed", "left out", "holds")
    return sorted(found, key=lambda item: order.index(item.state))


def _gradients(record: dict[str, Any]) -> list[Item]:
    found, apart, still = [], record["set_apart"], record["no_gradient"]
    if apart:
        named = ", ".join(f"{i:,}" for i in apart[:_NAMED]) + (" …" if len(apart) > _NAMED else "")
        found.append(
            Item("failed", f"A gradient that is not finite, so set apart and compared with "
                 f"nothing: {len(apart):,} of {record['samples']:,} samples ({named}).")
        )  # fmt: skip
    else:
        found.append(Item("holds", "Every sample’s gradient is finite."))
    if still:
        found.append(
            Item("failed", f"No gradient at all, so similar to nothing: {still:,} of "
                 f"{record['samples']:,} samples.")
        )  # fmt: skip
    return found


def _denoising(record: dict[str, Any]) -> list[Item]:
    found = record.get("denoising") or {"assumptions": []}
    return [
        Item(
            "holds" if a["holds"] else "failed",
            f"Self-denoising needs: {clean(a['name'], 200)}. Seen here: {clean(a['says'], 300)}",
        )
        for a in found["assumptions"]
    ]


def _labels(record: dict[str, Any], samples: Samples) -> list[Item]:
    found, told = [], record["labels"]
    if told is not None and told["missing"]:
        said = f"{told['missing']:,} labels are missing: these samples vote for nobody."
        found.append(Item("left out", said))
    if "suspect_score" in samples.columns:
        said = (
            "Suspected labels: most labels are right, and the wrong ones have no pattern that "
            "similar samples share; where they do, the others repeat the error."
        )
        found.append(Item("assumed", said))
    if "fit" in samples.columns:
        said = (
            f"Fit: fewer than {FEW:g} neighbours are few, and a disagreement above {MIXED:g} of "
            f"that of all labels is mixed; neighbours count with the power {POWER:g} of their "
            "similarity. These borders are a convention."
        )
        found.append(Item("assumed", said))
    return found


def _parameters(record: dict[str, Any]) -> list[Item]:
    coverage = record["coverage"]
    rows, frozen, excluded = coverage["rows"], coverage["frozen"], coverage["excluded"]
    how = [row["how"] for row in rows]
    slow = how.count("fallback")
    more = f", {slow} of them by the slower fallback" if slow else ""
    found = [Item("holds", f"Gradients of {len(rows)} chosen parameters are exact{more}.")]
    if "unused" in how:
        names = [row["name"] for row in rows if row["how"] == "unused"]
        said = f"This output does not depend on {_some(names)}."
        found.append(Item("warning", said))
    for names, why in ((frozen, "frozen"), (excluded, "not chosen")):
        if names:
            said = f"Parameters left out because they are {why}: {_some(names)}."
            found.append(Item("left out", said))
    return found


def _left_out(record: dict[str, Any], samples: Samples) -> list[Item]:
    said = [clean(text, 400) for text in record["left_out"]]
    for table, what in _OPTIONAL.items():
        reason = any(table in text or what in text for text in said)
        if not samples.run.has(table) and not reason:
            said.append(f"{what}: this run has no table “{table}”")
    labels = {v for v in samples.column("label") if v is not None}
    if samples.classes and len(labels) > MOST_CLASSES:
        said.append(f"classes taken for the same: more than {MOST_CLASSES:,} classes")
    return [Item("left out", text[:1].upper() + text[1:].rstrip(".") + ".") for text in said]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(clean(name) for name in names[:_NAMED]) + more
