"""How many windows of training are alike to a polygon: against pairs of gradients; on disk."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alignment.cases import SMALL, constant, grey, pair, square
from kinsight.alignment import (
    AlignmentNetwork,
    Displacements,
    Passes,
    Polygon,
    Training,
    align_files,
    density,
    load_windows,
    read_geojson,
    save_network,
    train,
    windows_of,
)
from kinsight.alignment.applying import averaged
from kinsight.alignment.shares import NETWORK
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
    asked = windows_of([grey()], [[square(30, 40), square(5, 60, 40)]], 1, 64)
    one, other = (whitened(gradients(network, windows)) for windows in (asked, known))
    wanted = torch.einsum("ndp,mdp->nm", one, other).sum(1) / 2
    assert wanted.std() > 0.01
    found = density(network.float(), asked, known)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4)


def test_windows_are_those_of_training_or_of_the_map_as_it_is() -> None:
    polygons = [square(), Polygon(()), square(80, 60)]
    still = windows_of([grey()], [polygons], 1, 64)
    moved = windows_of([grey()], [polygons], 1, 64, Displacements())
    assert len(still) == len(moved) == 2  # none of the empty one
    assert not torch.equal(still.mask, moved.mask)
    assert len(windows_of([grey()], [polygons], 1, 64, count=1)) == 1
    with pytest.raises(DataError, match="with corners"):
        windows_of([grey()], [[Polygon(())]], 1, 64)
    with pytest.raises(DataError, match="got 1/2"):
        density(taught().float(), still, windows_of([grey()], [polygons], 2, 64))


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
        with pytest.raises(DataError, match="expected windows"):
            load_windows(path)
    with pytest.raises(DataError, match="No such file"):
        load_windows(tmp_path / "none.pt")


def test_an_aligned_map_says_how_many_windows_of_training_are_alike(tmp_path) -> None:
    image, polygons = pair(tmp_path)
    asked = Training(steps=(2,), batch=2, side=32, size=SMALL, passes=Passes((1,), 1, side=64))
    maps = [[square(), square(80, 60), Polygon(())]]
    train([grey()], maps, asked, tmp_path / "run")
    out = tmp_path / "out.geojson"
    passes = Passes((1,), 1, side=64)
    done = align_files(tmp_path / "run" / NETWORK, image, polygons, out, passes=passes)
    assert done.density is not None
    assert -2 <= done.density[0] <= 2
    assert read_geojson(out).polygons[0].properties["kinsight_density"] == done.density[0]
    plain = align_files(tmp_path / "run" / NETWORK, image, polygons, out, density=False)
    assert plain.density is None
    assert "kinsight_density" not in read_geojson(out).polygons[0].properties


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
