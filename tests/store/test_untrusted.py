"""Whatever lies in the folder of a store, reading it raises StoreError and takes little memory."""

import contextlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.entries import Mark
from kinsight.store.folder import StoreFolder
from kinsight.store.ledger import Ledger
from kinsight.store.place import Place
from kinsight.store.record import encode
from kinsight.store.repair import repair
from store.small import HEAD, changed, files, made

ODD = st.sampled_from(
    [None, True, False, -1, 0, 1, 3, 2**31, 2**40, 2**63, 10**300, 1.5, 1e300, "", "x" * 2000,
     "../../etc/passwd", "\x00", "\ud800", [], {}, [[]], {"a": {}}, [0] * 1000, "0" * 64]
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    made(path)
    return path


def mutated(data: st.DataObject, value: object) -> object:
    """A JSON value with one part of it replaced, removed or added."""
    inner = value if isinstance(value, dict | list) and value else None
    if inner is None or data.draw(st.integers(0, 6)) == 0:
        return data.draw(ODD)
    key = data.draw(
        st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
    )
    copy = dict(inner) if isinstance(inner, dict) else list(inner)
    how = data.draw(st.integers(0, 8))
    if how == 0:
        del copy[key]
    elif how == 1 and isinstance(copy, list):
        copy.append(copy[key])
    else:
        copy[key] = mutated(data, copy[key])
    return copy


def use_everything(path: Path) -> None:
    """Each way of reading may refuse, with a StoreError."""
    with contextlib.suppress(StoreError):
        verify(path)
    with contextlib.suppress(StoreError):
        folder = StoreFolder.open(path)
        for name in ("id", "score"):
            with contextlib.suppress(StoreError):
                folder.column(name)
        for shard in folder.shards[:5]:
            for read in (folder.read, folder.rows, folder.whitening, folder.samples):
                with contextlib.suppress(StoreError):
                    read(shard)
        if folder.segments and folder.segments[-1].rows < 1000:
            folder.missing(folder.segments[-1])
    with contextlib.suppress(StoreError):
        StoreFolder.create(path, HEAD)


@settings(max_examples=60)
@given(st.data())
def test_fuzzed_json_with_a_right_checksum(tmp_path_factory, whole, data) -> None:
    path = tmp_path_factory.mktemp("fuzz")
    content = files(whole)
    name = data.draw(st.sampled_from([n for n in sorted(content) if n.endswith(".json")]))
    fields = json.loads(content[name])
    fields.pop("checksum")
    new = mutated(data, fields)
    with contextlib.suppress(ValueError):
        content[name] = encode(new if isinstance(new, dict) else {"x": new})
    if data.draw(st.booleans()) and name != "run.json":
        content.pop("run.json")
    for file, data_ in content.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(data_)
    tracemalloc.start()
    try:
        use_everything(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@given(
    st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_any_bytes_as_run_json(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes")
    (path / "run.json").write_bytes(content)
    use_everything(path)
    with pytest.raises(StoreError):
        StoreFolder.open(path)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" + b"{}," * 9_000_000 + b"{}]",
        b'{"rows": ' + b"9" * 100_000 + b"}",
        b'{"rows": 1e999}',
        b'{"rows": NaN}',
        b"\xff\xfe",
        b"",
    ],
    ids=["lists", "objects", "many", "digits", "infinite", "nan", "bytes", "empty"],
)
def test_hostile_json_is_refused_before_memory_is_taken(tmp_path: Path, content: bytes) -> None:
    from kinsight.store.record import parse

    tracemalloc.start()
    try:
        with pytest.raises(StoreError):
            parse(content, "here")
        assert tracemalloc.get_traced_memory()[1] < len(content) + (32 << 20)
    finally:
        tracemalloc.stop()


def test_a_record_of_more_than_64_mib_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "run.json", "wb") as file:
        file.truncate((64 << 20) + 1)
    tracemalloc.start()
    with pytest.raises(StoreError, match="expected a file of at most 67,108,864 bytes"):
        StoreFolder.open(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_million_shards_cost_nothing_until_they_are_asked_for(tmp_path: Path) -> None:
    folder = StoreFolder.create(tmp_path, changed(HEAD, plan__shard_rows=1))
    tracemalloc.start()
    folder.begin(1_000_000, "many")
    assert len(StoreFolder.open(tmp_path)) == 0
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    with pytest.raises(StoreError, match="at most 1,000,000 shards, got 1,000,001"):
        StoreFolder.create(tmp_path / "x", folder.head).begin(1_000_001, "more")


def passed_off(path: Path, name: str, content: bytes) -> None:
    """Replace a data file of shard 0 and let run.json vouch for it."""
    (path / name).write_bytes(content)
    ledger = Ledger.load(Place(path))
    entry, *rest = ledger.contents.entries
    changed_entry = replace(entry, **{name.split("/")[0]: Mark.of(content)})
    ledger.save(replace(ledger.contents, entries=(changed_entry, *rest)))


def batches(columns: dict, rows: int = 5, count: int = 1, **options) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch(columns)
    with pa.ipc.new_file(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as file:
        for _ in range(count):
            file.write_batch(batch)
    return sink.getvalue().to_pybytes()


def lists(kind: pa.DataType, width: int, rows: int = 5, null: bool = False) -> pa.Array:
    values = [None if null and i == 0 else [0.0] * width for i in range(rows)]
    return pa.array(values, pa.list_(kind, width))


@pytest.mark.parametrize(
    "content",
    [
        b"ARROW1\x00\x00" + b"\xff" * 200 + b"ARROW1",
        batches({"sketch": lists(pa.float32(), 6)}),
        batches({"sketch": lists(pa.float16(), 7)}),
        batches({"sketch": lists(pa.float16(), 6, rows=4)}),
        batches({"sketch": lists(pa.float16(), 6, null=True)}),
        batches({"sketch": lists(pa.float16(), 6)}, count=2),
        batches({"sketch": pa.array([[0.0] * 6] * 5, pa.list_(pa.float16()))}),
        batches({"sketch": pa.array(["a"] * 5)}),
        batches({"other": lists(pa.float16(), 6)}),
        batches({"sketch": lists(pa.float16(), 6, rows=200_000)}, compression="zstd"),
    ],
)
def test_an_arrow_file_of_another_form_is_refused(tmp_path: Path, content: bytes) -> None:
    made(tmp_path)
    passed_off(tmp_path, "sketch/shard-000000.arrow", content)
    with pytest.raises(StoreError, match=r"shard-000000\.arrow"):
        StoreFolder.open(tmp_path).read(0)
    assert "sketch/shard-000000.arrow" in {damage.file for damage in verify(tmp_path)}


@pytest.mark.parametrize("sample", [range(1, 6), [0, 1, 2, 3, None], [0, 1, 2, 2, 4], range(4)])
def test_samples_that_do_not_count_are_found(tmp_path: Path, sample) -> None:
    made(tmp_path)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"sample": pa.array(sample, pa.int64())}), sink)
    passed_off(tmp_path, "samples/shard-000000.parquet", sink.getvalue().to_pybytes())
    assert "samples/shard-000000.parquet" in {damage.file for damage in verify(tmp_path)}


@settings(max_examples=40)
@given(st.data())
def test_fuzzed_data_files(tmp_path_factory, whole, data) -> None:
    path = tmp_path_factory.mktemp("data")
    content = files(whole)
    names = ["sketch/shard-000000.arrow", "samples/shard-000000.parquet"]
    name = data.draw(st.sampled_from(names))
    for file, data_ in content.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(data_)
    altered = bytearray(content[name])
    for _ in range(data.draw(st.integers(1, 5))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    passed_off(path, name, bytes(altered))
    use_everything(path)
    with contextlib.suppress(StoreError):
        repair(path)
