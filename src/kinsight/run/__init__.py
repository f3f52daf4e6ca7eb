"""One run over a data set: from a network and its data to a folder with everything computed."""

from kinsight.run.analyze import Settings, analyze
from kinsight.run.doctor import Diagnosis, doctor
from kinsight.run.folder import RunFolder
from kinsight.subject.subject import Subject

__all__ = ["Diagnosis", "RunFolder", "Settings", "Subject", "analyze", "doctor"]
