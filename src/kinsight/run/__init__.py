"""One run over a data set: from a network and its data to a folder with everything computed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinsight.run.diagnosis import Diagnosis, doctor
    from kinsight.run.folder import RunFolder
    from kinsight.run.job import Settings, analyze
    from kinsight.subject.subject import Subject

__all__ = ["Diagnosis", "RunFolder", "Settings", "Subject", "analyze", "doctor"]

# Where each name lives, loaded when first asked for: a folder is read without torch, which takes
# seconds to import. No module here has the name of a function, which it would hide.
_HOMES = {
    "Diagnosis": "kinsight.run.diagnosis",
    "RunFolder": "kinsight.run.folder",
    "Settings": "kinsight.run.job",
    "Subject": "kinsight.subject.subject",
    "analyze": "kinsight.run.job",
    "doctor": "kinsight.run.diagnosis",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kinsight.run' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
