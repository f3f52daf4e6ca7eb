"""How much of the labels' noise stays in a taught network's answers, as its tangent kernel says."""

from pathlib import Path
from typing import Any

from map_alignment_cells import Sizes
from map_alignment_windows import (
    SIDE,
    answers,
    digits,
    middle,
    seed_of,
    seen,
    size,
    taken,
    taught,
    trained,
)

import kinsight as ks


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = 200, side: int = SIDE,
    training: Any = "residual", device: str = "cpu",
) -> dict:  # fmt: skip
    """Denoising of the first round's network of a finished cell, beside what the truth says."""
    model = trained(folder, name, 0, device)
    windows = taken(taught(name, sizes), seed_of(name), count, side=side)
    source = seen(model, windows.data, device)
    found = ks.denoise(source, windows.labels, training=training)
    return {
        "windows": len(windows),
        "factor": middle(found.factor),
        "shift": middle(found.shift.norm(dim=1)),
        "gain": digits(found.noise_gain),
        "level": digits(found.noise_level),
        "smoother": found.smoother,
        "label": size(windows.noise),
        "error": size(answers(model, windows.data) - windows.true),
        "density": middle(ks.density(source).score),
        "fails": [one.name for one in found.assumptions if not one.holds],
    }
