"""The index: scores are exact, recall is what its record says, what does not belong is refused."""

import json
import subprocess
import sys

import pytest
import torch

from kinsight.errors import ArgumentError, StoreError
from kinsight.search.index import FILE, PLACE, RECORD, open_index
from kinsight.search.nearest import nearest
from search.rows import MemoryRows, unit

pytest.importorskip("faiss")

from kinsight.search.build import build_index

DIGEST = "0f" * 32


@pytest.fixture(scope="module")
def rows() -> MemoryRows:
    return MemoryRows(unit(3000, 16, zero=(5, 2999)), [1000, 1500, 500])


@pytest.fixture(scope="module", params=["flat", "sq8"])
def built(rows, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("store")
    return folder, build_index(rows, folder, DIGEST, kind=request.param, recall=0.95)


def test_recall_is_what_the_record_says(built, rows) -> None:
    folder, index = built
    record = index.record
    assert record.recall >= record.wanted == 0.95
    assert record.sample >= 200
    assert 1 <= record.nprobe < record.lists
    again = open_index(folder, DIGEST, rows)
    assert again.record == record
    numbers = torch.arange(100, 1100)
    queries = rows.values[numbers].float()
    found = again.nearest(queries, 10, numbers)
    exact = nearest(rows, queries, 10, numbers)
    share = (found.indices[:, :, None] == exact.indices[:, None]).any(2).double().mean()
    assert float(share) > 0.9
    assert not (found.indices == numbers[:, None]).any()


def test_scores_are_those_of_exact_search(built, rows) -> None:
    queries = unit(40, 16, seed=9).float()
    queries[3] = torch.nan
    found = built[1].nearest(queries, 5, nprobe=built[1].record.lists)
    exact = nearest(rows, queries, 5)
    assert torch.equal(found.indices, exact.indices)
    assert torch.equal(found.values, exact.values)
    assert found.indices[3].tolist() == [-1] * 5


def test_an_index_of_another_store_is_refused(built, rows) -> None:
    folder, _ = built
    with pytest.raises(StoreError, match="another store"):
        open_index(folder, "ee" * 32, rows)
    with pytest.raises(StoreError, match="another store"):
        open_index(folder, DIGEST, MemoryRows(rows.values[:-1], [2999]))


def test_a_changed_file_is_refused_before_it_is_read(rows, tmp_path) -> None:
    build_index(rows, tmp_path, DIGEST, kind="sq8", recall=0.5)
    file, record = tmp_path / PLACE / FILE, tmp_path / PLACE / RECORD
    content, said = file.read_bytes(), record.read_text()
    file.write_bytes(content[:-1])
    with pytest.raises(StoreError, match="bytes"):
        open_index(tmp_path, DIGEST, rows)
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(StoreError, match="checksum"):
        open_index(tmp_path, DIGEST, rows)
    file.unlink()
    with pytest.raises(StoreError, match="no file"):
        open_index(tmp_path, DIGEST, rows)
    file.write_bytes(content)
    for change in ({"rows": "3000"}, {"nprobe": 0}, {"schema": 2}, {"kind": "x"}, {"held": True}):
        record.write_text(json.dumps(json.loads(said) | change))
        with pytest.raises(StoreError, match="expected"):
            open_index(tmp_path, DIGEST, rows)
    for text in ("[]", "{}", "{", "\udcff"):
        record.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(StoreError, match="expected"):
            open_index(tmp_path, DIGEST, rows)
    record.unlink()
    with pytest.raises(StoreError, match="found none"):
        open_index(tmp_path, DIGEST, rows)


def test_the_same_seed_builds_the_same_index(rows, tmp_path) -> None:
    one = build_index(rows, tmp_path / "a", DIGEST, recall=0.5, seed=3)
    other = build_index(rows, tmp_path / "b", DIGEST, recall=0.5, seed=3)
    assert one.record.sha256 == other.record.sha256


def test_small_stores_and_wrong_arguments(tmp_path) -> None:
    rows = MemoryRows(unit(5, zero=(1,)), [5])
    index = build_index(rows, tmp_path, DIGEST)
    assert index.record.recall == 1
    found = index.nearest(rows.values[:1].float(), 5, torch.tensor([0]))
    assert sorted(found.indices[0].tolist()) == [-1, -1, 2, 3, 4]
    for wrong in ({"kind": "tree"}, {"recall": 0.0}):
        with pytest.raises(ArgumentError):
            build_index(rows, tmp_path, DIGEST, **wrong)
    with pytest.raises(ArgumentError, match="three"):
        build_index(MemoryRows(torch.zeros(4, 3).half(), [4]), tmp_path, DIGEST)
    with pytest.raises(ArgumentError, match="queries"):
        index.nearest(torch.zeros(1, 3), 1)


@pytest.mark.parametrize("order", ["torch, faiss", "faiss, torch"])
def test_torch_and_faiss_work_in_one_process_in_any_order(order) -> None:
    """Both bring OpenMP; each must still compute, with threads."""
    code = f"""
import {order}
a = torch.randn(600, 64)
index = faiss.IndexFlatIP(64)
index.add(a.numpy())
found = index.search(a.numpy(), 1)[1][:, 0]
best = (a @ a.T).argmax(1).numpy()
raise SystemExit(0 if (found == best).all() and faiss.omp_get_max_threads() >= 1 else 1)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
