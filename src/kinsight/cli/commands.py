"""The commands: demo, analyze, doctor and report here, those for stores beside them."""

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinsight.cli import options, stores
from kinsight.cli.alignment import align_command, alignment_command
from kinsight.cli.decisions import decisions_command
from kinsight.cli.ending import ending
from kinsight.cli.explore import explore_command
from kinsight.cli.export import export_command
from kinsight.cli.sketch import sketch_command
from kinsight.cli.statuses import UNSOUND

if TYPE_CHECKING:  # else imported inside the commands: these take seconds
    from kinsight.run import Settings, Subject

DEMO = "kinsight demo"

app = typer.Typer(
    help="What a network takes for the same thing: similarity, neighbours, density, suspects.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Out = Annotated[Path, typer.Option(help="Folder for everything computed; made if missing.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Throw away the run that the folder holds.")]
Neighbours = Annotated[int, typer.Option(min=1, help="Kept for each sample.")]


@app.callback(invoke_without_command=True)
def _common(
    shown: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if shown:
        typer.echo(f"kinsight {version('kinsight')}")
        raise typer.Exit


@app.command("demo")
def demo_command(out: Out = Path("runs/demo")) -> None:
    """Real digits, a small network trained in seconds, some labels flipped on purpose, a report."""
    with ending(lambda: _kept(out)):
        from kinsight.demo import FLIPPED, digits
        from kinsight.run import Settings
        from kinsight.run.claim import check_target

        check_target(out, DEMO)
        typer.echo(
            f"1,797 handwritten digits; {FLIPPED} labels flipped on purpose, told to nobody."
        )
        subject = digits()
        _analyzed(subject, out, Settings(fresh=True, target=DEMO))


@app.command("analyze")
def analyze_command(
    target: options.Target,
    out: Out,
    neighbours: Neighbours = 10,
    output: options.OutputChoice = None,
    normalization: options.NormalizationChoice = None,
    parameters: options.Patterns = None,
    dtype: options.PrecisionChoice = None,
    device: options.Device = None,
    memory: options.Memory = None,
    batch_size: options.BatchSize = None,
    placed: options.MapChoice = None,
    metric: options.MetricChoice = None,
    fresh: Fresh = False,
) -> None:
    """Compare all samples of your data as your network sees them; leave a folder and a report."""
    with ending(lambda: _kept(out)):
        from kinsight.run.claim import check_folder
        from kinsight.subject.target import load_target

        check_folder(out, fresh)  # before the function, which may take long
        asked = options.settings(dtype, device, memory, batch_size)
        subject = options.adjusted(load_target(target), output, normalization, parameters)
        more = {"map": placed.value if placed else None, "target": target}
        more["metric"] = metric.value if metric else None
        _analyzed(subject, out, replace(asked, neighbours=neighbours, fresh=fresh, **more))


@app.command("doctor")
def doctor_command(
    target: options.Target,
    output: options.OutputChoice = None,
    normalization: options.NormalizationChoice = None,
    parameters: options.Patterns = None,
    dtype: options.PrecisionChoice = None,
    device: options.Device = None,
    memory: options.Memory = None,
    batch_size: options.BatchSize = None,
) -> None:
    """Say before hours are spent whether it will work: every parameter, every check, the cost."""
    with ending():
        from kinsight.cli.words import diagnosis_text
        from kinsight.run import doctor
        from kinsight.subject.target import load_target

        asked = options.settings(dtype, device, memory, batch_size)
        subject = options.adjusted(load_target(target), output, normalization, parameters)
        found = doctor(subject, asked)
        typer.echo(diagnosis_text(found))
        if not found.sound:
            sys.exit(UNSOUND)


@app.command("report")
def report_command(
    folder: Annotated[Path, typer.Argument(help="The folder that analyze left.")],
) -> None:
    """Write report.html again from what a finished run left."""
    with ending():
        from kinsight.report import write_report
        from kinsight.run import RunFolder

        typer.echo(f"Report: {write_report(RunFolder(folder))}")


def _analyzed(subject: "Subject", out: Path, settings: "Settings") -> None:
    from kinsight.cli.words import run_text
    from kinsight.report import write_report
    from kinsight.run import analyze

    run = analyze(subject, out, settings)
    path = write_report(run)
    typer.echo(run_text(run, path))


def _kept(out: Path) -> str:
    parts = sorted((out / "parts").glob("rows-*.parquet"))
    if not parts:
        return "No range of rows was finished yet; nothing is lost but the time."
    rows = int(parts[-1].stem.split("-")[2])
    return f"The first {rows:,} rows are kept in {out}; the same command goes on from there."


app.command("explore")(explore_command)
app.command("decisions")(decisions_command)
app.command("export")(export_command)
app.command("align")(align_command)
app.command("alignment")(alignment_command)
app.command("sketch")(sketch_command)
for name, command in stores.COMMANDS.items():
    app.command(name)(command)
