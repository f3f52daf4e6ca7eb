"""The alignment experiment: what a cell counts, a cell of seconds that goes on, its page."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "experiments" / "map_alignment.py"
SPECIFICATION = importlib.util.spec_from_file_location("map_alignment", PATH)
map_alignment = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["map_alignment"] = map_alignment
SPECIFICATION.loader.exec_module(map_alignment)
parts = ("cells", "page", "way", "denoising", "windows")
cells, page, way, denoising, windows = (sys.modules[f"map_alignment_{name}"] for name in parts)


@pytest.fixture(scope="module")
def solved(tmp_path_factory) -> tuple[dict, Path]:
    """A cell of a few steps, and where its pictures are."""
    folder = tmp_path_factory.mktemp("alignment")
    found = cells.solve("main 0", cells.smallest(cells.Sizes()), folder / "runs", folder)
    return found, folder


def test_a_cell_has_every_stage_of_both_regions(solved) -> None:
    found, folder = solved
    stages = [(row["stage"], row["region"]) for row in found["rows"]]
    for stage in ("given", "round 1", "round 2", "round 3"):
        assert (stage, "taught") in stages
        assert (stage, "unseen") in stages
    assert ("applied 3 times", "taught") in stages
    assert len(stages) == len(set(stages))
    assert (folder / "map_alignment_scene.png").exists()


def test_shares_fit_their_median(solved) -> None:
    for row in solved[0]["rows"]:
        shares = np.array(row["within"])
        assert (np.diff(shares) >= 0).all()
        low, high = shares[int(row["median"])], shares[min(int(row["median"]) + 1, 32)]
        assert low <= 0.5 + 1e-3
        assert high >= 0.5 - 1e-3


def test_the_given_error_is_that_of_the_noise(solved) -> None:
    region = cells.region(12, 0, cells.ARMS["main"].noise, 256)
    row = region.row("given", "taught", region.maps)
    assert row["median"] == pytest.approx(cells.ARMS["main"].noise.median, rel=0.15)
    pairs = zip(region.scenes, region.noisy, strict=True)
    true = [[one.polygons[i] for i in noisy.source] for one, noisy in pairs]
    assert region.row("true", "taught", true)["mean"] == 0


def test_a_cell_again_is_the_same_and_makes_no_step(solved, monkeypatch) -> None:
    found, folder = solved
    learner = sys.modules["kinsight.alignment.training"].Learner
    monkeypatch.setattr(learner, "teach", lambda *_: pytest.fail("a finished round was taught"))
    again = cells.solve("main 0", cells.smallest(cells.Sizes()), folder / "runs")
    assert again == found


def test_the_page_says_what_was_measured(solved, tmp_path) -> None:
    found, _ = solved
    environment = {"processor": "p", "threads": 1, "torch": "t", "python": "3"}
    sizes = {"scenes": 1, "held_out": 1, "side": 288, "steps": [2, 1, 1]}
    report = {"sizes": sizes, "environment": environment}
    ways = {"way": [{"scale": 4, "predicted": 0.67, "measured": 0.5, "correlation": 0.25}]}
    more = {"windows": 9, "factor": 0.5, "shift": 1, "gain": 0.3, "level": None, "label": 2.0}
    more |= {"error": 1.0, "density": 4.0, "fails": ["one", "another"]}
    report["cells"] = {"main 0": found, "main 1": found, "way, main 0": ways}
    report["cells"]["denoising, main 0"] = more
    report["cells"] = {name: cell | {"seconds": 1.0} for name, cell in report["cells"].items()}
    where = {"images": tmp_path, "page": tmp_path / "map_alignment.md"}
    text = page.write_page(report, where)
    after = next(row for row in found["rows"] if row["stage"] == "round 3")
    assert f"Measured {after['median']:.2f} px" in text
    assert "4 cells" in text
    assert "| main 0 | 9 | 0.5 | 1 | 0.3 | – | 2 | 1 | 4 |" in text
    assert "Found broken: another; one." in text
    assert "| main 0 | 1/4 | 0.67 | 0.50 | 0.25 |" in text
    assert (tmp_path / "map_alignment.png").exists()


def test_the_share_of_the_way_is_that_of_least_squares() -> None:
    """Labels drawn as training draws them: the best slope of the label over what is seen."""
    random = np.random.default_rng(0)
    asked = cells.Training().displacements
    for scale in (1, 4):
        moves = scale * np.concatenate(
            [asked.of([cells.Polygon.of([[0, 0], [9, 0], [9, 9]])], random) for _ in range(20_000)]
        )
        seen = moves - random.normal(0, 8.0, moves.shape)
        slope = (moves * seen).sum() / (seen * seen).sum()
        assert way.predicted(scale, 8.0, asked) == pytest.approx(slope, rel=0.05)


def test_a_network_that_does_not_move_goes_no_part_of_the_way(solved) -> None:
    _, folder = solved
    found = way.measured("main 0", cells.smallest(cells.Sizes()), folder / "runs")
    assert [row["scale"] for row in found["way"]] == [4, 2, 1]
    assert all(abs(row["measured"]) < 0.3 for row in found["way"])  # after two steps


def test_labels_of_windows_are_the_true_ones_and_the_noise(solved) -> None:
    """In pixels of the window: noise of 8 px at a quarter of the resolution is 2 px."""
    sizes = cells.Sizes(scenes=2)
    found = windows.taken(windows.taught("main 0", sizes), 0, 100, side=32)
    assert len(found) == len(found.data[0]) > 20
    assert windows.size(found.labels - found.true) == pytest.approx(2, rel=0.25)


def test_the_factor_is_that_of_the_gram_matrix(solved) -> None:
    """One direction: f = J θ with the same gradient everywhere would average to 1/√N."""
    _, folder = solved
    sizes = cells.smallest(cells.Sizes())
    found = denoising.measured("main 0", sizes, folder / "runs", side=32, training=None)
    assert found["windows"] > 1
    assert 1 / np.sqrt(2 * found["windows"]) <= found["factor"] <= 2
    assert 1 <= found["density"] <= found["windows"]


def test_ranks_are_compared_and_not_values() -> None:
    assert cells.rank_correlation([1, 2, 3], [1, 10, 1000]) == pytest.approx(1)
    assert cells.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
