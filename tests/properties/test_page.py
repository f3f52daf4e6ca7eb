"""The page of properties names every test of this room, and no test that is not there."""

import re
from pathlib import Path

ROOM = Path(__file__).parent
PAGE = ROOM.parents[1] / "docs" / "properties.md"


def test_statements_and_tests_belong_together() -> None:
    files = [path for path in ROOM.glob("test_*.py") if path != Path(__file__)]
    held = {
        name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert held
    assert named == held


def test_files_that_are_named_are_there() -> None:
    names = re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)`", PAGE.read_text())
    missing = [n for n in names if not ((ROOM / n).exists() or (ROOM.parent / n).exists())]
    assert names
    assert missing == []
