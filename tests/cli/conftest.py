"""A folder with a module `own`, in which the commands are typed; a finished store beside it."""

import shutil
import sys
from pathlib import Path

import pytest

from cli.cases import OWN, PLAN, done


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with own.py."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "pytest" not in p])
    monkeypatch.delitem(sys.modules, "own", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "own.py").write_text(OWN)
    done("sketch", f"{folder}/own.py:trained", "--out", folder / "run", *PLAN)
    return folder / "run"


@pytest.fixture
def run(beside: Path, _made: Path) -> Path:
    """A store of own:trained of one's own, in the current folder under the name run."""
    shutil.copytree(_made, beside / "run")
    return beside / "run"
