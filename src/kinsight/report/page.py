"""report.html put together: what is said, and the template that says it."""

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from kinsight.analysis.fit import FEW, MIXED
from kinsight.errors import RunFolderError
from kinsight.files import write_text
from kinsight.report import choice
from kinsight.report.figures import density_histogram, fit_map, histogram, standalone
from kinsight.report.samples import Samples, clean
from kinsight.report.summary import classes_table, counted, sentences
from kinsight.run.folder import RunFolder

_NEIGHBOURS = 10
_TEXT_NEIGHBOURS = 5


_HISTOGRAMS = {
    "uncertainty": "log₁₀ of the uncertainty, 1 over the sum of influences",
    "denoising_factor": "denoising factor: share of the noise left after averaging",
    "shift": "shift: answer minus the neighbourhood’s answer",
}


def write_report(run: RunFolder) -> Path:
    """Write RUN/report.html and RUN/figures/ from the tables of the run; the report's path.

    The page is one file: pictures inside, no script, nothing fetched, everything from the data
    escaped. Cost: a second or two, some dozens of samples are shown whatever their number.

    Raises:
        RunFolderError: the run is not finished, or its tables are damaged.
    """
    if not run.finished:
        raise RunFolderError(
            f"{run.path}: the run was stopped before its end; the same command goes on with it"
        )
    samples = Samples(run)
    figures = _figures(samples)
    for name, figure in figures.items():
        write_text(run.path / "figures" / f"{name}.svg", standalone(figure))
    page = _environment().get_template("page.html.j2")
    path = run.path / "report.html"
    write_text(path, page.render(_context(run, samples, figures)))
    return path


def _figures(samples: Samples) -> dict[str, str]:
    """The figures for which there are numbers, as ``<svg>`` elements."""
    found = {}
    if np.isfinite(samples.density).any():
        found["density"] = density_histogram(samples.density)
    if "fit_spread" in samples.columns:
        counts, spreads = samples.numbers("fit_count"), samples.numbers("fit_spread")
        found["fit"] = fit_map(counts, spreads, FEW, MIXED)
    for name, label in _HISTOGRAMS.items():
        values = samples.numbers(name)
        if name == "uncertainty":
            values = np.log10(np.where(values > 0, values, np.nan))
        if np.isfinite(values).any():
            found[name] = histogram(values, label, f"Histogram: {label}")
    return found


def _environment() -> Environment:
    folder = files("kinsight.report") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["percent"] = lambda share: f"{100 * share:.0f} %"
    return environment


def _context(run: RunFolder, samples: Samples, figures: dict[str, str]) -> dict[str, Any]:
    count = _TEXT_NEIGHBOURS if "text" in samples.columns else _NEIGHBOURS
    if "pictures" in run.record["tables"]:
        count = _NEIGHBOURS

    def cards(positions: list[int], neighbours: int = count, doubted: bool = False) -> list:
        return [samples.card(i, neighbours, doubted) for i in positions]

    suspects = choice.suspected(samples)
    contradicted = [i for i in suspects if choice.contradicted(samples, i)]
    shown = (contradicted or suspects)[: choice.SUSPECTS]
    return {
        "style": Markup((files("kinsight.report") / "templates" / "style.css").read_text("utf-8")),
        "title": clean(run.record.get("title") or run.record.get("target") or "A run", 90),
        "record": run.record,
        "sentences": sentences(run.record, samples, suspects, contradicted),
        "typical": cards(choice.typical(samples)),
        "crowded": cards(choice.crowded(samples), 0),
        "lonely": cards(choice.lonely(samples), 0),
        "suspects": cards(shown, doubted=True),
        "contradicted": len(contradicted),
        "classes": classes_table(samples, contradicted),
        "figures": {name: Markup(figure) for name, figure in figures.items()},
        "ambiguous": cards(choice.ambiguous(samples), 0),
        "has_pictures": run.has("pictures"),
        "has_texts": "text" in samples.columns,
        "kinds": Counter(row["how"] for row in run.record["coverage"]["rows"]),
    }


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else counted(value)
