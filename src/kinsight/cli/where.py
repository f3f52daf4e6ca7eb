"""Options that say where shards are computed: this process, or the workers of a Ray cluster."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinsight.errors import ArgumentError

if TYPE_CHECKING:  # else imported where used: these take seconds
    from kinsight.engines import Engine


class Where(StrEnum):
    """Where shards are computed."""

    local = "local"
    ray = "ray"


Place = Annotated[Where, typer.Option(help="This process, or the workers of a Ray cluster.")]
Address = Annotated[
    str | None,
    typer.Option(
        help="Of the cluster: host:6379, ray://host:10001, auto; default: one is started."
    ),
]
Cpus = Annotated[float | None, typer.Option(help="Cores a worker takes on the cluster.")]
Gpus = Annotated[float | None, typer.Option(help="GPUs a worker takes on the cluster.")]
Workers = Annotated[int | None, typer.Option(help="How many at most; default as many as fit.")]
Threads = Annotated[
    int | None, typer.Option(help="Of torch in each worker: they decide the last bits.")
]


def engine_from(where: Where, threads: int | None, **cluster: Any) -> "Engine":
    """The engine that the options ask for.

    Raises:
        ArgumentError: options of a cluster without one.
        MissingExtraError: ray is not installed.
    """
    from kinsight.engines import Local, Ray
    from kinsight.engines.session import import_ray

    given = {name: value for name, value in cluster.items() if value is not None}
    if where is Where.ray:
        import_ray()  # if it is not there, that is said before the function is called
        return Ray(threads=threads, **given)
    if given:
        raise ArgumentError(f"--{next(iter(given))}: expected --engine ray beside it, got local")
    return Local(threads=threads)
