"""The commands for a store that is there: info, neighbours, index, verify, repair, merge."""

import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from kinsight.cli import options, where
from kinsight.cli.ending import ending
from kinsight.cli.run import named, opened, place_of
from kinsight.cli.statuses import DAMAGED
from kinsight.errors import StoreError

if TYPE_CHECKING:  # else imported where used: these take seconds
    from kinsight.sketching.remake import Remake
    from kinsight.store.check import Damage
    from kinsight.store.layout import Shard


class IndexKind(StrEnum):
    """How an index keeps rows."""

    auto = "auto"
    flat = "flat"
    sq8 = "sq8"


Run = Annotated[str, typer.Argument(metavar="RUN", help="The store: a folder or a URI.")]
Queries = Annotated[
    list[int] | None, typer.Option("--query", help="Number of a sample; may be repeated.")
]
Ids = Annotated[
    list[str] | None, typer.Option("--query-id", help="Id of a sample; may be repeated.")
]
Count = Annotated[int, typer.Option("-k", min=1, help="Neighbours of each.")]
Neighbours = Annotated[int, typer.Option(min=1, help="Kept for each sample.")]
Pairs = Annotated[
    bool | None,
    typer.Option("--pairs/--no-pairs", help="Look at all pairs; default up to 200,000 rows."),
]
Rerank = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:CALLABLE",
        help="Order the candidates by exact similarity, with the network and the stored data "
        "that this function returns.",
    ),
]
Candidates = Annotated[int, typer.Option(min=1, help="How many are compared exactly.")]
ByIndex = Annotated[bool, typer.Option("--index", help="Ask the index that `index` built.")]
Json = Annotated[bool, typer.Option("--json", help="A list of objects instead of a table.")]
Kind = Annotated[IndexKind, typer.Option(help="sq8: 8 bits a number; flat: float32.")]
Recall = Annotated[float, typer.Option(help="Share of the ten nearest that is to be found.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODULE:CALLABLE",
        help="The function that the store was made from: damaged shards are sketched again.",
    ),
]
Parts = Annotated[list[str], typer.Argument(metavar="RUN...", help="The stores, in order.")]
Whole = Annotated[str, typer.Option(help="Folder or URI of the store with the rows of all.")]


def info_command(run: Run) -> None:
    """Say what a store is: rows, network, output, error, columns, sizes."""
    with ending():
        folder = opened(run)
        from kinsight.cli.store_words import info_text

        typer.echo(info_text(folder, named(run)))


def neighbours_command(
    run: Run,
    query: Queries = None,
    query_id: Ids = None,
    k: Count = 10,
    rerank: Rerank = None,
    candidates: Candidates = 50,
    index: ByIndex = False,
    device: options.Device = None,
    as_json: Json = False,
) -> None:
    """The stored samples that are most like some of them, most similar first."""
    with ending():
        folder = opened(run, finished=True)
        from kinsight.cli.neighbours import json_text, neighbours, numbers_of, table_text

        numbers = numbers_of(folder, query or (), query_id or ())
        rows = neighbours(run, numbers, k, candidates, index, rerank, device)
        typer.echo(json_text(rows) if as_json else table_text(folder, numbers, rows))


def survey_command(
    run: Run,
    neighbours: Neighbours = 10,
    pairs: Pairs = None,
    engine: where.Place = where.Where.local,
    address: where.Address = None,
    cpus: where.Cpus = None,
    gpus: where.Gpus = None,
    workers: where.Workers = None,
    threads: where.Threads = None,
) -> None:
    """Density, counts, neighbours, a map and suspected labels of all rows, written beside them."""
    with ending(lambda: "What was finished stays; the same command goes on."):
        folder = opened(run, finished=True)
        from kinsight.cli.store_words import surveyed_text
        from kinsight.sketching.store import Store
        from kinsight.sketching.survey import survey

        place = where.engine_from(
            engine, threads, address=address, cpus=cpus, gpus=gpus, workers=workers
        )
        store = Store(folder.path, filesystem=folder.place.filesystem)
        survey(store, pairs=pairs, neighbours=neighbours, engine=place)
        typer.echo(surveyed_text(Store(run), shlex.quote(named(run))))


