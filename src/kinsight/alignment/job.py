"""Files in, files out: align the map of one image; train on a folder of images and maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinsight.alignment.applying import Alignment, Passes, align
from kinsight.alignment.geojson import write_geojson
from kinsight.alignment.images import ReadImage
from kinsight.alignment.picture import picture
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.rounds import train
from kinsight.alignment.saved import load_network
from kinsight.alignment.shares import NETWORK
from kinsight.alignment.tiles import read_folder, read_pair
from kinsight.alignment.training import Training
from kinsight.alignment.windows import WINDOWS, load_windows
from kinsight.alignment.windows import density as density_of
from kinsight.drawing.svg import png_file
from kinsight.errors import ArgumentError
from kinsight.files import write_whole


@dataclass(frozen=True)
class Aligned:
    """What an alignment of files left.

    Args:
        alignment: polygons in pixels, displacement, confidence.
        density: (M,) how many windows of training the network takes for alike, see
            ``kinsight.alignment.density``; 0 where unseen. None: not asked for.
        path: of the GeoJSON file.
        repairs: what was done to image and polygons, in sentences.
    """

    alignment: Alignment
    density: np.ndarray | None
    path: Path
    repairs: list[str]


def align_files(
    network: str | Path, image: str | Path, polygons: str | Path, out: str | Path,
    drawn: str | Path | None = None, passes: Passes | None = None, device: str = "cpu",
    progress: bool | None = None, density: bool | None = None,
) -> Aligned:  # fmt: skip
    """Align the polygons of a GeoJSON file with an image.

    ``out`` gets every polygon in its order, in the coordinates of the image, with the properties
    ``kinsight_confidence`` in [0, 1] (an order, no probability), ``kinsight_moved_x`` and
    ``kinsight_moved_y`` in pixels, and ``kinsight_density``, null where it was not computed.

    Args:
        network: what ``train`` or ``kinsight alignment`` left.
        drawn: a PNG of the map before and after.
        density: how many windows of training the network takes for alike with each aligned
            polygon, see ``kinsight.alignment.density``; None: where ``windows.pt`` lies beside
            the network.

    Raises:
        DataError: a file that is none, or coordinate systems that do not fit.
        ArgumentError: ``out`` is the map itself.
    """
    if Path(out).resolve() == Path(polygons).resolve():
        raise ArgumentError(f"out: expected another file than the map {polygons}, got the same")
    loaded, windows = load_network(network, device), Path(network).with_name(WINDOWS)
    known = None
    if density or (density is None and windows.exists()):
        known = load_windows(windows)  # before the work, as it may be no such file
    scene, read, repairs = read_pair(image, polygons)
    passes = passes or Passes(views=4)
    found = align(loaded, scene.image, scene.polygons, passes, progress)
    alike = None
    if known is not None:
        alike = density_of(loaded, scene.image, found.polygons, known)
    _written(found, alike, read, Path(out))
    if drawn is not None:
        figure = picture(scene.image, scene.polygons, found.polygons, found.confidence)
        write_whole(Path(drawn), lambda aside: aside.write_bytes(png_file(figure)))
    return Aligned(found, alike, Path(out), repairs)


def train_folder(
    folder: str | Path,
    out: str | Path,
    training: Training | None = None,
    progress: bool | None = None,
) -> tuple[Path, list[str]]:
    """Train on a folder of images with GeoJSON files; the network and the realigned maps.

    ``out`` gets ``network.pt`` and ``aligned/NAME.geojson``, and what a stopped training goes on
    from.

    Returns:
        The path of the network, and what was repaired, in sentences.

    Raises:
        DataError, RunFolderError: as ``read_folder`` and ``train``.
    """
    tiles = read_folder(folder)
    maps = [scene.polygons for scene in tiles.scenes]
    rounds = train([scene.image for scene in tiles.scenes], maps, training, out, progress)
    for path, read, aligned in zip(tiles.paths, tiles.images, rounds.maps[-1], strict=True):
        _write_map(Path(out) / "aligned" / f"{path.stem}.geojson", aligned, read, {})
    return Path(out) / NETWORK, tiles.repairs


def _written(found: Alignment, alike: np.ndarray | None, read: ReadImage, out: Path) -> None:
    columns = {
        "kinsight_confidence": found.confidence,
        "kinsight_moved_x": found.displacement[:, 0],
        "kinsight_moved_y": found.displacement[:, 1],
        # Null where not computed, so that one of an alignment before does not stay.
        "kinsight_density": np.full(len(found.polygons), np.nan) if alike is None else alike,
    }
    _write_map(out, found.polygons, read, columns)


def _write_map(out: Path, polygons: Sequence[Polygon], read: ReadImage, columns: dict) -> None:
    write_geojson(out, polygons, columns, read.crs, read.from_pixels)
