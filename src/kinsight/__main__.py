"""``python -m kinsight``: the same as the command ``kinsight``."""

from kinsight.cli import main

main()
