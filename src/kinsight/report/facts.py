"""What the network is and what the data are, in rows of two: a name and what is known."""

import io
from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from kinsight.drawing.marks import counted
from kinsight.report.samples import Samples, clean, natural
from kinsight.report.summary import own_share

Facts = list[tuple[str, str]]

_NORMALISED = {
    "whitened": "whitened: directions of the output count alike, however strong they are",
    "trace": "trace: the cosine of the whole Jacobians",
}
_LISTED = 8  # names


def network(record: dict[str, Any], samples: Samples) -> Facts:
    """The network, what was asked of it, and how good its own answers are."""
    identity, coverage = record["identity"], record["coverage"]
    count = record["outputs"]
    found = [
        ("network", f"{clean(record['model'])}, {record['parameters']:,} parameters"),
        ("its operators", _operators(coverage["rows"])),
        ("asked of it", f"{clean(identity['output'])}, {_plural(count, 'number')} a sample"),
        ("similarity", _NORMALISED.get(identity["normalization"], str(identity["normalization"]))),
    ]
    share = own_share(samples)
    if share is not None:
        found.append(("its answer is the label", f"for {share:.1%} of the labelled samples"))
    return found


def data(record: dict[str, Any], samples: Samples) -> Facts:
    """The samples, what they are, and their labels."""
    found = [("samples", f"{record['samples']:,}{_kind(record, samples)}")]
    found += _labels(record, samples)
    planted = record.get("planted")
    if planted:
        found.append(("changed on purpose", _plural(planted, "label")))
    own = [n for n in samples.run.table("samples").column_names if n not in _known()]
    if own:
        found.append(("own columns", _listed(own)))
    return found


def _kind(record: dict[str, Any], samples: Samples) -> str:
    if samples.run.has("pictures"):
        png = samples.png(0) if samples.count else None
        size = Image.open(io.BytesIO(png)).size if png else (0, 0)
        return f" pictures, shown with {size[0]} × {size[1]} pixels"
    if samples.run.has("signals"):
        told = record.get("signals") or {}
        return f" waveforms of {told.get('channels', '?')} × {told.get('length', '?')} numbers"
    if "text" in samples.columns:
        lengths = [len(t) for t in samples.columns["text"] if t is not None]
        return f" texts of {counted(float(np.median(lengths)))} characters, median" * bool(lengths)
    names = record.get("features")
    if samples.run.has("inputs") and isinstance(names, list):
        return f" rows of {len(names)} numbers: {_listed(names)}"
    return ""


def _labels(record: dict[str, Any], samples: Samples) -> Facts:
    given, told = samples.columns.get("label"), record["labels"]
    if given is None or told is None:
        return [("labels", "none")]
    missing = f"; {told['missing']:,} missing" if told["missing"] else ""
    there = [v for v in given if v is not None]
    if not there:
        return [("labels", f"none{missing}")]
    if not samples.classes:
        low, middle, high = np.quantile(np.array(there, dtype=float), [0, 0.5, 1])
        said = f"numbers from {low:.4g} to {high:.4g}, median {middle:.4g}"
        return [("labels", said + missing)]
    size = Counter(there)
    order = sorted(size, key=lambda c: (size[c], natural(c)))
    few, many = order[0], order[-1]
    said = (
        f"{len(size):,} classes, from {size[few]:,} samples (“{clean(few)}”) to {size[many]:,} "
        f"(“{clean(many)}”)"
    )
    return [("labels", said + missing)]


def _operators(rows: list[dict[str, Any]]) -> str:
    """Which operators read parameters, the most frequent first."""
    count = Counter(op for row in rows for op in row["operators"])
    named = [f"{clean(op)} ({n})" for op, n in sorted(count.items(), key=lambda c: (-c[1], c[0]))]
    return _listed(named) if named else "none that reads parameters"


def _listed(names: list[Any]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(clean(n) for n in names[:_LISTED]) + more


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _known() -> tuple[str, ...]:
    from kinsight.run.tables import COMPUTED
    from kinsight.subject.display import DISPLAYED

    return (*COMPUTED, *DISPLAYED)
