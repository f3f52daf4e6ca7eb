"""What is only shown is checked before the run, and replaced without computing anything again."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from kinsight.errors import SubjectError
from kinsight.report import write_report
from kinsight.run import RunFolder, analyze, job
from kinsight.run.tables import COMPUTED
from kinsight.subject.display import DISPLAYED
from run.subjects import COUNT, subject

NAMES = [f"file {i}" for i in range(COUNT)]
NUMBERS = list(range(COUNT))
CHANGED = [*NUMBERS[:30], -1, *NUMBERS[31:]]  # in the middle, which str() leaves out
LONG = np.arange(COUNT * 40).reshape(COUNT, 40).tolist()


@pytest.fixture
def uncomputable(monkeypatch):
    """From now on a run that computes anything fails."""

    def start() -> None:
        def never(*_, **__):
            raise AssertionError("computed")

        monkeypatch.setattr(job, "computed", never)

    return start


def without_shown(run: RunFolder) -> pa.Table:
    table = run.table("samples")
    return table.select([name for name in table.column_names if name in COMPUTED])


@pytest.mark.parametrize(
    ("before", "after", "column"),
    [
        ({"names": NAMES}, {"names": [*NAMES[:30], "other", *NAMES[31:]]}, "name"),
        ({}, {"names": NAMES}, "name"),
        ({"names": NAMES}, {}, None),
        ({"texts": NAMES}, {"texts": NAMES[::-1]}, "text"),
        ({"columns": {"age": range(COUNT)}}, {"columns": {"year": range(COUNT)}}, "year"),
        ({"columns": {"age": LONG}}, {"columns": {"age": [*LONG[:30], [1], *LONG[31:]]}}, "age"),
        ({"columns": {"age": pa.array(NUMBERS)}}, {"columns": {"age": pa.array(CHANGED)}}, "age"),
        ({"columns": {"age": torch.tensor(NUMBERS)}}, {"columns": {"age": NUMBERS[::-1]}}, "age"),
        ({"planted": {1: 0}}, {"planted": {1: 2}}, "planted_label"),
        ({"title": "One"}, {"title": "Two"}, None),
    ],
)
def test_other_things_to_show_are_written_into_the_finished_run(
    tmp_path: Path, uncomputable, before: dict, after: dict, column: str | None
) -> None:
    first = analyze(subject(**before), tmp_path / "run")
    before_all, kept, report = first.table("samples"), without_shown(first), write_report(first)
    expected = analyze(subject(**after), tmp_path / "anew")
    uncomputable()
    again = analyze(subject(**after), tmp_path / "run")
    assert again.table("samples").equals(expected.table("samples"))
    assert without_shown(again).equals(kept)
    if column is not None:
        assert not before_all.equals(expected.table("samples"))
    for field in ("title", "planted", "shown", "tables"):
        assert again.record[field] == expected.record[field]
    assert not report.exists()  # it showed what was before
    stamp = (tmp_path / "run" / "samples.parquet").stat().st_mtime_ns
    analyze(subject(**after), tmp_path / "run")
    assert (tmp_path / "run" / "samples.parquet").stat().st_mtime_ns == stamp


def drawn(value: int) -> list[np.ndarray]:
    return [np.full((8, 8), value if i == 30 else 7, np.uint8) for i in range(COUNT)]


def test_other_pictures_are_painted_anew(tmp_path: Path, uncomputable) -> None:
    paths = []
    for i, array in enumerate(drawn(1)):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(array).save(paths[-1])
    run = analyze(subject(pictures=paths), tmp_path / "run")
    seen = [run.table("pictures")["png"][30].as_py()]
    uncomputable()
    Image.fromarray(np.full((9, 9), 3, np.uint8)).save(paths[30])  # the file has changed
    for pictures in (paths, drawn(2), np.stack(drawn(3)), lambda i: drawn(4)[i]):
        run = analyze(subject(pictures=pictures), tmp_path / "run")
        seen.append(run.table("pictures")["png"][30].as_py())
    assert len(set(seen)) == 5
    run = analyze(subject(), tmp_path / "run")
    assert not run.has("pictures")
    assert not (tmp_path / "run" / "media" / "pictures.parquet").exists()


class Opaque:
    pass


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"columns": {"density": [0] * COUNT}}, "'density' is a name kinsight uses"),
        ({"columns": {"noise_gain": [0] * COUNT}}, "'noise_gain' is a name kinsight uses"),
        ({"columns": {"name": [0] * COUNT}}, "'name' is a name kinsight uses"),
        ({"columns": {"age": [Opaque()] * COUNT}}, "'age'.* cannot be stored"),
        ({"columns": {"age": [1, "a"] * (COUNT // 2)}}, "'age'.* cannot be stored"),
        ({"columns": {"age": torch.zeros(COUNT, 2)}}, "'age'.* cannot be stored"),
        ({"columns": {"age": [1 << 70] * COUNT}}, "'age'.* cannot be stored"),
        ({"columns": {"age": [{}] * COUNT}}, "'age'.* cannot be stored"),
        ({"pictures": ["nowhere.png"] * COUNT}, "that of sample 0"),
        ({"pictures": [3.5] * COUNT}, "got float for sample 0"),
        ({"labels": [1, "a"] * (COUNT // 2)}, "labels: expected whole numbers or names"),
    ],
)
def test_what_cannot_be_shown_is_said_before_the_run(tmp_path: Path, more: dict, said: str) -> None:
    with pytest.raises(SubjectError, match=said):
        analyze(subject(**more), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_picture_damaged_in_the_middle_is_said_before_the_pairs(
    tmp_path: Path, uncomputable
) -> None:
    paths = []
    for i, array in enumerate(drawn(1)):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(array).resize((200, 200)).save(paths[-1])
    paths[40].write_bytes(paths[40].read_bytes()[:80])
    uncomputable()
    with pytest.raises(SubjectError, match="sample 40, which cannot be read"):
        analyze(subject(pictures=paths), tmp_path / "run")


def test_half_characters_are_replaced_when_written(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")  # a real name of a file
    names = [odd] * COUNT
    labels = [odd if i % 2 else "b" for i in range(COUNT)]
    given = subject(
        names=names, texts=names, labels=labels, title=odd, columns={odd: names}, planted={3: odd}
    )
    run = analyze(given, tmp_path)
    table = run.table("samples")
    for column in ("name", "text", "label", "caf\ufffd.jpg"):
        assert table[column][1].as_py() == "caf\ufffd.jpg"
    assert table["planted_label"][3].as_py() == "caf\ufffd.jpg"
    assert run.record["title"] == "caf\ufffd.jpg"
    assert "caf" in write_report(run).read_text(encoding="utf-8")


def test_every_column_is_on_the_list_of_names_that_are_taken(tmp_path: Path) -> None:
    shown = {"names": NAMES, "texts": NAMES, "planted": {1: 0}}
    classes = analyze(subject(normalization="trace", **shown), tmp_path / "classes")
    real = {"labels": torch.rand(COUNT), "output": lambda z, _: z[:, 0]}
    numbers = analyze(subject(**real, **shown), tmp_path / "numbers")
    found = {n for run in (classes, numbers) for n in run.table("samples").column_names}
    assert found == {*COMPUTED, *DISPLAYED}
