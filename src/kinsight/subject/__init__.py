"""What a person hands over: a network, its data, and all that is known about the samples."""

from kinsight.subject.subject import Subject

__all__ = ["Subject"]
