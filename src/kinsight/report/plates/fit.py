"""The map of fit: neighbours against disagreement of their labels."""

import numpy as np

from kinsight.analysis.fit import FEW, MIXED, REGIMES
from kinsight.drawing.marks import fit_map
from kinsight.drawing.style import new_figure
from kinsight.report.plates.plate import WIDTH, Plate
from kinsight.report.samples import Samples


def fit(samples: Samples) -> Plate | None:
    """Every sample a point, the regimes as quarters."""
    if "fit" not in samples.columns:
        return None
    place = {name: i for i, name in enumerate(REGIMES)}
    regime = np.array([place.get(name, -1) for name in samples.columns["fit"]])
    figure, (axes,) = new_figure(1, WIDTH, 3.6)
    count, spread = samples.numbers("fit_count"), samples.numbers("fit_spread")
    fit_map(axes, count, spread, regime, FEW, MIXED, REGIMES)
    total = int((regime >= 0).sum())
    said = (
        f"{int((regime == 0).sum()):,} of {total:,} samples stand lower right, held by others with "
        "labels alike; on the left a label can be learnt by heart, above the line its neighbours "
        "disagree."
    )
    return Plate("fit", "Held by others, learnt by heart, or mixed up", said, figure)
