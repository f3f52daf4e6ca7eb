"""The demo as `make demo` runs it: real digits, flipped labels, most of them found."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


def test_the_demo_finds_most_of_the_labels_it_flipped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kinsight", "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "72 labels flipped on purpose" in done.stdout
    table = pq.read_table(tmp_path / "demo" / "samples.parquet")
    planted = np.array([label is not None for label in table["planted_label"].to_pylist()])
    rank = table["suspect_rank"].to_numpy()
    assert planted.sum() == 72
    found = int(planted[rank < 72].sum())
    assert found >= 60  # chance alone would find three
    assert f"The 72 most suspected labels hold {found} of them" in done.stdout
    page = (tmp_path / "demo" / "report.html").read_text()
    assert page.count("data:image/png") > 200
    assert "changed on purpose" in page
