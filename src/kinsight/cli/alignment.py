"""The commands align and alignment: a map moved to its image, a network taught to do so."""

from pathlib import Path
from typing import Annotated

import typer

from kinsight.cli.ending import ending

Network = Annotated[Path, typer.Argument(help="What `kinsight alignment` left: network.pt.")]
ImageFile = Annotated[Path, typer.Argument(metavar="IMAGE", help="PNG, JPEG or GeoTIFF.")]
MapFile = Annotated[Path, typer.Argument(metavar="MAP", help="Its polygons, a GeoJSON file.")]
Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Images, a GeoJSON file of the same name beside each.")
]
Device = Annotated[str, typer.Option(help="Where the network runs, such as cuda.")]
Steps = Annotated[
    str, typer.Option(metavar="N,N,N", help="Steps of each round, as many as there are rounds.")
]


def align_command(
    network: Network,
    image: ImageFile,
    polygons: MapFile,
    out: Annotated[Path, typer.Option(help="The aligned polygons, a GeoJSON file.")],
    picture: Annotated[Path | None, typer.Option(help="A PNG of before and after.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Passes at each scale.")] = 2,
    density: Annotated[
        bool | None,
        typer.Option(
            help="How many windows of training are alike to each polygon, from windows.pt."
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Move the polygons of a map to where they lie in its image, each with a confidence."""
    with ending():
        from kinsight.alignment import Passes, align_files

        passes = Passes(repeats=repeats, views=4)
        found = align_files(network, image, polygons, out, picture, passes, device, density=density)
        _tell(found.repairs)
        count = len(found.alignment.polygons)
        typer.echo(f"{count:,} polygons: {found.path}")
        if found.density is None and density is None:
            typer.echo("No kinsight_density: no windows.pt beside the network.")
        if picture is not None:
            typer.echo(f"Picture: {picture}")


def alignment_command(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder for the network and the aligned maps.")],
    steps: Steps = "700,350,350",
    light: Annotated[
        float, typer.Option(help="Random changes of contrast and colour of patches, such as 0.2.")
    ] = 0.0,
    folds: Annotated[
        int, typer.Option(min=1, help="Networks; a map is realigned by one it did not teach.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of weights and patches.")] = 0,
    device: Device = "cpu",
) -> None:
    """Train on a map that does not quite fit, realign it, train on; resumes where it stopped."""
    with ending(lambda: f"The same command goes on from {out}."):
        from kinsight.alignment import Training, train_folder

        asked = Training(steps=_numbers(steps), light=light, folds=folds, seed=seed, device=device)
        path, repairs = train_folder(folder, out, asked)
        _tell(repairs)
        typer.echo(f"Network: {path}")
        typer.echo(f"Aligned maps: {out / 'aligned'}")


def _numbers(text: str) -> tuple[int, ...]:
    from kinsight.errors import ArgumentError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ArgumentError(
            f"steps: expected whole numbers such as 700,350,350, got {text!r}"
        ) from error


def _tell(repairs: list[str]) -> None:
    for repair in repairs:
        typer.echo(f"! {''.join(c if c.isprintable() else ' ' for c in repair)}")
