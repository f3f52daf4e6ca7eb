"""A network applied: every polygon goes where it says, at every scale, with a confidence."""

import numpy as np
import pytest
import torch

from alignment.cases import SMALL, constant, grey, pair, square
from kinsight.alignment import (
    AlignmentNetwork,
    Passes,
    Polygon,
    align,
    align_files,
    load_network,
    picture,
    read_geojson,
    save_network,
)
from kinsight.alignment.applying import averaged, displacements
from kinsight.alignment.pyramid import Pyramid
from kinsight.errors import ArgumentError, DataError


@pytest.mark.parametrize("scales", [(1,), (4, 2, 1)])
@pytest.mark.parametrize("repeats", [1, 3])
def test_passes_add_up_in_pixels_of_the_image(scales, repeats) -> None:
    found = align(constant(0.5, -0.25), grey(), [square(60, 40)], Passes(scales, repeats))
    wanted = np.array([0.5, -0.25]) * sum(scales) * repeats
    np.testing.assert_allclose(found.displacement, [wanted], atol=1e-4)
    np.testing.assert_allclose(found.polygons[0].outline[0], np.array([60, 40]) + wanted, atol=1e-4)
    assert np.isnan(found.spread).all()
    assert found.confidence[0] == pytest.approx(1 / (1 + np.hypot(0.5, 0.25) * scales[-1]))


def test_mirrored_views_of_a_network_that_ignores_its_input_cancel() -> None:
    """A constant answer turns with the mirror: four views average to nothing and disagree."""
    found = align(constant(0.5, -0.25), grey(), [square()], Passes((1,), 1, views=4))
    np.testing.assert_allclose(found.displacement, 0, atol=1e-6)
    wanted = (0.5 + 0.25) / np.sqrt(3 / 4) / 2  # deviation of ±a is a √(4/3)
    assert found.spread[0] == pytest.approx(wanted)
    assert found.confidence[0] == pytest.approx(1 / (1 + wanted))


def test_views_of_a_mirrored_image_are_mirrored_answers() -> None:
    """With four views, aligning a mirrored scene is mirroring the aligned one."""
    torch.manual_seed(1)
    network = AlignmentNetwork(SMALL).eval()
    torch.nn.init.normal_(network.displacement.weight, std=0.05)
    image, width = grey(96, 96), 96
    polygon = square(30, 40, 20)
    turned = Polygon.of(polygon.outline * (-1, 1) + (width, 0))
    passes = Passes((1,), 1, views=4)
    one = align(network, image, [polygon], passes).displacement[0]
    other = align(network, image[:, :, ::-1].copy(), [turned], passes).displacement[0]
    np.testing.assert_allclose(other, one * (-1, 1), atol=1e-4)
    assert np.abs(one).max() > 1e-3


def test_polygons_that_are_empty_or_outside_stay_and_are_not_sure() -> None:
    found = align(constant(1, 1), grey(), [Polygon(()), square(900, 900), square()])
    assert found.seen.tolist() == [False, False, True]
    assert found.confidence[:2].tolist() == [0, 0]
    assert found.polygons[0].is_empty
    np.testing.assert_array_equal(found.displacement[:2], 0)
    assert align(constant(1, 1), grey(), []).displacement.shape == (0, 2)


def test_batches_do_not_change_the_answer() -> None:
    torch.manual_seed(0)
    network = AlignmentNetwork(SMALL).eval()
    torch.nn.init.normal_(network.displacement.weight, std=0.1)
    polygons = [square(5 * i, 3 * i, 20) for i in range(20)]
    pyramid, passes = Pyramid(grey(), (1,)), Passes((1,))
    together = displacements(network, pyramid, polygons, 1, passes)[0][0]
    assert np.abs(together).max() > 1e-3
    part = displacements(network, pyramid, polygons, 1, Passes((1,)))[0][0]
    np.testing.assert_array_equal(part, together)
    # The order of the list decides the batch of a polygon; its neighbours are drawn all the same.
    turned = displacements(network, pyramid, polygons[::-1], 1, passes)[0][0][::-1]
    np.testing.assert_allclose(turned, together, atol=1e-5)


def test_an_average_counts_the_pixels_of_its_mask_alone() -> None:
    values, mask = torch.rand(2, 2, 5, 6), torch.rand(2, 5, 6) > 0.5
    mask[1] = False
    found = averaged(values, mask)
    torch.testing.assert_close(found[0], values[0][:, mask[0]].mean(1))
    assert not found[1].any()


def test_files_in_files_out(tmp_path) -> None:
    image, polygons = pair(tmp_path)
    save_network(constant(0.5, 0.5), tmp_path / "network.pt")
    out, drawn = tmp_path / "out.geojson", tmp_path / "out.png"
    done = align_files(tmp_path / "network.pt", image, polygons, out, drawn, Passes((1,), 2))
    found = read_geojson(out).polygons[0]
    np.testing.assert_allclose(found.outline, read_geojson(polygons).polygons[0].outline + 1)
    assert found.properties["id"] == 7
    assert found.properties["kinsight_moved_x"] == pytest.approx(1)
    assert 0 < found.properties["kinsight_confidence"] < 1
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert done.repairs == []
    with pytest.raises(ArgumentError, match="another file than the map"):
        align_files(tmp_path / "network.pt", image, polygons, polygons)


def test_a_network_comes_back_and_what_is_none_is_refused(tmp_path) -> None:
    network, path = constant(1, 2), tmp_path / "network.pt"
    save_network(network, path)
    again = load_network(path)
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    for wrong in ({"kind": "x"}, [1], {"kind": "kinsight alignment network 1", "size": {}}):
        torch.save(wrong, path)
        with pytest.raises(DataError, match="expected a"):
            load_network(path)
    path.write_bytes(b"no network")
    with pytest.raises(DataError, match="expected a file"):
        load_network(path)
    with pytest.raises(DataError):
        load_network(tmp_path / "none.pt")


def test_a_picture_has_both_maps() -> None:
    figure = picture(grey(), [square()], [square(25)], np.array([0.5]))
    assert len(figure.axes[0].lines) == 2


@pytest.mark.parametrize("wrong", [{"scales": ()}, {"repeats": 0}, {"views": 3}, {"side": 90}])
def test_passes_without_meaning_are_refused(wrong) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Passes(**wrong)
