"""What all tests share: one thread, fixed seeds, hypothesis profiles, the folder of larger data."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

# Workers run side by side, one a core; more threads would only fight for them.
torch.set_num_threads(1)

_SLOW = [HealthCheck.too_slow]  # the first example pays for torch's own warming up
settings.register_profile("quick", deadline=None, max_examples=20, suppress_health_check=_SLOW)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=500)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick")
)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Make every test start from the same random state, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of larger data sets named by KINSIGHT_DATA; without one the test skips."""
    folder = os.environ.get("KINSIGHT_DATA")
    if not folder:
        pytest.skip("KINSIGHT_DATA does not name the folder of larger data sets")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"KINSIGHT_DATA={folder} is not a folder; unset it or name one")
    return path
