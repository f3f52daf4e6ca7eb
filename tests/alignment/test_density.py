"""How many windows of training are alike to a polygon: against pairs of gradients; on disk."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alignment.cases import SMALL, SQUARE, constant, grey, pair, square
from kinsight.alignment import (
    AlignmentNetwork,
    Displacements,
    Passes,
    Polygon,
    Training,
    align_files,
    density,
    load_network,
    load_windows,
    read_geojson,
    save_network,
    train,
    windows_of,
)
from kinsight.alignment.applying import averaged
from kinsight.alignment.shares import NETWORK
from kinsight.alignment.tiles import read_pair
from kinsight.alignment.windows import WINDOWS, save_windows
from kinsight.cli.commands import app
from kinsight.errors import DataError


def taught() -> AlignmentNetwork:
    """A network that answers something else for every window."""
    torch.manual_seed(0)
    network = AlignmentNetwork(SMALL).double().eval()
    torch.nn.init.normal_(network.displacement.weight, std=0.1)
    return network


def gradients(network, windows) -> torch.Tensor:
    """∂f/∂θ of the displacement averaged over each polygon, one backward pass each: (N, 2, P)."""
    found = []
    for i in range(len(windows)):
        answer = network(windows.image[i : i + 1].double(), windows.channels[i : i + 1].double())[0]
        two = averaged(answer, windows.mask[i : i + 1])[0]
        rows = [
            torch.autograd.grad(one, list(network.parameters()), retain_graph=True,
                                allow_unused=True, materialize_grads=True)
            for one in two
        ]  # fmt: skip
        found.append(torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]))
    return torch.stack(found)


def whitened(rows: torch.Tensor) -> torch.Tensor:
    """K(x, x)^(−1/2) ∇f(x): (N, 2, P) from (N, 2, P)."""
    own = torch.einsum("ndp,nep->nde", rows, rows)
    values, vectors = torch.linalg.eigh(own)
    return torch.einsum("nda,na,nea,nep->ndp", vectors, values.rsqrt(), vectors, rows)


def test_density_is_the_sum_of_normalised_similarities() -> None:
    """k_C(x, y) = ½ Tr K(x, x)^(−1/2) K(x, y) K(y, y)^(−1/2)."""
    network = taught()
    polygons = [square(), square(80, 60), square(100, 10, 20)]
    known = windows_of([grey()], [polygons], 1, 64, Displacements())
    where = [square(30, 40), Polygon(()), square(5, 60, 40), square(400, 30)]
    asked = windows_of([grey()], [[where[0], where[2]]], 1, 64)
    one, other = (whitened(gradients(network, windows)) for windows in (asked, known))
    wanted = torch.einsum("ndp,mdp->nm", one, other).sum(1) / 2
    assert wanted.std() > 0.01
    network = network.float().train()
    found = density(network, grey(), where, known)
    assert network.training
    np.testing.assert_allclose(found[[0, 2]], wanted.numpy(), rtol=1e-4)
    assert not found[[1, 3]].any()  # empty, and outside the image


def test_density_of_many_polygons_is_that_of_each(monkeypatch) -> None:
    network = taught().float()
    known = windows_of([grey()], [[square(), square(80, 60)]], 2, 32, Displacements())
    where = [square(10 * i, 5 * i, 25) for i in range(7)]
    whole = density(network, grey(), where, known)
    monkeypatch.setattr("kinsight.alignment.windows._AT_ONCE", 3)
    np.testing.assert_allclose(density(network, grey(), where, known), whole, rtol=1e-4)
    nowhere = windows_of([grey()], [[square(400, 30)]], 2, 32)
    with pytest.raises(DataError, match="train on images"):
        density(network, grey(), where, nowhere)


def test_windows_are_those_of_training_or_of_the_map_as_it_is() -> None:
    polygons = [square(), Polygon(()), square(80, 60)]
    still = windows_of([grey()], [polygons], 1, 64)
    moved = windows_of([grey()], [polygons], 1, 64, Displacements())
    assert len(still) == len(moved) == 2  # none of the empty one
    assert not torch.equal(still.mask, moved.mask)
    assert len(windows_of([grey()], [polygons], 1, 64, count=1)) == 1
    with pytest.raises(DataError, match="with corners"):
        windows_of([grey()], [[Polygon(())]], 1, 64)


def test_windows_come_back_and_what_is_none_is_refused(tmp_path) -> None:
    path = tmp_path / WINDOWS
    kept = windows_of([grey()], [[square()]], 2, 32)
    save_windows(kept, path)
    again = load_windows(path)
    assert again.scale == 2
    torch.testing.assert_close(again.image, kept.image, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.mask, kept.mask, atol=0, rtol=0)
    for wrong in ({"kind": "x"}, [1], {}):
        torch.save(wrong, path)
        with pytest.raises(DataError, match="windows of a training"):
            load_windows(path)
    with pytest.raises(DataError, match="No such file"):
        load_windows(tmp_path / "none.pt")


def test_an_aligned_map_says_how_many_windows_of_training_are_alike(tmp_path) -> None:
    """Where the polygons were moved to, in their order; null where it was not asked for."""
    far = [[x + 300, y] for x, y in SQUARE]
    image, polygons = pair(tmp_path)
    value = json.loads(polygons.read_text())
    for place in (None, far, [[90, 60], [130, 60], [130, 95], [90, 95]]):
        geometry = place and {"type": "Polygon", "coordinates": [[*place, place[0]]]}
        value["features"].append({"type": "Feature", "properties": {}, "geometry": geometry})
    polygons.write_text(json.dumps(value))
    passes = Passes((1,), 1, side=64)
    asked = Training(steps=(30,), batch=2, side=32, size=SMALL, passes=passes, rate=1e-2)
    train([grey()], [[square(), square(80, 60), Polygon(())]], asked, tmp_path / "run")
    out, network = tmp_path / "out.geojson", tmp_path / "run" / NETWORK
    done = align_files(network, image, polygons, out, passes=passes)
    known = load_windows(tmp_path / "run" / WINDOWS)
    moved = done.alignment.polygons
    assert np.abs(done.alignment.displacement[0]).max() > 0.01
    pixels = read_pair(image, polygons)[0].image
    wanted = density(load_network(network), pixels, moved, known)
    np.testing.assert_allclose(done.density, wanted, rtol=1e-5)
    assert (done.density != 0).tolist() == [True, False, False, True]
    kept = [one.properties["kinsight_density"] for one in read_geojson(out).polygons]
    np.testing.assert_allclose(kept, done.density)
    again = align_files(network, image, out, tmp_path / "again.geojson", density=False)
    assert again.density is None
    plain = read_geojson(tmp_path / "again.geojson").polygons
    assert [one.properties["kinsight_density"] for one in plain] == [None] * 4
    (tmp_path / "run" / WINDOWS).write_bytes(b"no windows")
    with pytest.raises(DataError, match="go without density"):
        align_files(network, image, polygons, out)


def test_windows_of_folds_are_those_that_taught_the_first(tmp_path) -> None:
    dark, light = np.zeros((2, 3, 120, 160), np.float32)
    light += 1
    asked = Training(steps=(1,), batch=2, side=32, size=SMALL, passes=Passes((1,), 1), folds=2)
    train([dark, light], [[square()], [square(80, 60)]], asked, tmp_path)
    known = load_windows(tmp_path / WINDOWS)
    assert len(known) == 1
    assert (known.image == 1).all()  # the first fold realigns the dark one


def test_without_windows_there_is_no_density_and_it_is_said(tmp_path) -> None:
    image, polygons = pair(tmp_path)
    save_network(constant(0.5, 0.5), tmp_path / "network.pt")
    call = ["align", str(tmp_path / "network.pt"), str(image), str(polygons), "--out",
            str(tmp_path / "out.geojson")]  # fmt: skip
    done = CliRunner().invoke(app, call, catch_exceptions=False)
    assert done.exit_code == 0
    assert "no windows.pt beside the network" in done.output
    refused = CliRunner().invoke(app, [*call, "--density"])
    assert refused.exit_code != 0
    assert "windows" in refused.output
