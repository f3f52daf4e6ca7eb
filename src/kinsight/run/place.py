"""Where to compute: whether torch can use the device a person named, before anything is loaded."""

import torch

from kinsight.errors import ArgumentError


def usable_device(device: str | None) -> str | None:
    """``device`` if torch can put numbers there.

    Raises:
        ArgumentError: torch knows no such device, or was built without it, or it holds no numbers.
    """
    if device is None:
        return None
    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        reason = str(error).strip().split("\n")[0].split(". ")[0]
        raise ArgumentError(
            f"device: expected one that torch can use here, such as {' or '.join(found)}, got "
            f"{device!r} ({reason})"
        ) from error
    return device
