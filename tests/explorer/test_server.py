"""The explorer's server over real runs: what it answers, whom it refuses, what it keeps."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from starlette.testclient import TestClient

from kinsight.errors import ArgumentError, RunFolderError
from kinsight.explorer.application import application
from kinsight.explorer.decisions import Decisions
from kinsight.explorer.guard import Access
from kinsight.explorer.opening import open_view, same_samples
from kinsight.explorer.session import Session
from kinsight.run import RunFolder, Settings, analyze
from run.subjects import COUNT, network, subject

PORT = 8765
HOST = f"http://127.0.0.1:{PORT}"
NAMES = ["=1+1", "<b>bold</b>", *(f"name {i}" for i in range(2, COUNT))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "first"
    analyze(subject(names=NAMES), place, settings=Settings(neighbours=5))
    return place


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Another checkpoint over the same samples."""
    model = network()
    with torch.no_grad():
        model[0].weight += 0.3 * torch.randn(1500, 6, generator=torch.Generator().manual_seed(1))
    place = tmp_path_factory.mktemp("runs") / "second"
    labels = subject().labels
    analyze(
        subject(model=model, names=NAMES, labels=labels), place, settings=Settings(neighbours=5)
    )
    return place


def client(*folders: Path, read_token: str | None = None) -> tuple[TestClient, Session]:
    views = [open_view(str(place)) for place in folders]
    session = Session(views, same_samples(*views) if len(views) == 2 else True)
    access = Access(PORT, session.token, read_token)
    return TestClient(application(session, access), base_url=HOST), session


def table(answer) -> pa.Table:
    return pa.ipc.open_stream(answer.content).read_all()


def write_headers(session: Session, **more: str) -> dict[str, str]:
    return {"x-kinsight-token": session.token, "origin": HOST} | more


def test_about_columns_and_map_say_what_the_run_holds(folder: Path) -> None:
    asking, _ = client(folder)
    about = asking.get("/api/about").json()
    view = about["views"][0]
    assert view["samples"] == COUNT
    assert view["path_name"] == "first"
    run = RunFolder(folder)
    named = [column["name"] for column in view["columns"] if column["kind"] == "number"]
    found = table(asking.get("/api/views/0/columns", params={"names": named}))
    kept = run.table("samples")
    for name in named:
        expected = kept[name].to_numpy().astype(float)
        np.testing.assert_allclose(found[name].to_numpy(), expected, rtol=1e-6, err_msg=name)
    points = table(asking.get("/api/views/0/map"))
    placed = run.table("map")
    for axis in ("x", "y"):
        np.testing.assert_allclose(points[axis].to_numpy(), placed[axis].to_numpy(), rtol=1e-6)


def test_a_sample_and_its_neighbours_are_those_of_the_tables(folder: Path) -> None:
    asking, _ = client(folder)
    said = asking.get("/api/views/0/samples/7").json()
    assert said["sample"] == 7
    assert said["name"] == "name 7"
    kept = RunFolder(folder).table("neighbours").to_pylist()
    expected = [row["neighbour"] for row in kept if row["sample"] == 7]
    found = asking.get("/api/views/0/samples/7/neighbours", params={"k": 5}).json()
    assert [n["sample"] for n in found] == expected
    beside = RunFolder(folder).table("beside").to_pylist()
    for by in {row["by"] for row in beside}:
        rows = [row["neighbour"] for row in beside if (row["by"], row["sample"]) == (by, 7)]
        got = asking.get("/api/views/0/samples/7/neighbours", params={"by": by, "k": 5}).json()
        assert [n["sample"] for n in got] == rows


def test_queues_are_in_the_order_of_their_column(folder: Path) -> None:
    asking, _ = client(folder)
    density = RunFolder(folder).table("samples")["density"].to_numpy()
    lonely = asking.get("/api/queues/loneliest").json()["ids"]
    assert list(density[lonely]) == sorted(density[lonely])
    assert lonely[0] == int(density.argmin())
    for question, expected in (("NAME 7", [7]), ("#12", [12]), ("", [])):
        found = table(asking.get("/api/search", params={"q": question}))["found"].to_numpy()
        assert np.flatnonzero(found).tolist() == expected


def test_two_views_share_the_neighbours_that_both_list(folder: Path, other: Path) -> None:
    asking, _ = client(folder, other)
    shared = table(asking.get("/api/compare"))["shared"].to_numpy()
    lists = []
    for place in (folder, other):
        rows = RunFolder(place).table("neighbours").to_pylist()
        lists.append([{r["neighbour"] for r in rows if r["sample"] == i} for i in range(COUNT)])
    expected = [len(a & b) / 5 for a, b in zip(*lists, strict=True)]
    np.testing.assert_allclose(shared, expected, atol=1e-6)
    changed = asking.get("/api/queues/changed").json()["ids"]
    assert shared[changed[0]] == min(shared)


