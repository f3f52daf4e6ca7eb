"""What is said aloud while a metric is fitted: parameters without gradient, blocks too large."""

import warnings
from collections.abc import Iterable

from kinsight.errors import MetricWarning


def tell_unreached(names: Iterable[str]) -> tuple[str, ...]:
    """Parameters to which no gradient came: named, since steps along them count for nothing."""
    found = tuple(names)
    if found:
        named = ", ".join(found[:4]) + (" …" if len(found) > 4 else "")
        warnings.warn(
            f"metric: no gradient of the fitted samples reached {named}; they are left out of "
            "every similarity. Fit it to samples that use them, or leave them out by parameters=",
            MetricWarning,
            stacklevel=4,
        )
    return found
