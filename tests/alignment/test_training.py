"""Rounds: the network learns, the map gets better, and a stopped training ends the same."""

import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alignment.cases import SMALL, grey, pair, square
from kinsight.alignment import (
    Displacements,
    LabelNoise,
    Passes,
    Polygon,
    Training,
    load_network,
    train,
    vertex_errors,
)
from kinsight.alignment.shares import NETWORK
from kinsight.alignment.training import Learner, loss
from kinsight.alignment.windows import WINDOWS
from kinsight.cli.commands import app
from kinsight.errors import ArgumentError, DataError, RunFolderError

TESTS = Path(__file__).parents[1]


def bright(seed: int, side: int = 128) -> tuple[np.ndarray, list[Polygon]]:
    """Bright squares on dark ground, as easy as it gets."""
    random = np.random.default_rng(seed)
    image = random.normal(0.2, 0.02, (3, side, side)).astype(np.float32)
    cells = np.array([(x, y) for x in (10, 74) for y in (10, 74)])
    polygons = [square(*corner, 20) for corner in cells + random.integers(0, 24, (4, 2))]
    for polygon in polygons:
        left, top = polygon.outline[0].astype(int)
        image[:, top : top + 20, left : left + 20] += 0.6
    return image, polygons


def small(**more) -> Training:
    """A training of seconds."""
    asked = {"steps": (3, 2), "batch": 2, "side": 32, "size": SMALL, "passes": Passes((1,), 1)}
    return Training(**(asked | more))


def weights(network: torch.nn.Module) -> torch.Tensor:
    """All parameters in one row."""
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_map_gets_better_than_the_labels_it_taught() -> None:
    """The promise of the room, on the easiest scenes: errors of labels average out."""
    images, truth = zip(*(bright(seed) for seed in range(6)), strict=True)
    noisy = [LabelNoise(2.0).applied(p, 128, 128, i) for i, p in enumerate(truth)]
    asked = Training(
        steps=(200,), batch=8, side=48, size=SMALL, passes=Passes((1,), 3, side=48), rate=1e-2,
        displacements=Displacements(3.0, 0.0),
    )  # fmt: skip
    rounds = train(images, [one.polygons for one in noisy], asked)

    def error(maps) -> float:
        found = zip(maps, noisy, truth, strict=True)
        errors = [vertex_errors(m, n.source, t) for m, n, t in found]
        return float(np.median(np.concatenate(errors)))

    assert np.mean(rounds.losses[0][-20:]) < 0.95 * np.mean(rounds.losses[0][:20])
    assert error(rounds.maps[1]) < 0.7 * error(rounds.maps[0])


@pytest.mark.parametrize("folds", [1, 2])
def test_a_training_that_goes_on_ends_with_the_same_bits(tmp_path, monkeypatch, folds) -> None:
    monkeypatch.setattr("kinsight.alignment.shares._EPOCH", 1)
    images, maps = [bright(0)[0], bright(1)[0]], [[square(), square(80, 60)], [square(30, 70)]]
    whole = train(images, maps, small(folds=folds))

    class StoppedError(Exception):
        pass

    teach, left = Learner.teach, [0]

    def until(self, *arguments):
        if left[0] == 0:
            raise StoppedError
        left[0] -= 1
        return teach(self, *arguments)

    for after in (1, 2, 3, 4, 6, 8)[: 2 + 2 * folds]:
        monkeypatch.setattr(Learner, "teach", until)
        left[0] = after
        with pytest.raises(StoppedError):
            train(images, maps, small(folds=folds), tmp_path / str(after))
        monkeypatch.setattr(Learner, "teach", teach)
        again = train(images, maps, small(folds=folds), tmp_path / str(after))
        for one, other in zip(again.networks, whole.networks, strict=True):
            torch.testing.assert_close(weights(one), weights(other), rtol=0, atol=0)
        for one, other in zip(again.maps, whole.maps, strict=True):
            for mine, theirs in zip(chain(*one), chain(*other), strict=True):
                np.testing.assert_allclose(mine.vertices, theirs.vertices, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "gone", [("fold1/round1.state.pt", "fold1/round1.pt", f"fold1/{NETWORK}", WINDOWS), (WINDOWS,)]
)
def test_a_round_that_was_stopped_while_it_was_kept_is_finished(tmp_path, gone) -> None:
    """Between two folds or at the end: nothing differs from a training in one go."""
    images, maps = [bright(0)[0], bright(1)[0]], [[square()], [square(30, 70)]]
    whole = train(images, maps, small(folds=2), tmp_path / "run")
    for file in gone:
        (tmp_path / "run" / file).unlink()
    again = train(images, maps, small(folds=2), tmp_path / "run")
    for one, other in zip(again.networks, whole.networks, strict=True):
        torch.testing.assert_close(weights(one), weights(other), rtol=0, atol=0)
    assert all((tmp_path / "run" / file).exists() for file in gone)
    assert torch.equal(weights(load_network(tmp_path / "run" / NETWORK)), weights(again.network))