def index_command(run: Run, kind: Kind = IndexKind.auto, recall: Recall = 0.95) -> None:
    """Build an index into RUN/index, for `neighbours --index`; say which recall was measured."""
    with ending():
        folder = opened(run, finished=True)
        from kinsight.sketching.store import Store

        built = Store(folder.path, filesystem=folder.place.filesystem).build_index(
            kind=kind.value, recall=recall
        )
        typer.echo(
            f"{built.held:,} rows in {built.lists} lists ({built.kind}), {built.nprobe} searched: "
            f"finds {built.recall:.1%} of the ten nearest of {built.sample} samples\n\n"
            f"  kinsight neighbours {shlex.quote(named(run))} --query 0 --index"
        )


def verify_command(run: Run) -> None:
    """Read every byte and list what is not as it was written; exit status 3 if anything is."""
    with ending():
        place_of(run)
        from kinsight.cli.store_words import damage_text, whole_text
        from kinsight.store.check import verify

        found = verify(run)
        if found:
            typer.echo(damage_text(found))
            typer.echo(
                f"`kinsight repair {shlex.quote(named(run))}` restores what it can", err=True
            )
            sys.exit(DAMAGED)
        typer.echo(whole_text(opened(run), named(run)))


def repair_command(run: Run, source: From = None, device: options.Device = None) -> None:
    """Restore run.json and sidecars from each other, and with --from sketch damaged shards again.

    Everything comes out with the bytes it had, or is refused. Exit status 3 if files are left
    that do not belong to the store.
    """
    with ending(lambda: "What was restored stays; the same command goes on."):
        place_of(run)
        from kinsight.cli.store_words import repaired_text, whole_text
        from kinsight.store.check import verify

        found = verify(run)
        left, made = _repaired(run, source, device) if found else ([], [])
        if found:
            typer.echo(repaired_text(found, left, made))
        if left:
            sys.exit(DAMAGED)
        typer.echo(whole_text(opened(run), named(run)))


def merge_command(runs: Parts, out: Whole) -> None:
    """Make one store of several that were made with the same network and settings."""
    with ending(lambda: "What was copied stays; the same command goes on."):
        for run in runs:
            opened(run, finished=True)
        from kinsight.cli.store_words import progress_text
        from kinsight.store.merge import merge

        typer.echo(f"✓ {named(out)}: {progress_text(merge(runs, out))}")


def _repaired(run: str, source: str | None, device: str | None) -> tuple[list["Damage"], list[int]]:
    """What repair leaves alone, and the shards that were sketched again.

    Raises:
        StoreError: shards must be sketched again, from data that were not given.
    """
    from kinsight.sketching.survey import remake_columns
    from kinsight.store.repair import repair

    lost: list[Shard] = []
    remake = _remake(source, device) if source is not None else None
    try:
        left = repair(
            run,
            remake or (lambda _, shard: lost.append(shard)),
            remake_columns=remake_columns,
        )
    except StoreError as error:
        lost = remake.others if remake is not None else lost
        if not lost or (remake is not None and remake.failed):
            raise
        rows = ", ".join(f"{s.start:,} to {s.stop - 1:,}" for s in lost[:5])
        more = " …" if len(lost) > 5 else ""
        given = (
            f", whose samples, ids, labels or columns are not those of {source}"
            if source is not None
            else ""
        )
        raise StoreError(
            f"{named(run)}: rows {rows}{more} are damaged{given}: they must be sketched again, "
            "with --from MODULE:CALLABLE, the function that returned them and the network. What "
            "else could be restored is"
        ) from error
    return left, [shard.index for shard in remake.made] if remake is not None else []


def _remake(source: str, device: str | None) -> "Remake":
    """The function that sketches shards again; what it needs of run.json it reads when called."""
    from kinsight.run.sketched import given_of, kernel_like
    from kinsight.sketching.remake import Remake
    from kinsight.subject.target import load_target

    subject = load_target(source)
    given = given_of(subject)
    return Remake(lambda head: (kernel_like(head, subject, device), subject.data, given))


COMMANDS: dict[str, Callable[..., None]] = {
    "info": info_command,
    "survey": survey_command,
    "neighbours": neighbours_command,
    "index": index_command,
    "verify": verify_command,
    "repair": repair_command,
    "merge": merge_command,
}
