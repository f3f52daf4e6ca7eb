"""The command ``kinsight``: demo, analyze, doctor, report."""

import sys

from kinsight.cli.statuses import STOPPED


def main() -> None:
    """Entry point of the command ``kinsight``.

    What takes seconds to import is imported inside, where Ctrl-C ends without a trace.
    """
    try:
        from kinsight.cli.commands import app

        app(prog_name="kinsight")
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        sys.exit(STOPPED)


__all__ = ["main"]
