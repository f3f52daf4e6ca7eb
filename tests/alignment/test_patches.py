"""Patches: what is asked for there is what brings the polygons back to the labels."""

import numpy as np
import pytest
import torch

from alignment.cases import SMALL, grey, square
from kinsight.alignment import AlignmentNetwork, Displacements, NetworkSize, scene
from kinsight.alignment.light import relit
from kinsight.alignment.patches import class_map, cut
from kinsight.alignment.pyramid import Pyramid
from kinsight.alignment.raster import drawn
from kinsight.errors import ArgumentError, DataError


def middle(mask: torch.Tensor) -> np.ndarray:
    """The centre of mass of a mask: (x, y)."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return np.array([columns.double().mean(), rows.double().mean()])


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_displacement_leads_from_the_polygon_to_its_label(scale) -> None:
    """In every mirroring and at every scale; a polygon alone, the window around it."""
    label = [square(200, 220, 10 * scale)]
    pyramid = Pyramid(grey(480, 480), (1, 2, 4))
    for seed in range(8):
        random = np.random.default_rng(seed)
        found = cut([pyramid], [label], random, (scale,), 96, 4, Displacements(3.0, 0.0))
        for i in range(4):
            owned = found.owner[i] == 0
            moved = found.displacement[i][:, owned].mean(1).numpy()
            way = middle(found.classes[i] > 0) - middle(found.polygons[i, 0] > 0)
            np.testing.assert_allclose(moved, way, atol=0.55)  # pixels are whole
            assert np.abs(moved).max() > 0.01
            assert not found.displacement[i][:, ~owned].any()


def test_mirrored_images_go_with_their_polygons() -> None:
    """Inside the label the image is bright: so it must be in every mirroring."""
    image = np.zeros((3, 200, 200), dtype=np.float32)
    image[:, 90:120, 60:100] = 1
    label = [square(60, 90, 30)]
    pyramid = Pyramid(image, (1,))
    for seed in range(16):
        found = cut([pyramid], [label], np.random.default_rng(seed), (1,), 96, 2, Displacements())
        assert (found.image[:, 0][found.classes == 1] == 1).all()


@pytest.mark.parametrize("mirrored", [True, False])
def test_patches_lie_as_the_image_does_unless_they_are_mirrored(mirrored) -> None:
    down, right = np.mgrid[:480, :480] / 1440
    image = np.stack([(right + 2 * down).astype(np.float32)] * 3)  # brighter to the right, and down
    seen = set()
    for seed in range(64):
        found = cut([Pyramid(image, (1,))], [[square(150, 150, 60)]], np.random.default_rng(seed),
                    (1,), 96, 1, Displacements(), mirrored=mirrored)  # fmt: skip
        slope = found.image[0, 0].diff(dim=1).mean(), found.image[0, 0].diff(dim=0).mean()
        seen.add(tuple(round(1440 * float(value)) for value in slope))
    lying = {(1, 2)}
    assert seen == (lying | {(-1, 2), (1, -2), (-1, -2), (2, 1), (-2, 1), (2, -1), (-2, -1)}
                    if mirrored else lying)  # fmt: skip


def test_another_light_changes_the_image_alone() -> None:
    label = [square(200, 220, 40)]
    image = np.random.default_rng(0).random((3, 480, 480), dtype=np.float32)
    pyramid, given = Pyramid(image, (2,)), (np.random.default_rng(1), np.random.default_rng(1))
    same = cut([pyramid], [label], given[0], (2,), 96, 3, Displacements())
    other = cut([pyramid], [label], given[1], (2,), 96, 3, Displacements(), light=0.3)
    for name, value in vars(same).items():
        assert torch.equal(value, vars(other)[name]) == (name != "image"), name
    before, after = same.image.flatten(2), other.image.flatten(2)  # (3, colours, pixels)
    for patch in range(3):
        for colour in range(3):
            both = torch.stack([before[patch, colour], after[patch, colour]])
            assert torch.corrcoef(both)[0, 1] > 0.999  # a straight line, and upwards


def test_no_light_is_the_patch_as_it_is() -> None:
    patch = np.random.default_rng(0).random((3, 16, 16), dtype=np.float32)
    np.testing.assert_allclose(relit(patch, 0.0, np.random.default_rng(0)), patch, atol=1e-6)


def test_displacements_have_their_sizes() -> None:
    polygons = [square(20 * i, 0, 10) for i in range(200)]
    random = np.random.default_rng(0)
    own = np.concatenate([Displacements(3.0, 0.0).of(polygons, random) for _ in range(200)])
    sizes = np.linspace(0.3, 1.3, 1001)
    assert own.std() == pytest.approx(3 * np.sqrt((sizes**2).mean()), rel=0.05)


def test_classes_go_from_vertex_down_to_background() -> None:
    found = class_map(drawn([square(10, 10, 20)], 40, 40)[0])
    assert found[0, 0] == 0
    assert found[20, 20] == 1
    assert found[20, 10] == 2
    assert found[10, 10] == 3


def test_a_window_past_the_border_repeats_it() -> None:
    image = grey(40, 50)
    pyramid = Pyramid(image, (1, 4))
    found = pyramid.window(1, np.array([0, 0]), 96)
    np.testing.assert_array_equal(found[:, :40, :50], image)
    assert (found[:, 40:, :50] == image[:, 39:40]).all()
    np.testing.assert_allclose(pyramid.level(4)[:, 0, 0], image[:, :4, :4].mean((1, 2)), rtol=1e-5)
    with pytest.raises(DataError, match="three colours"):
        Pyramid(image[0], (1,))


def test_the_network_is_as_large_as_it_says_and_begins_with_nothing() -> None:
    network = AlignmentNetwork()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == 95_078  # as its documentation says
    image, polygons = torch.rand(2, 3, 96, 96), torch.rand(2, 3, 96, 96)
    displacement, scores = network(image, polygons)
    assert displacement.shape == (2, 2, 96, 96)
    assert scores.shape == (2, 4, 96, 96)
    assert not displacement.any()
    with pytest.raises(ArgumentError, match="multiples of 4"):
        NetworkSize(image=(3, 4, 8))


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    network = AlignmentNetwork(SMALL).double()
    torch.nn.init.normal_(network.displacement.weight)
    image, polygons = torch.rand(3, 3, 48, 48).double(), torch.rand(3, 3, 48, 48).double()
    together = network(image, polygons)[0]
    alone = torch.cat([network(image[i : i + 1], polygons[i : i + 1])[0] for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_a_scene_is_the_same_for_the_same_seed() -> None:
    one, again, other = scene(3, 256), scene(3, 256), scene(4, 256)
    np.testing.assert_array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)
    assert one.image.shape == (3, 256, 256)
    assert 0 <= one.image.min() <= one.image.max() <= 1
    with pytest.raises(ArgumentError, match="at least 128"):
        scene(0, 64)


def test_polygons_of_a_scene_lie_on_its_edges() -> None:
    """Along their outlines images change more than along the same outlines, shifted by 6 px."""
    right, wrong = [], []
    for one in (scene(seed, 256) for seed in range(4)):
        change = np.hypot(*np.gradient(one.image.mean(0)))
        for shift, found in ((0, right), (6, wrong)):
            moved = [polygon.shifted([shift, shift]) for polygon in one.polygons]
            found.append(change[drawn(moved, 256, 256)[0][1] > 0.9].mean())
    assert np.mean(right) > 1.3 * np.mean(wrong)
