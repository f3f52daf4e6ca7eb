"""A run with everything in it, its explorer, and a Chromium that looks at it."""

from collections.abc import Iterator

import pytest

from explorer.browsing import browser, serving
from kinsight.run import RunFolder
from report.tables import everything


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return everything(tmp_path_factory.mktemp("runs") / "all")


@pytest.fixture(scope="module")
def address(run: RunFolder) -> Iterator[str]:
    with serving(run.path) as found:
        yield found
