"""Random changes of light and colour of a training patch."""

import numpy as np


def relit(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """A patch under another light: (3, S, S) from (3, S, S).

    Around the mean μ_c of each colour, (1 + s·(a + a_c/2)) (image − μ_c) + μ_c + s·(b + b_c/2),
    with one contrast a and one brightness b for all colours, and a_c, b_c for each; a, a_c normal,
    b, b_c normal of deviation 1/2. Not cut to [0, 1]: the network does not need it.

    Args:
        strength: s; 0: the patch as it is. 0.3 is about what one place shows within a day.
    """
    contrast, brightness = random.normal(0, 1, 2)
    own = random.normal(0, 1, (2, 3)) / 2
    gain = np.maximum(1 + strength * (contrast + own[0]), 0.1)
    offset = strength * (brightness + own[1]) / 2
    mean = image.mean((1, 2), keepdims=True)
    found = (image - mean) * gain[:, None, None] + mean + offset[:, None, None]
    return found.astype(np.float32)
