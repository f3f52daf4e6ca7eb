"""Options that the commands share, and what they mean for a subject and its settings."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import torch
import typer

from kinsight.network import outputs
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


_FUNCTIONS = {
    Output.own_class: outputs.OwnClass(),
    Output.logits: outputs.Logits(),
    Output.log_probabilities: outputs.LogProbabilities(),
    Output.fisher: outputs.Fisher(),
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
BatchSize = Annotated[int | None, typer.Option(min=1, help="Samples at once; default by memory.")]


def adjusted(
    subject: Subject,
    output: Output | None,
    normalization: Normalization | None,
    parameters: list[str] | None,
) -> Subject:
    """The subject with what the command line says instead of the function."""
    changes: dict = {}
    if output is not None:
        changes["output"] = _FUNCTIONS.get(output)
    if normalization is not None:
        changes["normalization"] = normalization.value
    if parameters:
        changes["parameters"] = parameters
    return replace(subject, **changes)


def settings(
    dtype: Precision | None,
    device: str | None,
    memory: float | None,
    batch_size: int | None,
) -> Settings:
    """Settings from the command line."""
    return Settings(
        dtype=getattr(torch, dtype.value) if dtype else None,
        device=device,
        memory_budget=int(memory * 2**30) if memory else None,
        batch_size=batch_size,
    )
