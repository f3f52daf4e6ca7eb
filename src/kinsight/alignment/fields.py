"""Smooth random displacements over a plane, of known size and length."""

import numpy as np

_WAVES = 64


class SmoothField:
    """A random field of displacements (x, y), Gaussian to good approximation, defined everywhere.

    d(p) = s √(2/W) Σ_w cos(k_w · p + φ_w) for each axis, W = 64 waves with k_w ~ N(0, 1/L²): its
    covariance is s² exp(−‖p − q‖² / 2L²), its deviation ``std`` on each axis, the two axes
    independent. Source: Rahimi and Recht, "Random features for large-scale kernel machines", 2007.

    Args:
        std: pixels on each axis.
        length: L in pixels, the distance beyond which displacements have little in common.
        random: where its waves come from.

    >>> field = SmoothField(2.0, 50.0, np.random.default_rng(0))
    >>> field.at(np.zeros((5, 2))).shape
    (5, 2)
    """

    def __init__(self, std: float, length: float, random: np.random.Generator):
        self._size = std * (2 / _WAVES) ** 0.5
        self._waves = random.normal(0, 1 / length, (2, _WAVES, 2))  # axis, wave, (x, y)
        self._phases = random.uniform(0, 2 * np.pi, (2, _WAVES))

    def at(self, points: np.ndarray) -> np.ndarray:
        """The displacements of points (V, 2): (V, 2)."""
        angles = np.einsum("awc,vc->vaw", self._waves, points) + self._phases
        return self._size * np.cos(angles).sum(2)
