"""Pictures in every form people keep them in come out as the PNG one expects."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kinsight.errors import SubjectError
from kinsight.subject.pictures import LARGEST_SIDE, painter


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


RAMP = (np.arange(5 * 7 * 3) * 2).astype(np.uint8).reshape(5, 7, 3)


@pytest.mark.parametrize(
    "pictures",
    [
        RAMP[None],
        RAMP.transpose(2, 0, 1)[None],
        torch.from_numpy(RAMP)[None],
        RAMP[None].astype(np.float32) / 255,
        torch.from_numpy(RAMP[None]).double() / 255,
        RAMP[None].astype(np.int64),
        [Image.fromarray(RAMP)],
        lambda position: RAMP,
    ],
)
def test_every_form_gives_the_same_picture(pictures) -> None:
    paint = painter(pictures, None)
    assert paint is not None
    assert np.array_equal(decoded(paint(0)), RAMP)


def test_grey_pictures_of_both_shapes() -> None:
    for grey in (RAMP[None, ..., 0], RAMP[None, ..., :1], RAMP[None, None, ..., 0]):
        paint = painter(grey, None)
        assert paint is not None
        assert np.array_equal(decoded(paint(0)), RAMP[..., 0])


def test_inputs_that_look_like_pictures_are_shown_by_their_common_range() -> None:
    x = torch.zeros(2, 1, 6, 6)
    x[0, 0, 0, 0], x[1, 0, 0, 0] = -1.0, 3.0
    paint = painter(None, (x, torch.zeros(2)))
    assert paint is not None
    assert decoded(paint(0))[0, :2].tolist() == [0, 64]
    assert decoded(paint(1))[0, :2].tolist() == [255, 64]
    assert painter(None, torch.zeros(2, 9)) is None


def test_a_file_is_shown_small_and_without_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.new("CMYK", (400, 200)).save(path, exif=exif)
    paint = painter([path], None)
    assert paint is not None
    png = paint(0)
    assert max(decoded(png).shape[:2]) == LARGEST_SIDE
    assert b"where I live" not in png


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (np.zeros((2, 3, 4, 5, 6)), "expected .H, W"),
        (np.zeros((2, 5, 5, 7)), "with 1, 3 or 4 channels"),
        (["nowhere.png"], "cannot be read"),
        ([3.5], "got float for sample 0"),
    ],
)
def test_what_is_no_picture_is_refused(pictures, said: str) -> None:
    paint = painter(pictures, None)
    assert paint is not None
    with pytest.raises(SubjectError, match=said):
        paint(0)
