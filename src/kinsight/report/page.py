"""report.html put together: what is said, and the template that says it."""

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from kinsight.drawing.marks import counted
from kinsight.drawing.svg import png_file, svg_element, svg_file
from kinsight.errors import RunFolderError
from kinsight.files import write_text, write_whole
from kinsight.report import assumed, choice, doubted, facts
from kinsight.report.plates import plates
from kinsight.report.plates.plate import Plate
from kinsight.report.samples import Samples, clean
from kinsight.report.summary import classes_table, sentences
from kinsight.run.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NEIGHBOURS = 10
_TEXT_NEIGHBOURS = 5


def write_report(run: RunFolder) -> Path:
    """Write RUN/report.html and RUN/figures/ from the tables of the run; the report's path.

    The page is one file: pictures inside, no script, nothing fetched, everything from the data
    escaped. Cost: some seconds, most of it for the figures, each as SVG and PNG; some hundreds of
    samples are shown whatever their number, so that the page stays within about 20 MB.

    Raises:
        RunFolderError: the run is not finished, or its tables are damaged.
    """
    samples = _samples(run)
    drawn = plates(samples)
    for plate in drawn:
        _write_figure(run.path / "figures", plate)
    page = _environment().get_template("page.html.j2")
    path = run.path / "report.html"
    write_text(path, page.render(_context(run, samples, drawn)))
    return path


def figures(run: RunFolder) -> dict[str, "Figure"]:
    """The figures of the report by name, matplotlib Figures: ``figures(run)["map"]``.

    Those for which the run has numbers, of: map, classes, suspects, explanations, density, powers,
    uncertainty, fit, denoising_factor, shift, beside.

    Raises:
        RunFolderError: the run is not finished, or its tables are damaged.
    """
    return {plate.name: plate.figure for plate in plates(_samples(run))}


def _samples(run: RunFolder) -> Samples:
    if not run.finished:
        raise RunFolderError(
            f"{run.path}: the run was stopped before its end; the same command goes on with it"
        )
    return Samples(run)


def _write_figure(folder: Path, plate: Plate) -> None:
    write_text(folder / f"{plate.name}.svg", svg_file(plate.figure))
    picture = png_file(plate.figure)
    write_whole(folder / f"{plate.name}.png", lambda aside: aside.write_bytes(picture))


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
    environment.filters["figure"] = lambda plate: Markup(
        svg_element(plate.figure, f"{plate.title}. {plate.says}", plate.name)
    )
    return environment


def _context(run: RunFolder, samples: Samples, drawn: list[Plate]) -> dict[str, Any]:
    """All that the template says, by name."""
    suspects = choice.suspected(samples)
    contradicted = [i for i in suspects if choice.contradicted(samples, i)]
    shown = contradicted or suspects[: choice.SUSPECTS]
    return {
        "style": Markup((files("kinsight.report") / "templates" / "style.css").read_text("utf-8")),
        "title": clean(run.record.get("title") or run.record.get("target") or "A run", 90),
        "record": run.record,
        "sentences": sentences(run.record, samples, suspects, contradicted),
        "network": facts.network(run.record, samples),
        "data": facts.data(run.record, samples),
        "plates": {plate.name: plate for plate in drawn},
        "contradicted": len(contradicted),
        "doubted": doubted.rows(samples, shown),
        "classes": classes_table(samples, contradicted),
        "assumed": assumed.items(samples),
        "has_classes": samples.classes,
        "has_pictures": samples.drawn,
        "kinds": Counter(row["how"] for row in run.record["coverage"]["rows"]),
        **_galleries(samples, shown),
    }


def _galleries(samples: Samples, suspects: list[int]) -> dict[str, list]:
    """The samples that are shown, with or without neighbours."""
    count = _NEIGHBOURS if samples.drawn else _TEXT_NEIGHBOURS

    def cards(positions: list[int], neighbours: int = 0, doubted: bool = False) -> list:
        return [samples.card(i, neighbours, doubted) for i in positions]

    return {
        "typical": cards(choice.typical(samples), count),
        "crowded": cards(choice.crowded(samples)),
        "lonely": cards(choice.lonely(samples)),
        "ambiguous": cards(choice.ambiguous(samples)),
        "suspects": cards(suspects[: choice.SUSPECTS], count, doubted=True),
    }


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else counted(value)
