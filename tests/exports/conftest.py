"""A run and a store of the same samples, made once."""

from pathlib import Path

import pytest

from exports import cases


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = cases.made(tmp_path_factory.mktemp("runs") / "run")
    cases.decide(folder)
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.sketched(tmp_path_factory.mktemp("stores") / "store")


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.tabular(tmp_path_factory.mktemp("runs") / "table")


@pytest.fixture(scope="session")
def wave_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.waves(tmp_path_factory.mktemp("runs") / "waves")


@pytest.fixture(scope="session")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.regression(tmp_path_factory.mktemp("runs") / "texts")
