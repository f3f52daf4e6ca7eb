"""Map alignment: polygons of a map moved to where an image shows them, taught by a wrong map."""

from kinsight.alignment.applying import Alignment, Passes, align
from kinsight.alignment.areas import Area, cut_up
from kinsight.alignment.bradbury import read_bradbury
from kinsight.alignment.geojson import PolygonFile, read_geojson, write_geojson
from kinsight.alignment.job import align_files, train_folder
from kinsight.alignment.masks import polygons_of_mask
from kinsight.alignment.mosaics import read_mosaics
from kinsight.alignment.network import AlignmentNetwork, NetworkSize
from kinsight.alignment.noise import LabelNoise, NoisyMap, vertex_errors, within
from kinsight.alignment.patches import Displacements
from kinsight.alignment.picture import picture
from kinsight.alignment.polygons import Polygon
from kinsight.alignment.raster import rasterised
from kinsight.alignment.repair import Repair, repaired
from kinsight.alignment.rounds import Rounds, train
from kinsight.alignment.saved import load_network, save_network
from kinsight.alignment.scenes import Scene, scene, scenes
from kinsight.alignment.tiles import Tiles, read_folder
from kinsight.alignment.training import Training
from kinsight.alignment.windows import Windows, density, load_windows, windows_of

__all__ = [
    "Alignment",
    "AlignmentNetwork",
    "Area",
    "Displacements",
    "LabelNoise",
    "NetworkSize",
    "NoisyMap",
    "Passes",
    "Polygon",
    "PolygonFile",
    "Repair",
    "Rounds",
    "Scene",
    "Tiles",
    "Training",
    "Windows",
    "align",
    "align_files",
    "cut_up",
    "density",
    "load_network",
    "load_windows",
    "picture",
    "polygons_of_mask",
    "rasterised",
    "read_bradbury",
    "read_folder",
    "read_geojson",
    "read_mosaics",
    "repaired",
    "save_network",
    "scene",
    "scenes",
    "train",
    "train_folder",
    "vertex_errors",
    "windows_of",
    "within",
    "write_geojson",
]
