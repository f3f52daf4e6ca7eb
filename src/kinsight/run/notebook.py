"""A run as a notebook shows it: what was computed from what, density and suspicion drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kinsight.drawing.marks import histogram, logarithmic
from kinsight.drawing.style import new_figure

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure


def figure_of(samples: "pa.Table") -> "Figure":
    """Histograms of the density and, where labels were judged, of their suspicion."""
    judged = "suspect_score" in samples.column_names
    figure, axes = new_figure(1 + judged, 6.0, 3.2)
    histogram(axes[0], _numbers(samples, "density"), "density, in samples")
    if judged:
        marked = np.array([bool(v) for v in samples["contradicted"].to_pylist()])
        name = "suspicion, 1 = the others say something else"
        histogram(axes[1], _numbers(samples, "suspect_score"), name, marked, "contradicted")
        logarithmic(axes[1].yaxis)
    return figure


def numbers_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What the record says, in a few words."""
    identity = record["identity"]
    rows = [
        ("title", record.get("title") or record.get("target")),
        ("status", record["status"]),
        ("samples", f"{record['samples']:,}"),
        ("network", record.get("model")),
        ("parameters", record.get("parameters")),
        ("output", identity.get("output")),
        ("normalization", identity.get("normalization")),
        ("tables", ", ".join(record["tables"])),
        ("finished", record.get("finished")),
    ]
    return [
        (name, f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in rows
        if value
    ]


def _numbers(samples: "pa.Table", name: str) -> np.ndarray:
    return np.array(samples[name].to_pylist(), dtype=float)
