"""Optional packages, imported when they are needed; without them the error names the way out."""

import importlib
from types import ModuleType

from kinsight.errors import MissingExtraError


def optional(module: str, extra: str, what: str) -> ModuleType:
    """The package ``module``, which ``pip install 'kinsight[extra]'`` brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs the package {module!r}, which cannot be imported ({error}); "
            f"pip install 'kinsight[{extra}]'"
        ) from error
