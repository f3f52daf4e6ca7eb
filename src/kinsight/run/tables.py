"""The first tables of a run: one row a sample, one row a neighbour."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from kinsight.analysis.tallies import THRESHOLDS
from kinsight.errors import RunFolderError
from kinsight.kernel.neighbours import Neighbours
from kinsight.run.compute import POWER, Found
from kinsight.run.parts import fixed_lists
from kinsight.subject.labels import Labels

MOST_OUTPUTS = 1000  # f(x) is kept in samples.parquet up to this D
# The columns of samples.parquet that are computed.
COMPUTED = (
    "sample", "label", "predicted", "output", "norm", "rank", "set_apart", "density",
    *(f"count_{threshold:g}" for threshold in THRESHOLDS), f"density_power_{POWER:g}",
    "uncertainty", "fit_count", "fit_spread", "fit", "suspect_score", "suspect_rank",
    "contradicted", "proposed_label", "proposed_support", "neighbourhood_label",
    "denoising_factor", "shift", "residual", "noise_gain",
)  # fmt: skip


def samples_table(found: Found, shown: Mapping[str, pa.Array]) -> pa.Table:
    """samples.parquet: one row a sample, in the order of the data.

    Columns: ``sample`` (position), ``name``, ``text``, ``label``, ``predicted``, ``output``
    (D numbers), ``norm`` √Tr K(x,x), ``rank`` of K(x,x), ``set_apart`` (gradient not finite),
    ``density`` (soft count, itself included), ``count_0.5`` … (hard counts),
    ``density_power_4`` (Σ max(k, 0)⁴), ``uncertainty`` (1/Σ|k_N|; of several outputs the traces,
    1/Σ|Tr K(x,x_j)|/Tr K(x,x), where these are compared),
    ``fit_count``, ``fit_spread``, ``fit`` (the regime), ``suspect_score`` in [0, 1],
    ``suspect_rank`` (0 = most suspected), ``contradicted`` (another label is proposed),
    ``proposed_label``, ``proposed_support``; for real
    labels ``neighbourhood_label``, ``denoising_factor``, ``shift``, ``residual``,
    ``noise_gain``; ``planted_label``, then the user's own.

    ``shown``: the columns that were not computed.
    """
    count = len(found.norms)
    columns: dict[str, Any] = {"sample": pa.array(np.arange(count))}
    columns |= _label_columns(found)
    if found.outputs.shape[1] <= MOST_OUTPUTS:
        columns["output"] = fixed_lists(found.outputs)
    columns["norm"] = pa.array(found.norms.numpy())
    columns["rank"] = pa.array(found.ranks.numpy())
    columns["set_apart"] = pa.array(found.norms.isnan().numpy())
    tallied = found.columns
    columns["density"] = pa.array(tallied["density"].numpy())
    for t, threshold in enumerate(THRESHOLDS):
        columns[f"count_{threshold:g}"] = pa.array(tallied["counts"][:, t].numpy())
    columns[f"density_power_{POWER:g}"] = pa.array(tallied["powers"][:, 0].numpy())
    if "influence" in tallied:
        columns["uncertainty"] = pa.array((1 / tallied["influence"]).numpy())
    columns |= _fit_columns(found) | _suspect_columns(found) | _denoising_columns(found)
    return _arranged(columns, shown)


def shown_anew(samples: pa.Table, shown: Mapping[str, pa.Array]) -> pa.Table:
    """samples.parquet with the same computed columns and others beside them."""
    computed = {name: samples[name] for name in samples.column_names if name in COMPUTED}
    return _arranged(computed, shown)


def _arranged(computed: dict[str, Any], shown: Mapping[str, pa.Array]) -> pa.Table:
    first = {name: shown[name] for name in ("name", "text") if name in shown}
    return pa.table({"sample": computed["sample"]} | first | computed | dict(shown))


def neighbours_table(nearest: Neighbours) -> pa.Table:
    """neighbours.parquet: ``sample``, ``rank`` (0 = nearest), ``neighbour``, ``similarity``."""
    count, k = nearest.indices.shape
    sample = torch.arange(count)[:, None].expand(count, k).reshape(-1)
    rank = torch.arange(k).expand(count, k).reshape(-1)
    neighbour, value = nearest.indices.reshape(-1), nearest.values.reshape(-1)
    there = neighbour >= 0
    return pa.table(
        {
            "sample": sample[there].numpy(),
            "rank": rank[there].to(torch.int32).numpy(),
            "neighbour": neighbour[there].numpy(),
            "similarity": value[there].numpy(),
        }
    )


def neighbours_in(table: pa.Table, count: int) -> Neighbours:
    """What :func:`neighbours_table` wrote; as ``search.graph`` gives it, −1 where there is none.

    Raises:
        RunFolderError: a position or rank that no run of ``count`` samples has.
    """
    sample, rank, neighbour = (
        torch.from_numpy(table[name].to_numpy().astype(np.int64))
        for name in ("sample", "rank", "neighbour")
    )
    width = int(rank.max()) + 1 if len(rank) else 1
    positions = torch.cat([sample, neighbour])
    if len(rank) and not (
        int(positions.min()) >= 0 and int(positions.max()) < count
        and int(rank.min()) >= 0 and width < count
    ):  # fmt: skip
        raise RunFolderError(
            f"neighbours: expected positions and ranks of {count} samples, got others; the folder "
            "was changed, run it again with --fresh"
        )
    values = torch.full((count, width), -torch.inf)
    indices = torch.full((count, width), -1)
    values[sample, rank] = torch.from_numpy(table["similarity"].to_numpy().astype(np.float32))
    indices[sample, rank] = neighbour
    return Neighbours(values, indices)


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
    unknown = ~judged.score.isfinite().numpy()
    if labels.real is not None:
        answers = judged.answers[:, 0].numpy()
        proposed = pa.array(answers, mask=np.isnan(answers))
        support = {}
    else:
        names = [labels.name(i) if i >= 0 else None for i in judged.proposed.tolist()]
        proposed = pa.array(names, pa.string())
        own = judged.answers.gather(1, judged.proposed.clamp_min(0)[:, None])[:, 0].numpy()
        support = {"proposed_support": pa.array(own, mask=np.isnan(own))}
    return {
        "suspect_score": pa.array(judged.score.numpy(), mask=unknown),
        "suspect_rank": pa.array(judged.rank.numpy(), mask=unknown),
        "contradicted": pa.array(judged.contradicts.numpy(), mask=unknown),
        "proposed_label": proposed,
        **support,
    }


def _fit_columns(found: Found) -> dict[str, pa.Array]:
    if found.fit is None:
        return {}
    spread = found.fit.spread.numpy()
    return {
        "fit_count": pa.array(found.fit.count.numpy()),
        "fit_spread": pa.array(spread, mask=np.isnan(spread)),
        "fit": pa.array(found.fit.named(), pa.string()),
    }


def _denoising_columns(found: Found) -> dict[str, pa.Array]:
    done = found.denoising
    if done is None:
        return {}
    columns = {
        "neighbourhood_label": done.neighbourhood[:, 0],
        "denoising_factor": done.factor,
        "shift": done.shift[:, 0],
        "residual": done.residual[:, 0],
    }
    if done.gain is not None:
        columns["noise_gain"] = done.gain
    return {
        name: pa.array(value.numpy(), mask=value.isnan().numpy()) for name, value in columns.items()
    }
