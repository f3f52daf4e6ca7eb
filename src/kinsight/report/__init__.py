"""The page people look at: one self-contained HTML file made from the folder of a run alone."""

from kinsight.report.page import figures, write_report

__all__ = ["figures", "write_report"]
