"""A figure of the report with the one sentence that says what to read from it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 10.5  # inches that fill the page from side to side


@dataclass(frozen=True)
class Plate:
    """One figure: a section of the page, two files in RUN/figures, an entry of ``figures(run)``."""

    name: str  # of the files
    title: str
    says: str
    figure: "Figure"
