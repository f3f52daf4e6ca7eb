"""The explorer over stores, with a network at hand, and as a process of its own."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

import kinsight as ks
from kinsight.errors import ArgumentError
from kinsight.explorer.application import application
from kinsight.explorer.guard import Access
from kinsight.explorer.live import live_target
from kinsight.explorer.opening import open_view
from kinsight.explorer.serving import bind
from kinsight.explorer.session import Session
from kinsight.explorer.view import View
from kinsight.run import analyze
from run.subjects import COUNT, inputs, network, subject

HOST = "http://127.0.0.1:8765"
FUNCTION = """
import torch
from run.subjects import subject

def trained():
    return vars(subject())

def other():
    return vars(subject(data=torch.zeros(60, 6)))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("stores") / "store"
    ks.sketch(ks.TangentKernel(network()), inputs(), str(place), dim=256)
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "run"
    analyze(subject(), place)
    return place


def client(view: View, live=None) -> TestClient:
    session = Session([view], live=live)
    return TestClient(application(session, Access(8765, session.token)), base_url=HOST)


def test_a_click_on_a_store_finds_what_the_store_finds(store: Path) -> None:
    view = open_view(str(store))
    asking = client(view)
    kept = ks.Store(str(store))
    for sample in (0, 17, COUNT - 1):
        found = asking.get(f"/api/views/0/samples/{sample}/neighbours", params={"k": 6}).json()
        values, indices = kept.nearest([sample], 6)
        assert [n["sample"] for n in found] == indices[0].tolist()
        np.testing.assert_allclose([n["similarity"] for n in found], values[0], atol=1e-6)
    about = asking.get("/api/about").json()["views"][0]
    assert (about["kind"], about["samples"], about["similarities"]) == ("store", COUNT, ["network"])


def test_the_map_of_a_store_lies_along_its_principal_components(store: Path) -> None:
    view = open_view(str(store))
    found = view.map()
    assert found is not None
    rows = ks.Store(str(store)).rows
    values = torch.cat([rows.read(i).float() for i in range(len(rows.shards))]).double().numpy()
    left, scale, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    for axis in (0, 1):
        expected = left[:, axis] * scale[axis]
        cosine = abs(found.points[:, axis] @ expected) / np.linalg.norm(expected) ** 2
        assert cosine == pytest.approx(1, abs=1e-3)


def test_any_pair_is_explained_with_the_network_at_hand(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine_live.py").write_text(FUNCTION)
    view = open_view(str(run))
    asking = client(view, live_target(f"{tmp_path}/mine_live.py:trained", view))
    found = asking.get("/api/views/0/pairs/3/44").json()
    x = inputs()
    kernel = ks.TangentKernel(network())
    expected = kernel.explain(x[3:4], x[44:45])
    shares = {layer.name: layer.share for layer in expected.layers}
    assert {share["name"]: share["share"] for share in found["shares"]} == pytest.approx(shares)
    assert found["similarity"] == pytest.approx(
        float(kernel.similarity(x[3:4], x[44:45])), abs=1e-6
    )
    without = client(view).get("/api/views/0/pairs/3/44")
    assert without.status_code == 404
    assert "--target" in without.text
    with pytest.raises(ArgumentError, match="another data"):
        live_target(f"{tmp_path}/mine_live.py:other", view)


def test_a_port_that_is_taken_and_an_address_for_everybody(run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ArgumentError, match="expected a free port"):
            bind("127.0.0.1", taken.getsockname()[1], "write")
    alone, open_ = bind("127.0.0.1", None, "write"), bind("0.0.0.0", None, "write")
    for bound in (alone, open_):
        bound.sockets[0].close()
    assert alone.access.read_token is None
    assert open_.access.read_token
    assert f"?token={open_.access.read_token}" in open_.address


def test_the_command_serves_keeps_decisions_and_ends(run: Path) -> None:
    command = [sys.executable, "-m", "kinsight", "explore", str(run), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = next(m for line in server.stdout if (m := re.search(r"http://\S+", line)))
        address = found.group().rstrip("/")
        with urllib.request.urlopen(f"{address}/api/about") as answer:
            token = json.load(answer)["token"]
        write = urllib.request.Request(
            f"{address}/api/decisions/5", b'{"decision": "drop", "label": null}', method="PUT",
            headers={"X-Kinsight-Token": token, "Content-Type": "application/json",
                     "Origin": address},
        )  # fmt: skip
        with urllib.request.urlopen(write) as answer:
            assert json.load(answer)["sample"] == 5
        stranger = urllib.request.Request(f"{address}/api/about", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(stranger)
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    told = subprocess.run(
        [sys.executable, "-m", "kinsight", "decisions", str(run)], capture_output=True, text=True
    )
    assert told.returncode == 0
    assert "drop" in told.stdout
