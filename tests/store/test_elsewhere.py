"""A store lies on any file system of pyarrow, and other programs read its columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from pyarrow import fs

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from kinsight.store.merge import merge
from kinsight.store.place import Place
from kinsight.store.repair import repair
from store.small import HEAD, changed, files, fill, made, write

Somewhere = tuple[str, dict[str, Any]]  # a path, and how to reach it


@pytest.fixture(scope="module")
def s3() -> Iterator[fs.FileSystem]:
    """An S3 server of this process with one bucket."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    system = fs.S3FileSystem(
        access_key="test",
        secret_key="test",
        region="us-east-1",
        endpoint_override=f"http://{host}:{port}",
        allow_bucket_creation=True,
    )
    system.create_dir("bucket")
    yield system
    server.stop()


def memory() -> fs.FileSystem:
    """A file system of fsspec, in memory."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem("memory", skip_instance_cache=True)))


@pytest.fixture(params=["s3", "fsspec", "subtree", "uri"])
def somewhere(request, tmp_path: Path) -> Somewhere:
    name = f"bucket/{request.node.name}".translate({ord(c): "-" for c in "[]"})
    if request.param == "s3":
        return name, {"filesystem": request.getfixturevalue("s3")}
    if request.param == "fsspec":
        return name, {"filesystem": memory()}
    if request.param == "subtree":
        return name, {"filesystem": fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())}
    return (tmp_path / name).as_uri(), {}


def contents(folder: StoreFolder) -> dict[str, bytes]:
    """Every file of a store, wherever it lies."""
    system, root = folder.place.filesystem, folder.place.root
    found = system.get_file_info(fs.FileSelector(root, recursive=True))
    return {
        info.path.split(f"{root}/", 1)[1]: system.open_input_stream(info.path).read()
        for info in found
        if info.type == fs.FileType.File and info.size
    }


def test_the_same_bytes_lie_everywhere(somewhere: Somewhere, tmp_path: Path) -> None:
    path, how = somewhere
    folder = StoreFolder.create(path, HEAD, **how)
    first, second, third = folder.missing(folder.begin(13, "mark"))
    write(folder, third)
    write(folder, first)
    reader = StoreFolder.open(path, **how)
    assert (len(reader), reader.finished) == (5, False)
    again = StoreFolder.create(path, HEAD, **how)  # as after a kill
    assert again.missing(again.begin(13, "mark")) == [second]
    write(again, second)
    again.finish()
    again.add_column("score", [i / 4 for i in range(13)])
    made(tmp_path / "local")
    local = StoreFolder.open(tmp_path / "local")
    assert contents(again) == files(tmp_path / "local")
    assert verify(path, **how) == []
    for shard in again.shards:
        assert torch.equal(again.read(shard), local.read(shard))
        assert torch.equal(again.whitening(shard), local.whitening(shard))
    assert again.column("id").to_pylist() == local.column("id").to_pylist()


def test_damage_is_found_and_repaired_everywhere(somewhere: Somewhere) -> None:
    path, how = somewhere
    folder = made(path, **how)
    whole = contents(folder)
    for name in ("sketch/shard-000001.arrow", "run.json"):
        content = bytearray(whole[name])
        content[len(content) // 2] ^= 1
        folder.place.write(name, bytes(content))
        assert [damage.file for damage in verify(path, **how)] == [name]
        assert repair(path, write, **how) == []
        assert contents(folder) == whole


def test_stores_grow_merge_and_go_everywhere(somewhere: Somewhere) -> None:
    path, how = somewhere
    fill(made(f"{path}/a", **how), 7, "more")
    fill(StoreFolder.create(f"{path}/b", changed(HEAD, identity__data="other"), **how), 6, "x", 1)
    whole = merge([f"{path}/a", f"{path}/b"], f"{path}/whole", **how)
    assert whole.column("sample").to_pylist() == list(range(26))
    assert verify(f"{path}/whole", **how) == []
    StoreFolder.create(f"{path}/b", changed(HEAD, sketch__seed=1), fresh=True, **how)
    assert contents(StoreFolder.open(f"{path}/b", **how)).keys() == {"run.json"}


def test_a_local_disk_is_known_through_whatever_wraps_it(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    wrapped = fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem("file")))
    nested = fs.SubTreeFileSystem("/", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
    places = [Place(tmp_path / "x"), Place(str(tmp_path / "x"), wrapped), Place("x", nested)]
    assert [place.local for place in places] == [tmp_path / "x"] * 3


def test_a_write_that_fails_leaves_no_half_object() -> None:
    """The stream is given all bytes at once: an error before that leaves nothing behind."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

    class Full(fsspec.get_filesystem_class("memory")):
        cachable = False
        full = False

        def _open(self, path, mode="rb", **rest):
            if self.full and mode == "wb":
                raise OSError(28, "No space left on device")
            return super()._open(path, mode, **rest)

    full = Full()
    system = fs.PyFileSystem(fs.FSSpecHandler(full))
    folder = StoreFolder.create("disk/full", HEAD, filesystem=system)
    shards = folder.missing(folder.begin(13, "mark"))
    write(folder, shards[0])
    before, full.full = contents(folder), True
    with pytest.raises(StoreError, match="No space left on device"):
        write(folder, shards[1])
    assert contents(folder) == before
    full.full = False
    for shard in folder.missing(folder.segments[0]):
        write(folder, shard)
    folder.finish()
    assert verify("disk/full", filesystem=system) == []


def test_a_uri_nobody_knows_is_refused_without_its_secrets() -> None:
    with pytest.raises(StoreError, match="expected a URI that pyarrow opens") as error:
        StoreFolder.open("nosuch://key:secret@host/x")
    assert "secret" not in str(error.value)


def test_duckdb_reads_the_columns(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    fill(made(tmp_path), 7, "more")
    query = f"""
        SELECT count(*), min(sample), max(sample), sum(norm), sum(score)
        FROM '{tmp_path}/samples/*.parquet'
        LEFT JOIN '{tmp_path}/columns/score/*.parquet' USING (sample)"""
    expected = (20, 0, 19, sum(i / 8 for i in range(20)), sum(i / 4 for i in range(13)))
    assert duckdb.sql(query).fetchall() == [expected]


def test_polars_reads_the_columns(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    folder = fill(made(tmp_path), 7, "more")
    table = polars.scan_parquet(tmp_path / "samples" / "*.parquet").collect()
    assert table["id"].to_list() == folder.column("id").to_pylist()
    assert table["label"].null_count() == 3


def test_pyarrow_reads_a_shard_without_this_package(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with pa.memory_map(str(tmp_path / "sketch" / "shard-000002.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
    flat = table["sketch"].combine_chunks().flatten().to_numpy()
    assert torch.equal(torch.from_numpy(flat.reshape(3, -1).copy()), folder.read(2))
