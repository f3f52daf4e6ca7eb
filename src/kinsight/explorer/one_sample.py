"""One sample in full: what is known of it, its place among the others, evidence for its label."""

import math
from typing import Any

from kinsight.explorer import answers
from kinsight.explorer.columns import Columns
from kinsight.explorer.view import NETWORK, View, finite

_LONGEST_TEXT = 100_000
_LONGEST_SHORT = 160
_MOST_OUTPUTS = 1000
_MOST_PROBABILITIES = 20
_EVIDENCE = 10


def sample_answer(
    view: View, sample: int, paints: bool, decision: answers.Chosen | None
) -> answers.SampleAnswer:
    """Everything about one sample. Cost: one look at every column of numbers."""
    columns = view.columns
    output = _output(columns, sample)
    signal, inputs = view.signal(sample), view.inputs(sample)
    return answers.SampleAnswer(
        sample=sample,
        name=name_of(columns, sample),
        text=_cut(columns.label("text", sample), _LONGEST_TEXT),
        label=columns.label("label", sample),
        predicted=columns.label("predicted", sample),
        proposed=columns.label("proposed_label", sample),
        values={name: _plain(columns, name, sample) for name in columns.names()},
        output=output,
        probabilities=_probabilities(view, output),
        picture=paints or view.has("pictures"),
        signal=None if signal is None else answers.Signal(channels=signal[0], length=signal[1]),
        inputs=None if inputs is None else [answers.Named(name=n, value=v) for n, v in inputs],
        percentiles=_percentiles(columns, sample),
        evidence=_evidence(view, sample),
        decision=decision,
    )


def neighbour_answers(
    view: View, sample: int, by: str, k: int
) -> list[answers.NeighbourAnswer]:  # fmt: skip
    """The nearest of a sample, each with what a person recognises it by."""
    return [
        answers.NeighbourAnswer(
            **vars(brief_answer(view, other)),
            similarity=similarity,
            agrees=_agrees(view.columns, sample, other),
        )
        for other, similarity in view.neighbours(by, sample, k)
    ]


def brief_answer(view: View, sample: int) -> answers.Brief:
    """What a person recognises a sample by."""
    columns = view.columns
    return answers.Brief(
        sample=sample,
        label=columns.label("label", sample),
        predicted=columns.label("predicted", sample),
        name=name_of(columns, sample),
        text=_cut(columns.label("text", sample), _LONGEST_SHORT),
    )


def name_of(columns: Columns, sample: int) -> str | None:
    """Its name, or its id in a store."""
    column = name_column(columns)
    return None if column is None else _cut(columns.label(column, sample), 1000)


def name_column(columns: Columns) -> str | None:
    """The column that names the samples, if there is one."""
    return next((name for name in ("name", "id") if columns.has(name)), None)


def _evidence(view: View, sample: int) -> answers.Evidence:
    columns = view.columns
    near = view.neighbours(NETWORK, sample, min(_EVIDENCE, view.most))
    agreeing, against = [], []
    for other, similarity in near:
        agrees, label = _agrees(columns, sample, other), columns.label("label", other)
        if agrees:
            agreeing.append(answers.Near(sample=other, similarity=similarity))
        elif agrees is not None and label is not None:
            against.append(answers.Against(sample=other, similarity=similarity, label=label))
    support = columns.value("proposed_support", sample)
    answer = columns.label("proposed_label", sample)
    said = {"for": agreeing, "against": against, "answer": answer, "support": finite([support])[0]}
    return answers.Evidence(**said)  # "for" is no name of Python


def _agrees(columns: Columns, sample: int, other: int) -> bool | None:
    """Whether two samples have the same class; None where one is missing or labels are numbers."""
    if not columns.has("label") or columns.kind("label") == "number":
        return None
    mine, theirs = columns.label("label", sample), columns.label("label", other)
    return None if mine is None or theirs is None else mine == theirs


def _percentiles(columns: Columns, sample: int) -> dict[str, float]:
    found = {}
    for name in columns.names():
        if columns.kind(name) == "number":
            share = columns.percentile(name, sample)
            if share is not None:
                found[name] = share
    return found


def _plain(columns: Columns, name: str, sample: int) -> Any:
    """A value that JSON has."""
    if columns.kind(name) in ("category", "text"):
        return _cut(columns.label(name, sample), _LONGEST_SHORT)
    value = columns.value(name, sample)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 1 << 53:
        return value
    return finite([float(value)])[0]


def _output(columns: Columns, sample: int) -> list[float | None] | None:
    value = columns.value("output", sample)
    return finite(value) if isinstance(value, list) and len(value) <= _MOST_OUTPUTS else None


def _probabilities(view: View, output: list[float | None] | None) -> list[answers.Named] | None:
    """Of classes, the likeliest first, where f(x) is known to be scores or their logarithms."""
    kind = view.facts.output.split("(")[0].rsplit(".", 1)[-1]
    if kind not in ("Logits", "LogProbabilities") or not output:
        return None
    scores = [v for v in output if v is not None]
    if len(scores) < max(2, len(output)):
        return None
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    order = sorted(range(len(powers)), key=lambda i: -powers[i])[:_MOST_PROBABILITIES]
    names = _class_names(view, len(powers))
    return [answers.Named(name=names[i], value=powers[i] / sum(powers)) for i in order]


def _class_names(view: View, count: int) -> list[str]:
    known = view.classes()
    return [known[i] if i < len(known) else str(i) for i in range(count)]


def _cut(text: str | None, longest: int) -> str | None:
    if text is None or len(text) <= longest:
        return text
    return text[: longest - 1] + "…"
