"""The command ``kinsight``: demo, analyze, doctor, report."""

from kinsight.cli.main import main

__all__ = ["main"]
