"""What the kernel's cells of the alignment experiment count: known cases, and a run of seconds."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kinsight as ks
from kinsight.alignment import Passes, align

PATH = Path(__file__).parents[2] / "experiments" / "map_alignment_kernel.py"
SPECIFICATION = importlib.util.spec_from_file_location("map_alignment_kernel", PATH)
kernel = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["map_alignment_kernel"] = kernel
SPECIFICATION.loader.exec_module(kernel)
parts = ("cells", "windows", "gain", "rounds", "neighbours", "consistency", "sureness")
cells, windows, gain, rounds, neighbours, consistency, sureness = (
    sys.modules[f"map_alignment_{name}"] for name in parts
)
page, way = map(importlib.import_module, ("map_alignment_denoising_page", "map_alignment_way"))
SIDE = 32
SIZES = cells.Sizes(scenes=3, held_out=1, side=288, steps=(3, 2, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A cell of a few steps and its twin."""
    found = tmp_path_factory.mktemp("kernel")
    for name in ("main 0", "main twin 0"):
        cells.solve(name, SIZES, found)
    return found


def taken(name: str = "main 0", **more) -> "windows.Windows":
    return windows.taken(windows.taught(name, SIZES), 0, side=SIDE, **more)


def test_windows_of_twins_are_of_the_same_polygons_with_other_noise() -> None:
    one, other = taken(), taken("main twin 0")
    assert torch.equal(one.scene, other.scene)
    assert torch.equal(one.number, other.number)
    assert (one.labels - other.labels).norm() < 0.3 * one.labels.norm()  # by the smooth field
    assert (one.noise - other.noise).norm() > one.noise.norm()


def test_the_true_displacement_leads_to_the_building() -> None:
    """Seen at the true place, without noise or move, the same polygon owns the shifted pixels."""
    where = windows.taught("main 0", SIZES)
    true = [list(one.polygons) for one in where.scenes]
    still = windows.taken(where, 0, maps=true, side=SIDE, moving=False)
    assert float(still.true.abs().max()) == 0
    moved = windows.taken(where, 0, maps=true, side=SIDE, moving=True)
    assert torch.equal(moved.true, moved.labels)
    given = taken(moving=False)
    there = given.place + windows.SCALE * given.true
    assert there.numpy() == pytest.approx(still.place.numpy(), abs=1e-9)


def test_the_gain_is_that_of_answers_a_known_way_apart(folder) -> None:
    """Networks that differ by a constant c answer √N‖c‖/‖ε¹ − ε²‖ apart."""
    both = [taken(), taken("main twin 0")]
    models = [windows.trained(folder, "main 0", 0, "cpu") for _ in range(2)]
    away = torch.tensor([0.3, -0.1])
    with torch.no_grad():
        models[1].network.displacement.bias += away
    found = gain._of_scale(models, both, "cpu")
    seen = both[0].data[2].flatten(1).any(1).sum()
    noise = both[0].noise - both[1].noise
    assert found["measured"] == pytest.approx(
        float(seen.sqrt() * away.norm() / noise.norm()), abs=2e-3
    )
    assert found["left"] == pytest.approx(float(away.square().mean().sqrt()) / 2**0.5, abs=2e-3)


def test_the_averaged_noise_of_one_common_gradient_is_the_weighted_mean(folder) -> None:
    model, one, other = windows.trained(folder, "main 0", 0, "cpu"), taken(), taken("main twin 0")
    seen = ks.TangentKernel(model, parameters=["network.displacement.bias"]).on(one.data)
    found = ks.denoise(seen, one.labels, loss_weights=one.weights)
    got, free = gain._averaged_noise(seen, one, other.noise, 0 * one.noise)[:, :2].T
    share = (one.weights / one.weights.sum())[:, None]
    means = torch.stack([(share * draw).sum(0) for draw in (one.noise, other.noise)])
    assert got.numpy() == pytest.approx(float(means.square().mean().sqrt()), rel=1e-4)
    assert found.factor.numpy() == pytest.approx(float(share.norm()), rel=1e-4)
    assert free.numpy() == pytest.approx(float(means[1].norm()) / 2, rel=1e-4)