def test_decisions_are_kept_undone_and_taken_away_unharmed(folder: Path) -> None:
    asking, session = client(folder)
    headers = write_headers(session)
    put = asking.put("/api/decisions/0", json={"decision": "drop", "label": None}, headers=headers)
    assert put.json()["decision"]["decision"] == "drop"
    body = {"decision": "relabel", "label": "2"}
    asking.put("/api/decisions/1", json=body, headers=headers)
    asking.put("/api/decisions/1", json={"decision": "keep", "label": None}, headers=headers)
    later, _ = client(folder)  # a reload
    made = later.get("/api/decisions").json()
    assert [(d["sample"], d["decision"]) for d in made["decisions"]] == [(0, "drop"), (1, "keep")]
    written = list(csv.reader(io.StringIO(later.get("/api/decisions.csv").text)))
    assert written[1][1] == "'=1+1"  # a spreadsheet shows it and does not run it
    rows = pq.read_table(io.BytesIO(later.get("/api/decisions.parquet").content)).to_pylist()
    assert rows[0]["name"] == "=1+1"
    json_type = {"content-type": "application/json"}
    undone = asking.post("/api/decisions/undo", headers=headers | json_type).json()
    assert undone["decision"] == {"decision": "relabel", "label": "2"}
    for _ in range(2):
        asking.post("/api/decisions/undo", headers=headers | json_type)
    assert later.get("/api/decisions").json()["decisions"] == []


WRITER = """
import sys
from pathlib import Path
from kinsight.explorer.decisions import Decisions
kept = Decisions(Path(sys.argv[1]), "data", 10**6)
for sample in range(10**6):
    kept.decide(sample, "keep")
    print(sample, flush=True)
"""


@pytest.mark.parametrize("after", [0.4, 0.9])
def test_what_was_answered_survives_a_kill(tmp_path: Path, after: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(after)
        writer.send_signal(signal.SIGKILL)
        answered = [int(line) for line in [first, *writer.stdout] if line.endswith("\n")]
    kept = [d.sample for d in Decisions(tmp_path, "data", 10**6).all()]
    assert kept[: len(answered)] == answered
    assert len(kept) <= len(answered) + 1
    assert Decisions(tmp_path, "other data", 10**6).all() == []


def test_strangers_are_refused(folder: Path) -> None:
    asking, session = client(folder)
    assert asking.get("/api/about", headers={"host": "evil.example"}).status_code == 403
    assert asking.get("/api/about", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    body, url = {"decision": "keep", "label": None}, "/api/decisions/3"
    good = write_headers(session)
    refused = (
        {"origin": HOST},  # no token
        good | {"x-kinsight-token": "guess"},
        good | {"origin": "http://evil.example"},
        good | {"sec-fetch-site": "cross-site"},
    )
    for headers in refused:
        assert asking.put(url, json=body, headers=headers).status_code in (401, 403), headers
    plain = asking.put(url, content=json.dumps(body), headers=good | {"content-type": "text/plain"})
    assert plain.status_code in (403, 415)
    assert asking.get("/api/decisions").json()["decisions"] == []
    assert "default-src 'none'" in asking.get("/api/about").headers["content-security-policy"]


def test_a_token_opens_the_network_address_and_nothing_else_does(folder: Path) -> None:
    asking, _ = client(folder, read_token="secret")
    assert asking.get("/api/about").status_code == 401
    assert asking.get("/api/about?token=guess").status_code == 401
    let_in = asking.get("/?token=secret", follow_redirects=False)
    assert let_in.status_code == 303
    assert "secret" not in let_in.headers["location"]
    assert asking.get("/api/about").status_code == 200  # by the cookie


@pytest.mark.parametrize(
    "path",
    ["/../run.json", "/%2e%2e/run.json", "/assets/../../run.json", "/run.json", "//etc/passwd",
     "/api/views/0/samples/99999", "/api/views/7/map", "/api/queues/none",
     "/api/views/0/columns?names=../run.json"],
)  # fmt: skip
def test_no_path_leads_to_the_file_system(folder: Path, path: str) -> None:
    asking, _ = client(folder)
    answer = asking.get(path)
    assert answer.status_code == 404
    assert "identity" not in answer.text


def test_folders_that_cannot_be_shown_say_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="found no folder"):
        open_view(str(tmp_path / "none"))
    with pytest.raises(RunFolderError, match=r"no run\.json"):
        open_view(str(tmp_path))
    half = tmp_path / "half"
    half.mkdir()
    record = json.loads((folder / "run.json").read_text()) | {"status": "running"}
    (half / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="not finished"):
        open_view(str(half))
    analyze(subject(data=torch.randn(9, 6)), tmp_path / "fewer", settings=Settings(neighbours=3))
    with pytest.raises(ArgumentError, match="60 samples"):
        same_samples(open_view(str(folder)), open_view(str(tmp_path / "fewer")))
