"""The figures of a run, each in a file of its own: those for which it has numbers."""

from collections.abc import Callable

from kinsight.report.plates.beside import beside
from kinsight.report.plates.classes import classes
from kinsight.report.plates.distributions import (
    denoising_factor,
    density,
    powers,
    shift,
    suspects,
    uncertainty,
)
from kinsight.report.plates.explanations import explanations
from kinsight.report.plates.fit import fit
from kinsight.report.plates.map import map_of_samples
from kinsight.report.plates.plate import Plate
from kinsight.report.samples import Samples

_ALL: tuple[Callable[[Samples], Plate | None], ...] = (
    map_of_samples,
    classes,
    suspects,
    explanations,
    density,
    powers,
    uncertainty,
    fit,
    denoising_factor,
    shift,
    beside,
)


def plates(samples: Samples) -> list[Plate]:
    """All figures for which there are numbers, in the order of the page."""
    drawn = (draw(samples) for draw in _ALL)
    return [plate for plate in drawn if plate is not None]