def test_with_folds_no_network_realigns_what_taught_it() -> None:
    """What a fold realigns does not depend on its own labels; the other's does."""
    images, maps = [bright(0)[0], bright(1)[0]], [[square()], [square(30, 70)]]
    asked = small(steps=(3,), folds=2)
    before = train(images, maps, asked)
    after = train(images, [maps[0], [square(34, 70)]], asked)
    moves = [[one.maps[1][i][0].vertices - one.maps[0][i][0].vertices for i in (0, 1)]
             for one in (before, after)]  # fmt: skip
    assert np.abs(moves[0][0] - moves[1][0]).max() > 0  # realigned by the one that saw the change
    for one, other in zip(before.networks, after.networks, strict=True):
        same = torch.equal(weights(one), weights(other))
        assert same == (one is before.networks[1])  # the second was taught by the first image
    with pytest.raises(DataError, match="each of 2 folds"):
        train(images[:1], maps[:1], asked)
    with pytest.raises(DataError, match="teach fold 1"):  # at once, not when its turn comes
        train(images, [[Polygon(())], maps[1]], asked)


def test_a_folder_of_before_goes_on(tmp_path) -> None:
    """Its settings have no light and no folds, and it has one line on its data."""
    images, maps = [grey()], [[square()]]
    train(images, maps, small(), tmp_path)
    mark = tmp_path / "data.sha256"
    assert len(mark.read_text().splitlines()) == 2
    mark.write_text(mark.read_text().splitlines()[0] + "\n")
    kept = torch.load(tmp_path / "round1.state.pt", weights_only=True)
    assert "segmentation" in kept["asked"]
    assert "light" not in kept["asked"]
    assert "folds" not in kept["asked"]
    assert train(images, maps, small(), tmp_path).losses == []
    with pytest.raises(RunFolderError, match="same settings"):
        train(images, maps, small(light=0.2), tmp_path)


def test_light_changes_what_is_learnt() -> None:
    images, maps = [bright(0)[0]], [[square()]]
    plain, other = (train(images, maps, small(light=light)).losses for light in (0.0, 0.3))
    assert plain[0] != other[0]


def test_killed_at_any_moment_it_goes_on(tmp_path) -> None:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(TESTS / "alignment" / "killed.py"), str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment) as process:
        while not (tmp_path / "run" / "state.pt").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    asked = small(steps=(120, 2))
    images, maps = [grey()], [[square(), square(80, 60)]]
    again = train(images, maps, asked, tmp_path / "run")
    assert len(again.losses) == 2
    assert len(again.losses[0]) == 120
    whole = train(images, maps, asked)
    torch.testing.assert_close(weights(again.network), weights(whole.network), rtol=0, atol=0)
    assert (tmp_path / "run" / NETWORK).exists()


def test_a_folder_of_another_training_is_refused(tmp_path) -> None:
    images, maps = [grey()], [[square()]]
    train(images, maps, small(), tmp_path / "run")
    with pytest.raises(RunFolderError, match="same settings"):
        train(images, maps, small(seed=1), tmp_path / "run")
    train(images * 2, maps * 2, small(folds=2), tmp_path / "two")
    with pytest.raises(RunFolderError, match="same settings"):  # whose states lie elsewhere in it
        train(images * 2, maps * 2, small(), tmp_path / "two")
    with pytest.raises(RunFolderError, match="same images and map"):
        train(images, [[square(21)]], small(), tmp_path / "run")


def test_what_cannot_be_learnt_from_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        train([], [], small())
    with pytest.raises(DataError, match="one for each of 1 images"):
        train([grey()], [], small())
    with pytest.raises(DataError, match="with corners"):
        train([grey()], [[Polygon(())]], small())


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": ()},
        {"batch": 0},
        {"side": 90},
        {"rate": 0},
        {"segmentation": -1},
        {"light": 1.0},
        {"folds": 0},
    ],
)
def test_training_without_meaning_is_refused(wrong) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Training(**wrong)


def test_the_loss_is_half_the_squared_error_on_owned_pixels() -> None:
    from kinsight.alignment.patches import cut
    from kinsight.alignment.pyramid import Pyramid

    learner = Learner([grey()], small())
    random = np.random.default_rng(0)
    pyramid = Pyramid(grey(), (1,))
    patches = cut([pyramid], [[square()]], random, (1,), 32, 2, Displacements())
    owned = patches.owner >= 0
    wanted = patches.displacement.square().sum(1)[owned].mean() / 2  # the answer is 0 at first
    torch.testing.assert_close(loss(learner.network, patches, 0.0), wanted)
    uniform = torch.log(torch.tensor(4.0))
    torch.testing.assert_close(loss(learner.network, patches, 1.0), wanted + uniform)


def test_commands_train_on_a_folder_and_align_with_what_they_left(tmp_path) -> None:
    folder, run = tmp_path / "tiles", tmp_path / "run"
    folder.mkdir()
    image, polygons = pair(folder)
    call = ["alignment", str(folder), "--out", str(run), "--steps", "2,1"]
    done = CliRunner().invoke(app, call, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (run / "aligned" / "a.geojson").exists()
    out, drawn = tmp_path / "b.geojson", tmp_path / "b.png"
    call = ["align", str(run / NETWORK), str(image), str(polygons), "--out", str(out)]
    done = CliRunner().invoke(app, [*call, "--picture", str(drawn)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "1 polygons" in done.output
    assert out.exists()
    assert drawn.exists()
    assert "kinsight_density" not in done.output  # there are windows
    pair(folder, "b")
    call = ["alignment", str(folder), "--out", str(tmp_path / "two"), "--steps", "1", "--folds",
            "2", "--light", "0.2"]  # fmt: skip
    done = CliRunner().invoke(app, call, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "two" / "fold1" / NETWORK).exists()
    assert "light=0.2" in (tmp_path / "two" / "data.sha256").read_text()
    wrong = CliRunner().invoke(app, ["alignment", str(folder), "--out", str(run), "--steps", "x"])
    assert wrong.exit_code != 0
    assert "steps" in wrong.output
