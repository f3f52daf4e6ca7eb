"""The columns beside the sketches of a shard: one row a sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from kinsight.errors import ArgumentError, SubjectError
from kinsight.sketching.sketcher import Sketched

MOST_OUTPUTS = 1000  # f(x) is kept up to this D
OURS = ("sample", "id", "norm", "sketch_norm", "rank", "set_apart", "label", "output")
_GROUP = "norm."  # prefix of the norms per group of layers


@dataclass(frozen=True)
class Given:
    """What a person says of the samples, N values each: ids, labels, columns of their own."""

    ids: Sequence[Any] | None = None
    labels: Sequence[Any] | Tensor | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def check(self, count: int) -> None:
        """Refuse another length, and names that are ours.

        Raises:
            SubjectError, ArgumentError.
        """
        named = {"ids": self.ids, "labels": self.labels}
        named |= {f"column {name!r}": values for name, values in self.columns.items()}
        for what, values in named.items():
            if values is not None and len(values) != count:
                raise SubjectError(
                    f"{what}: expected one for each of the {count} samples, got {len(values)}"
                )
        taken = [n for n in self.columns if n in OURS or n.startswith(_GROUP) or not n]
        if taken:
            raise ArgumentError(
                f"columns: expected names other than {', '.join(OURS)} and {_GROUP}…, got "
                f"{taken[0]!r}"
            )

    def check_like(self, there: Sequence[str]) -> None:
        """Refuse other columns than those of the rows that are there, before rows are added.

        Raises:
            SubjectError: one is missing, or new.
        """
        held = [n for n in there if n not in OURS and not n.startswith(_GROUP)]
        labels = self.labels is not None and "label" not in there
        if sorted(held) != sorted(self.columns) or labels:
            got = [*self.columns, *(["label"] if labels else [])]
            raise SubjectError(
                f"columns: expected those of the rows that are there, {', '.join(held) or 'none'}"
                f"{' and no label' if labels else ''}; got {', '.join(got) or 'none'}"
            )

    def slice(self, start: int, stop: int) -> dict[str, pa.Array]:
        """The columns of some samples, counted within the data."""
        found = {}
        if self.ids is not None:
            found["id"] = _array("ids", self.ids, start, stop)
        if self.labels is not None:
            found["label"] = _array("labels", self.labels, start, stop)
        for name, values in self.columns.items():
            found[name] = _array(f"column {name!r}", values, start, stop)
        return found


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


def _array(what: str, values: Any, start: int, stop: int) -> pa.Array:
    part = values[start:stop]
    part = part.detach().cpu().numpy() if isinstance(part, Tensor) else part
    try:
        return pa.array(part)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SubjectError(
            f"{what}: expected one number, text or truth value a sample, all of one kind: {error}"
        ) from error
