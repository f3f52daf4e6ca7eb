"""MODULE:CALLABLE on the command line: import it, call it, and say clearly what went wrong."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from inspect import Parameter, isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from kinsight.errors import ImportTargetError, KinsightError
from kinsight.subject.subject import Subject, as_subject

_EXPECTED = "expected MODULE:CALLABLE, such as mine:trained or path/to/mine.py:trained"


def load_target(target: str) -> Subject:
    """Call ``module:callable`` (or ``file.py:callable``) and read what it returns.

    The current folder is importable, as with ``python -m``.

    Raises:
        ImportTargetError: no such module or callable, or it raised an exception.
        SubjectError: it returned something else than a network and data.
    """
    module_name, separator, path = target.rpartition(":")
    if not separator or not module_name or not path:
        raise ImportTargetError(f"{_EXPECTED}; got {target!r}")
    module = _module(module_name)
    found: Any = module
    for name in path.split("."):
        if not hasattr(found, name):
            raise ImportTargetError(f"{module_name} has no {path!r}; {_others(module)}")
        found = getattr(found, name)
    if not callable(found):
        raise ImportTargetError(
            f"{target}: expected a function without arguments, got {type(found).__name__}"
        )
    needed = _needed(found)
    if needed:
        raise ImportTargetError(
            f"{target}: expected a function without arguments, got one that needs "
            f"{', '.join(needed)}; give them defaults, or write a function that calls it with them"
        )
    return as_subject(_ran(target, found))


def _others(module: ModuleType) -> str:
    """What was probably meant: functions of the module itself that need no arguments."""
    own = [
        name
        for name, value in vars(module).items()
        if isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    ]
    fit = [name for name in own if not _needed(getattr(module, name))]
    if not fit:
        return "no function of its own can be called without arguments"
    return f"its functions that can be called without arguments: {', '.join(fit)}"


def _needed(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a call must give."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in ones do not tell
        return []
    variable = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is Parameter.empty and p.kind not in variable]


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if name.endswith(".py"):
        return _file(Path(name))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise ImportTargetError(
            f"there is no module {name!r} in {here} or among the installed packages; "
            f"{_EXPECTED}, and run the command in the folder that holds it"
        )
    return _ran(f"import {name}", lambda: importlib.import_module(name))


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ImportTargetError(f"there is no file {path}; {_EXPECTED}")
    sys.path.insert(0, str(path.resolve().parent))  # it may import its neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportTargetError(f"{path} cannot be read as a Python module; {_EXPECTED}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    loader = spec.loader
    _ran(f"import {path}", lambda: loader.exec_module(module))
    return module


def _ran(what: str, job: Callable[[], Any]) -> Any:
    """The result of the user's own code; their exception named with its place."""
    try:
        return job()
    except KinsightError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" (at {frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        raise ImportTargetError(f"{what} raised {type(error).__name__}: {error}{place}") from error