def test_the_noise_is_tied_to_what_is_seen_by_the_share_of_its_variance() -> None:
    found = windows.taken(windows.taught("main 0", cells.Sizes(scenes=12)), 0, side=8)
    expected = 1 - way.predicted(windows.SCALE, 8.0, cells.Training().displacements)
    assert gain.slope(found) == pytest.approx(expected, abs=0.12)
    left = windows.size(gain.untied(found)) / windows.size(found.noise)
    assert left == pytest.approx((1 - expected) ** 0.5, abs=0.12)


def test_a_cell_of_seconds_has_every_number(folder) -> None:
    found = gain.measured("main 0", SIZES, folder, side=SIDE, scales=(4, 2))
    assert [row["scale"] for row in found["gains"]] == [4, 2]
    for row in found["gains"]:
        assert row["again"] is None  # no such training
        assert 1 / np.sqrt(found["windows"]) <= row["factor"] <= 2
    assert len(found["gains"][0]["patches"]["predicted"]) == found["windows"]
    assert found["gains"][1]["sigma"] == pytest.approx(2 * found["gains"][0]["sigma"], abs=2e-3)


def test_a_training_again_differs_by_nothing_on_a_processor(folder) -> None:
    cells.solve("main again 0", SIZES, folder)
    found = gain.measured("main 0", SIZES, folder, side=SIDE, scales=(4,))
    assert found["gains"][0]["again"] == 0


def test_plain_and_turned_are_the_similarities_of_the_kernel(folder) -> None:
    seen = ks.TangentKernel(windows.trained(folder, "main 0", 0, "cpu"))
    data = taken(count=4).data
    matrices = seen.matrix(data)
    expected = seen.similarity(data), seen.rotation_similarity(data)
    assert rounds.plain(matrices).numpy() == pytest.approx(expected[0].numpy(), abs=1e-5)
    assert rounds.turned(matrices).numpy() == pytest.approx(expected[1].numpy(), abs=1e-5)


def test_statistics_of_all_alike_and_of_none_alike() -> None:
    alike, none = rounds.statistics(torch.ones(9, 9)), rounds.statistics(torch.eye(9))
    assert (alike["density"], none["density"]) == (9, 1)
    assert (alike["factor"], none["factor"]) == (pytest.approx(1 / 3, abs=1e-3), 1)
    assert alike["histogram"][-1] == none["histogram"][int(rounds.BINS / 9)] == 9


def test_neighbours_agree_once_they_are_turned() -> None:
    """Each window has the displacement of the first, turned by its own angle."""
    angle = torch.arange(6, dtype=torch.float64) * 0.7
    cos, sin = angle.cos(), angle.sin()
    own = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    matrices = own[:, None] @ own[None].mT  # from the frame of j to that of i
    assert rounds.turns(matrices).numpy() == pytest.approx(matrices.numpy(), abs=1e-9)
    true = own @ torch.tensor([1.0, 2.0], dtype=torch.float64)
    made = replace(taken(count=6), labels=true, noise=torch.zeros(6, 2, dtype=torch.float64))
    best = torch.stack([(torch.arange(6) + step) % 6 for step in (1, 3)], 1)
    found = neighbours.judged(made, best, rounds.turns(matrices))
    assert found["displacement_turned"] == pytest.approx(1)
    assert found["displacement"] < 0.9


