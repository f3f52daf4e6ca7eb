"""The command `kinsight sketch`: a store of sketches, made here or on a Ray cluster."""

import shlex
from enum import StrEnum
from typing import Annotated, Any

import typer

from kinsight.cli import options, where
from kinsight.cli.ending import ending
from kinsight.cli.run import named, refuse_analyzed
from kinsight.errors import ArgumentError, StoreError


class Keep(StrEnum):
    """What is kept beside one sketch a sample."""

    outputs = "outputs"


Out = Annotated[str, typer.Option(help="Folder of the store, or a URI such as s3://bucket/run.")]
Dimension = Annotated[
    str | None,
    typer.Option(help="Numbers a sample, default 2048; auto: as many as --error asks."),
]
Wanted = Annotated[
    float | None, typer.Option("--error", help="With --dim auto: of similarities (default 0.02).")
]
Seed = Annotated[int, typer.Option(help="Of the random signs and buckets.")]
Kept = Annotated[
    Keep | None, typer.Option(help="outputs: also a sketch for each output, for D×D analyses.")
]
ShardRows = Annotated[int | None, typer.Option(help="Samples in a file.")]
MicroBatch = Annotated[int | None, typer.Option(help="Samples at once through the network.")]
Append = Annotated[bool, typer.Option("--append", help="After the samples that are there.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Throw away the store that is there.")]


def sketch_command(
    target: options.Target,
    out: Out,
    dim: Dimension = None,
    error: Wanted = None,
    seed: Seed = 0,
    keep: Kept = None,
    engine: where.Place = where.Where.local,
    address: where.Address = None,
    cpus: where.Cpus = None,
    gpus: where.Gpus = None,
    workers: where.Workers = None,
    threads: where.Threads = None,
    shard_rows: ShardRows = None,
    micro_batch: MicroBatch = None,
    output: options.OutputChoice = None,
    normalization: options.NormalizationChoice = None,
    parameters: options.Patterns = None,
    dtype: options.PrecisionChoice = None,
    device: options.Device = None,
    memory: options.Memory = None,
    append: Append = False,
    fresh: Fresh = False,
) -> None:
    """Keep a few thousand numbers a sample that compare as its gradient does, for any number of
    rows. Names, labels and columns go along, pictures do not. Once stopped, it goes on."""
    with ending(lambda: kept(out, fresh)):
        from kinsight.cli.store_words import sketched_text
        from kinsight.run.sketched import Target, sketch_target

        wanted = _wanted(
            out, _dimension(dim, error), error=error, seed=seed, keep=keep and keep.value,
            shard_rows=shard_rows, micro_batch=micro_batch, append=append, fresh=fresh,
        )  # fmt: skip
        place = where.engine_from(
            engine, threads, address=address, cpus=cpus, gpus=gpus, workers=workers
        )
        changes = options.changes(output, normalization, parameters)
        settings = options.settings(dtype, device, memory, None)
        store = sketch_target(Target(target, changes, settings), out, place, **wanted)
        typer.echo(sketched_text(store, shlex.quote(named(out))))


def kept(out: str, fresh: bool) -> str:
    """What a stopped run leaves, and how to go on; ``--fresh`` again would throw it away."""
    from kinsight.store.folder import StoreFolder

    nothing = "No shard was finished yet; nothing is lost but the time."
    try:
        folder = StoreFolder.open(out)
        if folder.finished or not folder.segments:
            return f"{named(out)} is finished and stays." if folder.finished else nothing
        last = folder.segments[-1]
        rows = last.rows - sum(shard.rows for shard in folder.missing(last))
    except StoreError:
        return nothing
    if not rows:
        return nothing
    same = "the same command without --fresh" if fresh else "the same command"
    return f"{rows:,} of {last.rows:,} samples are kept in {named(out)}; {same} goes on from there."


def _dimension(dim: str | None, error: float | None) -> int | str | None:
    if dim != "auto" and error is not None:
        raise ArgumentError(
            "--error: expected --dim auto beside it, which finds the dimension, got "
            f"{'none' if dim is None else f'--dim {dim}'}"
        )
    try:
        return dim if dim in (None, "auto") else int(dim)
    except ValueError as failure:
        raise ArgumentError(f"--dim: expected a whole number or auto, got {dim!r}") from failure


def _wanted(out: str, dim: int | str | None, **more: Any) -> dict[str, Any]:
    """How the store is to be made, after all was refused that can be before the function is
    called, which may take long."""
    from kinsight.sketching.job import Wanted as Checked
    from kinsight.store.folder import StoreFolder
    from kinsight.store.layout import RECORD
    from kinsight.store.place import Place as Files

    Checked(dim=dim, **more)  # type: ignore[arg-type]
    place = refuse_analyzed(Files(out))
    if not more["fresh"] and place.size(RECORD) is not None:
        StoreFolder.open(out)
    return {"dim": dim, **more}
