"""The columns beside the sketches of a shard: one row a sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from kinsight.errors import ArgumentError, SubjectError
from kinsight.provenance.digest import Digest
from kinsight.sketching.sketcher import Sketched

MOST_OUTPUTS = 1000  # f(x) is kept up to this D
OURS = ("sample", "id", "norm", "sketch_norm", "rank", "set_apart", "label", "output")
# What a survey writes beside them.
SURVEYED = (
    "density", "density_square", "map_x", "map_y", "count_0.5", "count_0.7", "count_0.9",
    "density_power_4", "neighbours", "similarity", "suspect_score", "contradicted",
    "proposed_label", "proposed_support", "label_off",
)  # fmt: skip
_GROUP = "norm."  # prefix of the norms per group of layers


class Given:
    """What a person says of the samples, N values each: ids, labels, columns of their own.

    Types are found over all values, so that every shard has the same ones.

    Raises:
        SubjectError: values that are not of one kind.
        ArgumentError: a column with a name that kinsight uses.
    """

    def __init__(
        self,
        ids: Sequence[Any] | None = None,
        labels: Sequence[Any] | Tensor | None = None,
        columns: Mapping[str, Sequence[Any]] | None = None,
    ):
        taken = [n for n in columns or {} if n in (*OURS, *SURVEYED) or n.startswith(_GROUP)]
        if taken:
            raise ArgumentError(
                f"columns: expected names other than those kinsight uses ({', '.join(OURS)}, "
                f"{_GROUP}…, {', '.join(SURVEYED)}), got {taken[0]!r}"
            )
        named = {"id": ids, "label": labels, **(columns or {})}
        self.arrays: dict[str, pa.Array] = {
            name: _array(name, values) for name, values in named.items() if values is not None
        }

    def with_ids(self, ids: pa.Array) -> "Given":
        """The same with ids."""
        other = Given()
        other.arrays = {"id": ids} | self.arrays
        return other

    def check(self, count: int) -> None:
        """Refuse another length.

        Raises:
            SubjectError.
        """
        for name, values in self.arrays.items():
            if len(values) != count:
                raise SubjectError(
                    f"{name}: expected one for each of the {count} samples, got {len(values)}"
                )

    def check_like(self, there: pa.Schema, labelled: bool) -> None:
        """Refuse other columns than those of the rows that are there, before rows are added.

        ``labelled``: the data bring labels of their own.

        Raises:
            SubjectError: one is missing, new or of another type.
        """
        held = {f.name: f.type for f in there if _given(f.name)}
        got = {name: values.type for name, values in self.arrays.items() if _given(name)}
        if labelled and "label" not in got:
            got["label"] = pa.int64()
        if held != got:
            raise SubjectError(
                f"columns: expected those of the rows that are there, {_listed(held)}; got "
                f"{_listed(got)}"
            )

    def digest(self) -> str:
        """Of all that was given: it belongs to the data."""
        return Digest({name: _bytes(values) for name, values in self.arrays.items()}).hex()

    def slice(self, start: int, stop: int) -> dict[str, pa.Array]:
        """The columns of some samples, counted within the data."""
        return {name: values[start:stop] for name, values in self.arrays.items()}


def _given(name: str) -> bool:
    """Whether a column comes from a person; ids have their own default."""
    return name == "label" or (name not in OURS and not name.startswith(_GROUP))


def _listed(types: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in sorted(types.items())) or "none"


def _bytes(values: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("values", values.type)])) as writer:
        writer.write_table(pa.table({"values": values}))
    return sink.getvalue().to_pybytes()


def samples_table(
    first: int, parts: Sequence[Sketched], groups: Mapping[str, str], given: Mapping[str, pa.Array]
) -> pa.Table:
    """``sample`` (row in the store), ``id``, ``label``, ``norm`` √Tr K(x,x), ``sketch_norm``
    ‖φ‖ before it was made 1, ``rank`` of K(x,x), ``set_apart`` (gradient not finite),
    ``output`` f(x), ``norm.GROUP`` per group of layers (their squares add up to norm²), then the
    user's own.
    """
    norm = torch.cat([part.norm for part in parts])
    sample = pa.array(np.arange(first, first + len(norm)))
    columns: dict[str, Any] = {"sample": sample, "id": given.get("id", sample)}
    if "label" in given:
        columns["label"] = given["label"]
    columns["norm"] = pa.array(norm.numpy())
    columns["sketch_norm"] = pa.array(torch.cat([part.sketch_norm for part in parts]).numpy())
    columns["rank"] = pa.array(torch.cat([part.rank for part in parts]).numpy())
    columns["set_apart"] = pa.array(norm.isnan().numpy())
    outputs = torch.cat([part.outputs for part in parts])
    if outputs.shape[1] <= MOST_OUTPUTS:
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        flat = pa.array(np.ascontiguousarray(outputs.numpy()).reshape(-1))
        columns["output"] = pa.FixedSizeListArray.from_arrays(flat, outputs.shape[1])
    columns |= _group_norms(parts, groups)
    columns |= {name: values for name, values in given.items() if name not in columns}
    return pa.table(columns)


def _group_norms(parts: Sequence[Sketched], groups: Mapping[str, str]) -> dict[str, pa.Array]:
    """Every group of every chosen parameter, 0 where this data does not reach it."""
    found = {}
    for group in dict.fromkeys(groups.values()):
        names = [name for name, other in groups.items() if other == group]
        squares = [
            sum((part.shares[n] for n in names if n in part.shares), torch.zeros(len(part.norm)))
            for part in parts
        ]
        value = torch.cat([torch.as_tensor(square).double() for square in squares]).sqrt()
        apart = torch.cat([part.norm for part in parts]).isnan()
        found[_GROUP + group] = pa.array(value.masked_fill(apart, torch.nan).float().numpy())
    return found


def _array(name: str, values: Any) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SubjectError(
            f"{name}: expected one number, text or truth value a sample, all of one kind: {error}"
        ) from error
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(pa.int64()) if pa.types.is_null(array.type) else array
