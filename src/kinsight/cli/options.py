"""Options that the commands share, and what they mean for a subject and its settings."""

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # else imported where used: these take seconds
    from kinsight.run import Settings, Subject


class Output(StrEnum):
    """What is asked of the network."""

    own = "own"
    own_class = "own-class"
    logits = "logits"
    log_probabilities = "log-probabilities"
    fisher = "fisher"


class Normalization(StrEnum):
    """How the kernel is normalised."""

    whitened = "whitened"
    trace = "trace"


class Precision(StrEnum):
    """The type of numbers computed with."""

    float32 = "float32"
    float64 = "float64"
    bfloat16 = "bfloat16"


class Map(StrEnum):
    """How samples are placed in the plane."""

    principal = "principal"
    umap = "umap"


class Metric(StrEnum):
    """How a step of the parameters is measured."""

    diagonal = "diagonal"
    neuron = "neuron"
    kronecker = "kronecker"


_FUNCTIONS = {
    Output.own_class: "OwnClass",
    Output.logits: "Logits",
    Output.log_probabilities: "LogProbabilities",
    Output.fisher: "Fisher",
}

Target = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:CALLABLE",
        help="A function without arguments that returns a network and its data: a dict with "
        "model and data, and as you like labels, classes, output, names, texts, pictures.",
    ),
]
OutputChoice = Annotated[
    Output | None,
    typer.Option(
        help="What is asked of the network, whatever the function says: its own output, its own "
        "class against the rest (one number a sample, the cheapest), …"
    ),
]
NormalizationChoice = Annotated[
    Normalization | None, typer.Option(help="For more than one output, whatever the function says.")
]
Patterns = Annotated[
    list[str] | None,
    typer.Option("--parameters", help="Name or glob of parameters to use; may be repeated."),
]
PrecisionChoice = Annotated[
    Precision | None, typer.Option("--dtype", help="Default: the network’s.")
]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda; default: the network’s.")]
Memory = Annotated[
    float | None,
    typer.Option(
        min=0.001, help="GiB for gradients and results; default a quarter of the machine."
    ),
]
MapChoice = Annotated[
    Map | None,
    typer.Option(
        "--map",
        help="Place samples by principal components of tangent features, or by UMAP on their "
        "nearest; default principal components. May be changed later.",
    ),
]
MetricChoice = Annotated[
    Metric | None,
    typer.Option(
        help="Measure steps of the parameters by the Fisher matrix of these samples, as its "
        "diagonal, in blocks per neuron or in Kronecker factors, so that it matters less how the "
        "network is written; default Euclidean."
    ),
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Samples at once; default by memory.")]


def adjusted(
    subject: "Subject",
    output: Output | None,
    normalization: Normalization | None,
    parameters: list[str] | None,
) -> "Subject":
    """The subject with what the command line says instead of the function."""
    return replace(subject, **changes(output, normalization, parameters))


def changes(
    output: Output | None, normalization: Normalization | None, parameters: list[str] | None
) -> dict[str, Any]:
    """The fields of a subject that the command line says instead of the function."""
    from kinsight.network import outputs

    found: dict[str, Any] = {}
    if output is not None:
        found["output"] = getattr(outputs, _FUNCTIONS[output])() if output in _FUNCTIONS else None
    if normalization is not None:
        found["normalization"] = normalization.value
    if parameters:
        found["parameters"] = parameters
    return found


def settings(
    dtype: Precision | None,
    device: str | None,
    memory: float | None,
    batch_size: int | None,
) -> "Settings":
    """Settings from the command line.

    Raises:
        ArgumentError: torch cannot use the device.
    """
    import torch

    from kinsight.run import Settings
    from kinsight.run.place import usable_device

    return Settings(
        dtype=getattr(torch, dtype.value) if dtype else None,
        device=usable_device(device),
        memory_budget=int(memory * 2**30) if memory else None,
        batch_size=batch_size,
    )