def test_neighbours_of_a_cell_are_judged_and_drawn(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("KINSIGHT_DATA", raising=False)
    found = neighbours.measured("main 0", SIZES, folder, side=SIDE, images=tmp_path)
    assert set(found["kinds"]) == {
        neighbours.TANGENT, neighbours.TURNED, neighbours.OWN, neighbours.PIXELS, "by chance"
    }  # fmt: skip
    assert (tmp_path / neighbours.PICTURE).stat().st_size > 10_000


def test_errors_that_neighbours_share_are_seen_and_those_of_all_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(60) // 3
    weights = (group[:, None] == group[None]).double().fill_diagonal_(0)
    alone = torch.randn(60, 2, generator=generator)
    shared = torch.randn(20, 2, generator=generator)[group]
    assert float(consistency.moran(shared, weights)) == pytest.approx(1)
    assert abs(consistency.tested(alone, weights)["z"]) < 3
    half = consistency.tested(alone + shared, weights)
    assert half["z"] > 3
    assert half["p"] == pytest.approx(1 / (1 + consistency.PERMUTATIONS), abs=1e-4)
    assert consistency.tested(alone + shared + torch.tensor([6.0, 0.0]), weights)["i"] == half["i"]


def test_polygons_close_by_are_of_one_scene_and_not_themselves() -> None:
    found = taken()
    weights = consistency.close_by(found, 1e9)
    same = found.scene[:, None] == found.scene[None]
    assert torch.equal(weights.bool(), same & ~torch.eye(len(found), dtype=torch.bool))
    assert float(consistency.close_by(found, 0.0).sum()) == 0


def test_the_mean_noise_of_a_biased_arm_is_its_bias() -> None:
    noise = windows.taken(windows.taught("biased 0", cells.Sizes(scenes=4)), 0, side=SIDE).noise
    found = consistency.mean_of(noise)
    for mean, error, bias in zip(found["mean"], found["error"], (1.5, 0.0), strict=True):
        assert abs(mean - bias) < 4 * error


def test_labels_of_a_round_are_the_map_that_the_round_before_left(folder) -> None:
    where = windows.taught("main 0", SIZES)
    given = where.maps
    got = windows.labels_of(folder, "main 0", given, 1)
    network = windows.trained(folder, "main 0", 0, "cpu").network
    expected = align(network, where.scenes[0].image, where.maps[0], Passes()).polygons
    assert got[0][0].vertices == pytest.approx(expected[0].vertices, abs=1e-4)
    assert windows.labels_of(folder, "main 0", given, 0) is given


def test_the_error_itself_is_the_best_score() -> None:
    error = torch.tensor([3.0, 1.0, torch.nan, 2.0])
    found = sureness.judged({"same": 10 * error, "opposite": -error}, error)
    assert found["ranks"] == {"same": pytest.approx(1), "opposite": pytest.approx(-1)}
    assert found["polygons"] == 3


def test_ties_share_their_rank() -> None:
    one = torch.tensor([1.0, 1.0, 2.0, 3.0])
    assert windows.ranked(one, one) == pytest.approx(1)
    assert windows.ranked(one, torch.tensor([1.0, 2.0, 3.0, 4.0])) == pytest.approx(
        0.9487, abs=1e-4
    )


def test_what_is_asked_needs_finished_cells_and_twins(folder) -> None:
    asked = kernel.asked_of(["main 0", "main twin 0", "shared 0", "way, main 0"], folder)
    kinds = [cell.split(", ")[0] for cell in asked]
    assert kinds == ["gain", "neighbours", "consistency", "rounds", "sureness", "denoising"]
    assert not [cell for cell in asked if not cell.endswith(", main 0")]


def test_the_chapter_says_what_was_measured(folder, tmp_path) -> None:
    where = {"images": tmp_path, "page": tmp_path / "page.md"}
    refused = {"main 0": {}, "gain, main 0": {"refused": "it fits nothing"}}
    assert "Not measured." in page.explained(refused, where)
    more = {"side": SIDE, "count": 6}
    asked = [c for c in kernel.asked_of(["main 0"], folder) if not c.startswith("denoising")]
    found = {cell: kernel.solve(cell, SIZES, folder, **more) for cell in asked}
    text = page.explained(found, where)
    row = found["gain, main 0"]["gains"][0]
    assert f"| main 0 | 1/4 | {row['sigma']:.3g} | {row['free']:.3g} |" in text
    rank = found["sureness, main 0"]["stages"]["aligned"]["ranks"]["density"]
    assert page.shown(rank, ".2f") in text.split("### Which polygons end up wrong")[1]
    assert text.count("###") == 5
    for name in page.FIGURES[:2]:
        assert (tmp_path / name).exists()
