"""A full disk is one typed error; once there is room the same call goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinsight.errors import StoreError
from kinsight.store.check import verify
from kinsight.store.folder import StoreFolder
from store.small import HEAD, files, fill


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this system does not let root mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_an_error_and_the_same_call_goes_on(
    small_disk: Path, tmp_path: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(150 << 10))
    folder = StoreFolder.create(small_disk / "s", HEAD)
    segment = folder.begin(98, "mark")
    with pytest.raises(StoreError, match="No space left on device; free some room") as error:
        fill(folder, 98)
    assert "call it again" in str(error.value)
    written = 20 - len(folder.missing(segment))
    assert 0 < written < 20
    assert not any(name.endswith(".tmp") for name in files(small_disk / "s"))
    assert len(StoreFolder.open(small_disk / "s")) == written * 5
    assert verify(small_disk / "s") == []
    ballast.write_bytes(b"")
    ballast.unlink()
    assert folder.missing(segment)[0].index == written
    fill(folder, 98)
    fill(StoreFolder.create(tmp_path / "t", HEAD), 98)
    assert files(small_disk / "s") == files(tmp_path / "t")
