"""The tables of a run: one row a sample, one row a neighbour, one row a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kinsight.analysis.gather import THRESHOLDS, Gathered
from kinsight.analysis.suspects import Suspects
from kinsight.errors import SubjectError
from kinsight.run.files import write_whole
from kinsight.run.labels import Labels
from kinsight.run.parts import fixed_lists
from kinsight.run.pictures import Painter
from kinsight.run.subject import Subject

MOST_OUTPUTS = 1000  # f(x) is kept in samples.parquet up to this D
_PICTURES_A_GROUP = 1024


@dataclass(frozen=True)
class Found:
    """Everything computed about N samples."""

    norms: Tensor  # (N,) √Tr K(x,x); NaN = set apart
    ranks: Tensor  # (N,) of K(x,x)
    outputs: Tensor  # (N, D) f(x)
    gathered: Gathered
    labels: Labels | None
    predicted: Tensor | None  # (N,) class index
    suspects: Suspects | None


def samples_table(subject: Subject, found: Found) -> pa.Table:
    """samples.parquet: one row a sample, in the order of the data.

    Columns: ``sample`` (position), ``name``, ``text``, ``label``, ``predicted``, ``output``
    (D numbers), ``norm`` √Tr K(x,x), ``rank`` of K(x,x), ``set_apart`` (gradient not finite),
    ``density`` (soft count, itself included), ``count_0.5`` … (hard counts),
    ``suspect_score`` in [0, 1], ``suspect_rank`` (0 = most suspected), ``proposed_label``,
    ``proposed_votes``, ``planted_label``, then the user's own.

    Raises:
        SubjectError: one of the user's columns has a name of these, or cannot be stored.
    """
    count = len(found.norms)
    columns: dict[str, pa.Array] = {"sample": pa.array(np.arange(count))}
    for name, values in (("name", subject.names), ("text", subject.texts)):
        if values is not None:
            columns[name] = pa.array([str(v) for v in values])
    columns |= _label_columns(found)
    if found.outputs.shape[1] <= MOST_OUTPUTS:
        columns["output"] = fixed_lists(found.outputs)
    columns["norm"] = pa.array(found.norms.numpy())
    columns["rank"] = pa.array(found.ranks.numpy())
    columns["set_apart"] = pa.array(found.norms.isnan().numpy())
    columns["density"] = pa.array(found.gathered.density.numpy())
    for t, threshold in enumerate(THRESHOLDS):
        columns[f"count_{threshold:g}"] = pa.array(found.gathered.counts[:, t].numpy())
    columns |= _suspect_columns(found)
    if subject.planted:
        right = subject.planted
        columns["planted_label"] = pa.array(
            [_named(found.labels, right[i]) if i in right else None for i in range(count)],
            pa.string(),
        )
    for name, values in (subject.columns or {}).items():
        if name in columns:
            raise SubjectError(f"columns: {name!r} is a name kinsight uses itself; choose another")
        columns[name] = _own_column(name, values)
    return pa.table(columns)


def neighbours_table(gathered: Gathered) -> pa.Table:
    """neighbours.parquet: ``sample``, ``rank`` (0 = nearest), ``neighbour``, ``similarity``."""
    count, k = gathered.neighbours.shape
    sample = torch.arange(count)[:, None].expand(count, k).reshape(-1)
    rank = torch.arange(k).expand(count, k).reshape(-1)
    neighbour, value = gathered.neighbours.reshape(-1), gathered.similarity.reshape(-1)
    there = neighbour >= 0
    return pa.table(
        {
            "sample": sample[there].numpy(),
            "rank": rank[there].to(torch.int32).numpy(),
            "neighbour": neighbour[there].numpy(),
            "similarity": value[there].numpy(),
        }
    )


def write_pictures(path: Path, paint: Painter, count: int) -> None:
    """media/pictures.parquet: ``sample`` and ``png``, written group by group."""
    schema = pa.schema([("sample", pa.int64()), ("png", pa.binary())])

    def fill(aside: Path) -> None:
        with pq.ParquetWriter(aside, schema, compression="none") as writer:
            for positions in _groups(count):
                pictures = [paint(i) for i in positions]
                writer.write_table(
                    pa.table({"sample": list(positions), "png": pictures}, schema=schema)
                )

    write_whole(path, fill)


def _groups(count: int) -> Iterator[range]:
    for start in range(0, count, _PICTURES_A_GROUP):
        yield range(start, min(start + _PICTURES_A_GROUP, count))


def _label_columns(found: Found) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    labels = found.labels
    if labels is not None:
        real = labels.real
        columns["label"] = (
            pa.array(labels.shown(), pa.string()) if real is None else pa.array(real.numpy())
        )
    if found.predicted is not None and (
        labels is None or (labels.numbered and labels.real is None)
    ):
        named = labels or Labels(None, ())
        columns["predicted"] = pa.array([named.name(i) for i in found.predicted.tolist()])
    return columns


def _suspect_columns(found: Found) -> dict[str, pa.Array]:
    if found.suspects is None or found.labels is None:
        return {}
    judged, labels = found.suspects, found.labels
    known = judged.score.isfinite().numpy()
    proposed = [labels.name(i) if i >= 0 else None for i in judged.proposed.tolist()]
    return {
        "suspect_score": pa.array(judged.score.numpy(), mask=~known),
        "suspect_rank": pa.array(judged.rank.numpy(), mask=~known),
        "proposed_label": pa.array(proposed, pa.string()),
        "proposed_votes": pa.array(judged.votes.numpy()),
    }


def _named(labels: Labels | None, label: object) -> str:
    whole = isinstance(label, (int, np.integer)) and labels is not None and labels.index is not None
    return labels.name(int(label)) if whole and labels.numbered else str(label)  # type: ignore


def _own_column(name: str, values: object) -> pa.Array:
    try:
        return pa.array(values.numpy() if isinstance(values, Tensor) else values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        raise SubjectError(f"columns: {name!r} cannot be stored as a column: {error}") from error
