"""Random changes of light and colour of a training patch."""

import numpy as np

_LEAST = 0.1  # of the contrast


def relit(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """A patch under another light: (3, S, S) from (3, S, S).

    Around the mean μ_c of each colour, g_c (image − μ_c) + μ_c + s·(b + b_c/2) with the gain
    g_c = max(1 + s·(a + a_c/2), 0.1): one contrast a and one brightness b for all colours, a_c and
    b_c for each; a and a_c normal, b and b_c normal of deviation 1/2. Not cut to [0, 1].

    Args:
        strength: s, from 0 (the patch as it is) to 1.
    """
    contrast, brightness = random.normal(0, 1, 2)
    own = random.normal(0, 1, (2, 3)) / 2
    gain = np.maximum(1 + strength * (contrast + own[0]), _LEAST)
    offset = strength * (brightness + own[1]) / 2
    mean = image.mean((1, 2), keepdims=True)
    found = (image - mean) * gain[:, None, None] + mean + offset[:, None, None]
    return found.astype(np.float32)
