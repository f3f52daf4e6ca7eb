"""Labels as indices of the network's outputs, where that is known."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kinsight.exports.material import Material


@dataclass(frozen=True)
class Classes:
    """Each sample's class, −1 where it has none."""

    index: np.ndarray  # (N,) int64
    names: list[str]


def classes_of(material: Material) -> Classes | str:
    """The classes; or why it cannot be said which output a label belongs to."""
    columns = material.view.columns
    if not columns.has("label"):
        return "the samples have no labels"
    if material.is_run:
        return _of_run(material)
    column = material.view.store.folder.column("label")  # type: ignore[attr-defined]
    if not pa.types.is_integer(column.type):
        return "labels are real numbers or names without the network's list of classes"
    index = np.array([-1 if v is None else max(v, -1) for v in column.to_pylist()], np.int64)
    shown = columns.texts("label").to_pylist()
    named = dict(zip(index.tolist(), shown, strict=True))
    most = int(index.max(initial=-1)) + 1
    return Classes(index, [named.get(i) or str(i) for i in range(most)])


def _of_run(material: Material) -> Classes | str:
    columns, names = material.view.columns, _names(material)
    if not names or not columns.has("predicted") or columns.kind("label") == "number":
        return "labels are real numbers or names without the network's list of classes"
    place = {name: i for i, name in enumerate(names)}
    if len(place) < len(names):
        return "two classes have the same name"
    found = [place.get(label, -1) for label in columns.texts("label").to_pylist()]
    return Classes(np.array(found, np.int64), names)


def _names(material: Material) -> list[str]:
    """The names of run.json as they are, where the view shortens them."""
    said = material.view.run.record.get("labels")  # type: ignore[attr-defined]
    names = said.get("classes") if isinstance(said, dict) else None
    return [f"{name}" for name in names] if isinstance(names, list) else []
