"""A folder for FiftyOne: pictures, labels as Classification, numbers as fields, decisions as tags.

The layout is fiftyone.types.LegacyFiftyOneDataset, which every version reads and which names no
field of FiftyOne's own database.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from kinsight.errors import ArgumentError
from kinsight.exports.arrays import write_features
from kinsight.exports.flat import flat
from kinsight.exports.material import Material
from kinsight.files import storable

HOLDS = frozenset(
    {"map", "neighbours", "pictures", "text", "inputs", "decisions", "features", "output"}
)
SAMPLES, METADATA, MEDIA = "samples.json", "metadata.json", "data"
CLASSES = {"label": "ground_truth", "predicted": "prediction", "proposed_label": "proposed"}
ADDED = ("nearest", "nearest_similarity", "output")
# What a sample of FiftyOne has under these names.
_RESERVED = ("id", "filepath", "tags", "metadata", "created_at", "last_modified_at", "frames")
_INSIDE = re.compile(r"\W", re.ASCII)


def check(material: Material) -> None:
    """Refuse samples without pictures.

    Raises:
        ArgumentError.
    """
    if "pictures" not in material.present:
        raise ArgumentError(
            f"fiftyone: expected samples with pictures, got {material.view.facts.path_name} "
            "without; --to spotlight and --to embedding-atlas show samples of any kind, and "
            "`pictures` in what your function returns adds some"
        )


def write(material: Material, folder: Path, record: dict[str, Any]) -> list[str]:
    """``samples.json``, ``metadata.json``, ``data/`` with a PNG a sample, ``features.npy``.

    Labels go out as Classification fields ``ground_truth``, ``prediction`` (with its probability
    where it is known) and ``proposed``; real labels as numbers. What could not be had as it is,
    in sentences.
    """
    table, notes = flat(material)
    names, said = _fields(table)
    (folder / MEDIA).mkdir()
    with open(folder / SAMPLES, "w", encoding="utf-8") as file:
        file.write('{"samples": [\n')
        for i, sample in enumerate(_samples(material, table, names, folder)):
            text = json.dumps(sample, ensure_ascii=False, allow_nan=False)
            file.write((",\n" if i else "") + storable(text))
        file.write("\n]}\n")
    info = {"info": {key: value for key, value in record.items() if key != "notes"}}
    (folder / METADATA).write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")
    write_features(folder, material)
    return [*notes, *said]


def opens(_: Material, path: Path) -> str:
    """The line of Python that opens it."""
    return (
        f"fiftyone.Dataset.from_dir({str(path)!r}, "
        "dataset_type=fiftyone.types.LegacyFiftyOneDataset)"
    )


def _fields(table: pa.Table) -> tuple[dict[str, str], list[str]]:
    """The field of each column, and a sentence on those of another name."""
    fields: dict[str, str] = {}
    for name in table.column_names:
        is_class = name in CLASSES and pa.types.is_string(table.schema.field(name).type)
        bare = CLASSES[name] if is_class else _INSIDE.sub("_", name)
        field = bare = bare if re.match("[A-Za-z]", bare) else f"column_{bare}"
        count = 1
        while field in (*_RESERVED, *ADDED, *fields.values()):
            count += 1
            field = f"{bare}_{count}"
        fields[name] = field
    changed = [f"{a} → {b}" for a, b in fields.items() if a != b and a not in CLASSES]
    return fields, [f"names of fields: {', '.join(changed)}"] if changed else []


def _samples(
    material: Material, table: pa.Table, names: dict[str, str], folder: Path
) -> Iterator[dict[str, Any]]:
    outputs = material.outputs
    for start in range(0, material.count, 1024):
        for row in table.slice(start, 1024).to_pylist():
            sample = row["sample"]
            picture = _picture(material, sample, folder)
            near = material.near([sample])[0]
            yield {
                "filepath": picture,
                "tags": [row["decision"]] if row.get("decision") else [],
                "metadata": None,
                **{names[name]: _value(material, name, row, names) for name in row},
                "nearest": [other for other, _ in near],
                "nearest_similarity": [_finite(similarity) for _, similarity in near],
                **({} if outputs is None else {"output": _list(outputs[sample])}),
            }


def _picture(material: Material, sample: int, folder: Path) -> str:
    """The path of a picture in the folder; a sample without one gets a path where nothing is."""
    name = f"{MEDIA}/{sample:09d}.png"
    png = material.picture(sample)
    if png is not None:
        (folder / name).write_bytes(png)
    return name


def _value(material: Material, name: str, row: dict[str, Any], names: dict[str, str]) -> Any:
    value = row[name]
    if value is None or names[name] not in CLASSES.values():
        return _finite(value)
    found = {"_cls": "Classification", "tags": [], "label": value}
    confidence = _confidence(material, row["sample"]) if name == "predicted" else None
    return found if confidence is None else found | {"confidence": confidence}


def _confidence(material: Material, sample: int) -> float | None:
    """The probability of the prediction, which is the class of the highest score."""
    scores = material.probabilities
    return None if scores is None else _finite(float(scores[sample].max()))


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    wrong = isinstance(value, float) and (value != value or value in (float("inf"), -float("inf")))
    return None if wrong else value


def _list(values: Any) -> list[float | None]:
    return [_finite(value) for value in values.tolist()]
