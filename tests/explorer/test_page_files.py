"""The page in the package belongs to its sources, asks nobody else, and runs under its policy."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from kinsight.explorer.page_files import page_files

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "kinsight" / "explorer" / "page"
needs_sources = pytest.mark.skipif(not (ROOT / "web").is_dir(), reason="needs web/ of the checkout")


def loaded(name: str):
    spec = importlib.util.spec_from_file_location(f"web_{name}", ROOT / "web" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@needs_sources
def test_the_page_was_built_from_the_sources_beside_it() -> None:
    digest = loaded("digest")
    assert (PAGE / digest.FILE).read_text().strip() == digest.digest(), "run `make web`"


@needs_sources
def test_the_types_of_the_page_are_those_of_the_server() -> None:
    written = loaded("write_answers")
    assert written.PLACE.read_text() == written.declarations(), "run `make web`"


def test_nothing_is_fetched_elsewhere_and_nothing_is_evaluated() -> None:
    listed = page_files()
    page = listed["/"].content.decode()
    assert listed["/"].status == 200
    assert re.findall(r"(?:src|href)=\"(?!/)", page) == []
    assert "<style" not in page
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    for path in re.findall(r"(?:src|href)=\"([^\"]+)\"", page):
        assert path in listed
    code = b"".join(f.content for name, f in listed.items() if name.endswith(".js")).decode()
    assert re.findall(r"new Function\(|[^\w.]eval\(", code) == []
