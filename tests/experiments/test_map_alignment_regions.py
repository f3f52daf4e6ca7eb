"""Cells on real regions, on folders made here; twins; what cells cost; where networks run."""

import importlib.util
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alignment.made_tiles import mosaics
from kinsight.alignment import LabelNoise, load_network

PATH = Path(__file__).parents[2] / "experiments" / "map_alignment.py"
SPECIFICATION = importlib.util.spec_from_file_location("map_alignment", PATH)
map_alignment = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["map_alignment"] = map_alignment
SPECIFICATION.loader.exec_module(map_alignment)
names = ("cells", "costs", "regions", "regions_error", "regions_page")
cells, costs, regions, error, page = (sys.modules[f"map_alignment_{name}"] for name in names)

TINY = replace(cells.smallest(cells.Sizes()), tile=128, tile_steps=(1, 1), tile_scenes=None,
               long_steps=(2, 1), light=0.1)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two regions of several scenes each, in the layout of the real ones."""
    return mosaics(tmp_path_factory.mktemp("data") / "aerial_osm", side=384).parent


@pytest.fixture(scope="module")
def solved(folder, tmp_path_factory) -> tuple[dict, Path]:
    """The cells that the page needs at least, and where their networks are."""
    runs = tmp_path_factory.mktemp("runs")
    asked = ("as given", "8 px", "8 px without east", "as given, third 1", "as given, third 2",
             "as given, third 3", "8 px, longer", "as given, longer",
             "8 px, longer without east")  # fmt: skip
    found = {
        name: regions.solve_tiles(name, TINY, runs, folder)
        for name in (f"tiles, {one} 0" for one in asked)
    }
    return found, runs


def test_a_twin_has_the_scenes_and_another_noise() -> None:
    noise = LabelNoise(8.0)
    one, again, twin = (cells.region(2, 3, noise, 256, draw) for draw in (0, 0, 1))
    for a, b, c in zip(one.scenes, again.scenes, twin.scenes, strict=True):
        assert np.array_equal(a.image, c.image)
        assert np.array_equal(a.image, b.image)
    for number, (a, c) in enumerate(zip(one.noisy, twin.noisy, strict=True)):
        known = noise.applied(one.scenes[number].polygons, 256, 256, 7919 * 3 + number)
        assert all(
            np.array_equal(p.vertices, q.vertices)
            for p, q in zip(a.polygons, known.polygons, strict=True)
        )
        far = [
            np.linalg.norm(p.centre - q.centre) for p, q in zip(a.polygons, c.polygons, strict=True)
        ]
        assert min(far) > 0


def test_a_twin_begins_alike_and_ends_after_one_round(tmp_path) -> None:
    """Its first weights are those of its arm: after a step they are still close."""
    sizes = replace(cells.smallest(cells.Sizes()), steps=(1, 1))
    rows = {name: cells.solve(name, sizes, tmp_path)["rows"] for name in ("main 0", "main twin 0")}
    assert {row["stage"] for row in rows["main twin 0"]} == {"given", "round 1"}
    assert "round 2" in {row["stage"] for row in rows["main 0"]}
    weights = [
        torch.cat([p.flatten() for p in load_network(tmp_path / name / "round0.pt").parameters()])
        for name in rows
    ]
    assert 0 < (weights[0] - weights[1]).abs().max() <= 2 * 2e-3 + 1e-6  # a step of Adam each
    assert rows["main 0"][0]["median"] != rows["main twin 0"][0]["median"]


def test_every_region_is_told_in_parts_and_as_a_whole(solved) -> None:
    rows = solved[0]["tiles, 8 px 0"]["rows"]
    keys = [(row["region"], row["stage"], row["part"]) for row in rows]
    assert len(keys) == len(set(keys))
    for region in ("east", "west", "all regions"):
        for stage in ("given", "round 1", "round 2"):
            means = [
                row["mean"]
                for part in ("taught", "all", "unseen")
                for row in rows
                if (row["region"], row["stage"], row["part"]) == (region, stage, part)
            ]
            assert len(means) == 3
            assert min(means) <= means[1] <= max(means)


def test_a_region_left_out_is_not_taught(folder, solved) -> None:
    found, whole = solved[0]["tiles, 8 px without east 0"], solved[0]["tiles, 8 px 0"]
    assert {row["region"] for row in found["rows"]} == {"east"}
    assert {row["part"] for row in found["rows"]} == {"unseen", "all"}
    assert 0 < found["scenes"] < whole["scenes"]
    given = page.row({"c": found}, "c", "east", "given")
    assert given == page.row({"c": whole}, "c", "east", "given")  # the same noise in all cells


def test_a_longer_training_has_its_own_steps_and_light(folder) -> None:
    known = regions.arms(regions.read_areas(folder, TINY))
    plain, longer, best = (
        regions.training_of(known[f"tiles, {name}"], TINY, 0, "cpu")
        for name in ("8 px", "8 px, longer without east", "as given, longer")
    )
    assert (plain.steps, plain.light) == ((1, 1), 0.0)
    assert (longer.steps, longer.light) == ((2, 1), 0.1)
    assert (best.steps, best.light) == ((3,), 0.1)


def test_networks_of_thirds_share_no_scene(folder) -> None:
    areas = regions.read_areas(folder, TINY)
    known = regions.arms(areas)
    taught = [
        {id(scene) for scene in regions.training_set(areas, known[name.rsplit(" ", 1)[0]])[0]}
        for name in error.NEEDED
    ]
    assert sum(map(len, taught)) == len(set.union(*taught)) == sum(len(a.scenes) for a in areas)


def test_labels_are_the_map_as_given_or_with_the_noise_asked_for(folder) -> None:
    areas = regions.read_areas(folder, TINY)
    for level in (None, 8.0):
        scenes, maps = regions.training_set(areas, regions.TileArm(level))
        moved = np.concatenate([
            [p.centre - q.centre for p, q in zip(labels, scene.polygons, strict=True)]
            for scene, labels in zip(scenes, maps, strict=True)
        ])  # fmt: skip
        if level is None:
            assert not moved.any()
        else:
            assert moved.std() == pytest.approx(level, rel=0.35)


def test_the_error_of_a_map_is_found_beside_that_of_the_networks() -> None:
    """Networks of 2 px, a map off by 3 px: with independent errors the map's comes out."""
    random = np.random.default_rng(0)
    own, one, other = random.normal(0, 1, (3, 4000, 2)) * [[[3.0]], [[2.0]], [[2.0]]]
    found = error.estimate(one - own, other - own)
    assert found["robust"] == pytest.approx(3, rel=0.05)
    assert found["mean"] == pytest.approx(3, rel=0.05)
    assert found["network"] == pytest.approx(2 / np.sqrt(2), rel=0.05)
    assert error.estimate(one, -one)["robust"] == 0  # they differ more than they say
    biased = error.estimate(one - own + [5, -2], other - own + [5, -2])
    np.testing.assert_allclose(biased["offset"], [5, -2], atol=0.2)


