"""What a report says in sentences and in the table of classes, from the numbers alone."""

from collections import Counter
from typing import Any

import numpy as np

from kinsight.drawing.marks import counted
from kinsight.report import choice
from kinsight.report.samples import Samples, clean, natural
from kinsight.run.folder import RunFolder


def sentences(
    record: dict[str, Any], samples: Samples, suspects: list[int], contradicted: list[int]
) -> list[str]:
    """The findings, most important first."""
    return [
        *_density(record, samples),
        *_answers(samples),
        *_fit(samples),
        *_labels(samples, suspects, contradicted),
        *_denoising(record),
        *_planted(samples, suspects),
        *_apart(record),
    ]


def findings(run: RunFolder) -> list[str]:
    """The sentences of a finished run, for the terminal."""
    samples = Samples(run)
    suspects = choice.suspected(samples)
    contradicted = [i for i in suspects if choice.contradicted(samples, i)]
    return sentences(run.record, samples, suspects, contradicted)


def _density(record: dict[str, Any], samples: Samples) -> list[str]:
    fit = samples.density[np.isfinite(samples.density)]
    if not len(fit):
        return ["No sample has a finite gradient: nothing could be compared."]
    middle, low, high = (float(v) for v in (np.median(fit), fit.min(), fit.max()))
    against = ": more of the data pulls against it than along" if low < 0 else ""
    return [
        f"In the eyes of this network a typical one of the {record['samples']:,} samples has "
        f"{counted(middle)} neighbours, {middle / len(fit):.0%} of the data. The most crowded "
        f"has {counted(high)}, the loneliest {counted(low)}{against}."
    ]


def _answers(samples: Samples) -> list[str]:
    share = own_share(samples)
    if share is None:
        return []
    return [f"The network’s own answer is the label for {share:.1%} of them."]


def own_share(samples: Samples) -> float | None:
    """The share of labelled samples whose label the network gives; None without its answers."""
    if "predicted" not in samples.columns or not samples.classes:
        return None
    pairs = zip(samples.column("label"), samples.columns["predicted"], strict=True)
    right = [label == answer for label, answer in pairs if label is not None]
    return sum(right) / len(right) if right else None


def _fit(samples: Samples) -> list[str]:
    regimes = Counter(v for v in samples.columns.get("fit", []) if v is not None)
    total = sum(regimes.values())
    if not total:
        return []
    alone, mixed, both = (regimes[n] for n in ("over-fitted", "under-fitted", "ambiguous"))
    well = regimes["well supported"]
    alike = "the same label" if samples.classes else "labels alike"
    return [
        f"{well:,} of {total:,} samples ({well / total:.1%}) are well supported by others with "
        f"{alike}. {_have(alone)} so few neighbours that the label can be learnt by heart, "
        f"{mixed:,} {'lies' if mixed == 1 else 'lie'} in a crowd of mixed labels, and {both:,} "
        f"{'is' if both == 1 else 'are'} both lonely and mixed."
    ]


def _have(count: int) -> str:
    return f"{count:,} {'has' if count == 1 else 'have'}"


def _denoising(record: dict[str, Any]) -> list[str]:
    found = record.get("denoising")
    if not found:
        return []
    said = f"Averaging over neighbours leaves {found['factor']:.0%} of independent label noise"
    if found["noise_gain"] is not None:
        said += (
            f"; with the smoother of least leave-one-out error {found['noise_gain']:.0%} of it is "
            "in the answers"
        )
        if found["noise_level"] is not None:
            said += f", and the labels’ noise is estimated at {found['noise_level']:.3g}"
    failed = [a["name"] for a in found["assumptions"] if not a["holds"]]
    if failed:
        said += f". Read with care, for this does not hold: {'; '.join(failed)}"
    return [said + "."]


def _labels(samples: Samples, suspects: list[int], contradicted: list[int]) -> list[str]:
    if not suspects:
        return []
    share = len(contradicted) / len(suspects)
    if not contradicted:
        return [f"The others support every one of the {len(suspects):,} labels."]
    if not samples.classes:
        return [
            f"The others contradict {len(contradicted):,} of {len(suspects):,} labels "
            f"({share:.1%}): their answer is further away than three standard deviations."
        ]
    pairs = Counter(
        (samples.value("label", i), samples.value("proposed_label", i)) for i in contradicted
    )
    (given, proposed), often = pairs.most_common(1)[0]
    said = f"The others contradict {len(contradicted):,} of {len(suspects):,} labels ({share:.1%})."
    if often > 1:
        said += (
            f" Most often, {often} times, they say “{clean(proposed)}” where the label says "
            f"“{clean(given)}”."
        )
    return [said]


def _planted(samples: Samples, suspects: list[int]) -> list[str]:
    right = samples.columns.get("planted_label")
    if right is None or not suspects:
        return []
    planted = [i for i, label in enumerate(right) if label is not None]
    first = suspects[: len(planted)]
    found = [i for i in first if right[i] is not None]
    named = sum(samples.value("proposed_label", i) == right[i] for i in planted)
    return [
        f"{len(planted)} {'label was' if len(planted) == 1 else 'labels were'} changed on purpose "
        f"before training. {_most_suspected(len(first))} {len(found)} of them; for {named} the "
        "others propose the right label."
    ]


def _most_suspected(count: int) -> str:
    if count == 1:
        return "The most suspected label holds"
    return f"The {count} most suspected labels hold"


def _apart(record: dict[str, Any]) -> list[str]:
    said = []
    apart, still = len(record["set_apart"]), record["no_gradient"]
    if apart:
        named = ", ".join(f"{i:,}" for i in record["set_apart"][:10])
        more = " …" if apart > 10 else ""
        have, were = ("has", "was") if apart == 1 else ("have", "were")
        said.append(
            f"{_samples(apart)} {have} a gradient that is not finite and {were} set apart: "
            f"{named}{more}."
        )
    if still:
        have, near = ("has", "it, and it is") if still == 1 else ("have", "them, and they are")
        said.append(
            f"{_samples(still)} {have} no gradient at all: the output is constant near {near} "
            "similar to nothing."
        )
    return said


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"


def classes_table(samples: Samples, contradicted: list[int]) -> list[dict[str, Any]]:
    """One row a class: size, median density, contradicted labels, what is proposed instead."""
    labels = samples.columns.get("label")
    if labels is None or not samples.classes or "suspect_score" not in samples.columns:
        return []
    wrong = set(contradicted)
    rows = []
    for label in sorted({v for v in labels if v is not None}, key=natural):
        members = [i for i, v in enumerate(labels) if v == label]
        doubted = [i for i in members if i in wrong]
        instead = Counter(samples.value("proposed_label", i) for i in doubted)
        density = samples.density[members]
        finite = density[np.isfinite(density)]
        rows.append(
            {
                "label": clean(label),
                "samples": len(members),
                "density": float(np.median(finite)) if len(finite) else None,
                "contradicted": len(doubted),
                "instead": ", ".join(f"{clean(c)} ({n})" for c, n in instead.most_common(3)),
            }
        )
    return rows[:100]