def test_the_map_s_error_is_measured_of_every_region(folder, solved) -> None:
    found = error.measured(TINY, solved[1], folder, list(solved[0]))
    assert [row["area"] for row in found["error"]] == ["east", "west"]
    areas = regions.read_areas(folder, TINY)
    count = [sum(len(one.polygons) for one in area.scenes) for area in areas]
    assert [row["polygons"] for row in found["error"]] == count


def test_the_share_of_the_gap_is_that_of_its_definition() -> None:
    assert page.gap(10, 4, 2) == pytest.approx(0.75)
    assert page.gap(10, 12, 2) == pytest.approx(-0.25)
    assert np.isnan(page.gap(10, 9, 9.5))  # hardly a gap


def test_the_chapter_tells_what_the_cells_found(solved, tmp_path) -> None:
    where = {"images": tmp_path, "page": tmp_path / "page.md"}
    sizes = {"tile": 128, "tile_steps": [1, 1], "long_steps": [2, 1], "light": 0.1}
    text = page.chapter(solved[0], sizes, where)
    given = page.median(solved[0], "tiles, 8 px 0", "east", "given", "taught")
    assert f"| east | {given:.2f} |" in text
    longer = page.median(solved[0], "tiles, 8 px, longer 0", "east", "round 2", "taught")
    chapter = text[text.index("Longer, under") :]
    assert "2 + 1 steps in place of 1 + 1" in chapter
    assert "`Training(light=0.1)`" in chapter
    assert f" {longer:.2f} |" in chapter
    assert "A region that training never saw:" in chapter
    alone = {name: one for name, one in solved[0].items() if "longer without" not in name}
    assert "A region that training never saw:" not in page.chapter(alone, sizes, where)
    assert "Not measured so far." in text  # the levels
    assert "Not estimated so far" in text
    assert (tmp_path / "map_alignment_regions.png").exists()
    assert page.chapter({}, sizes, where) == page.ABSENT


def test_a_copy_is_read_without_maps_extra_and_is_the_same(folder, tmp_path, monkeypatch) -> None:
    sys.path.insert(0, str(PATH.parent / "map_alignment_parts"))
    import map_alignment_regions_data as copy

    copy.copied(folder, tmp_path)
    one, other = regions.read_areas(folder, TINY), regions.read_areas(tmp_path, TINY)
    for a, b in zip(one, other, strict=True):
        for first, second in zip(a.scenes, b.scenes, strict=True):
            assert np.array_equal(first.image, second.image)
            pairs = zip(first.polygons, second.polygons, strict=True)
            assert all(np.array_equal(p.vertices, q.vertices) for p, q in pairs)


def test_cells_are_chosen_in_order_and_once(folder) -> None:
    asked = Namespace(data=folder, full=True, cells=None)
    names = map_alignment.chosen(asked, TINY)
    assert len(names) == len(set(names))
    assert names[:3] == ["main 0", "clean labels 0", "tiles, as given 0"]
    assert {f"{arm} twin 0" for arm in cells.TWINS} <= set(names)
    some = map_alignment.chosen(Namespace(data=folder, full=True, cells=["tiles, 8"]), TINY)
    assert some == [name for name in names if name.startswith("tiles, 8")]
    quick = map_alignment.chosen(Namespace(data=None, full=False, cells=None), TINY)
    assert quick == ["main 0"]


def test_a_device_that_is_not_there_is_refused(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["map_alignment.py", "--tiny", "--device", "nowhere"])
    with pytest.raises(SystemExit):
        map_alignment.main()
    assert "device: expected a device of this machine" in capsys.readouterr().err


def test_costs_are_counted_and_told_by_kind() -> None:
    def solve() -> dict:
        kept = torch.ones(40 * 2**18)  # 40 MiB
        return {"sum": float(kept.sum())}

    found = costs.costed(solve)
    assert found["cost"]["resident"] > 100
    assert found["cost"]["device"] is None
    known = ("main 0", "main twin 0", "missing, invented 1", "way, main 0",
             "tiles, 8 px without east 0", "tiles, as given 0")  # fmt: skip
    kinds = [costs.kind(name) for name in known]
    assert kinds[0] == kinds[2] == "generated: training and test"
    assert kinds[1] == "generated: one round"
    assert kinds[3] == "networks asked: way"
    assert kinds[4] != kinds[5]
    table = costs.costs_table({"main 0": found, "without": {}})
    assert f"{found['cost']['resident']:,}" in table
