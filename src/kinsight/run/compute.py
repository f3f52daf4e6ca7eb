"""Everything that a run computes about its samples: one walk over all pairs, then the analyses."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kinsight.analysis import answers as ridge_answers
from kinsight.analysis import fit as fitting
from kinsight.analysis import suspects as suspecting
from kinsight.analysis.denoising import Denoising, denoise
from kinsight.analysis.fit import Fit, Spread
from kinsight.analysis.suspects import Suspects
from kinsight.analysis.tallies import THRESHOLDS, Counts, Influence, Nearest, Whole
from kinsight.analysis.targets import Targets, read_targets
from kinsight.analysis.walk import Range, Tally, joined, walk
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.neighbours import Neighbours
from kinsight.progress import bar
from kinsight.run.parts import Parts
from kinsight.run.survey import Survey
from kinsight.subject.labels import Labels

POWER = 4.0  # α of the power count in samples.parquet
MOST_DENOISED = 20_000  # samples up to which the averages of self-denoising are computed


@dataclass(frozen=True)
class Found:
    """Everything computed about N samples."""

    norms: Tensor  # (N,) √Tr K(x,x); NaN = set apart
    ranks: Tensor  # (N,) of K(x,x)
    outputs: Tensor  # (N, D) f(x)
    columns: dict[str, Tensor]  # what the tallies say, (N,) or (N, K) each
    labels: Labels | None
    predicted: Tensor | None  # (N,) class index
    suspects: Suspects | None
    fit: Fit | None
    denoising: Denoising | None


def computed(
    source: ExactSource,
    out: Path,
    labels: Labels | None,
    read: Survey,
    neighbours: int,
    progress: bool | None,
) -> Found:
    """Gradients, all pairs (kept on disk range by range), and what follows from them."""
    count = len(source)
    with bar("gradient of each sample", count, "samples", progress) as shown:
        source.watch(shown.advance)
        norms, ranks, outputs = source.norms(), source.ranks(), source.outputs()
    targets = targets_of(labels)
    tallies = _tallies(source, targets, min(neighbours, count - 1))
    columns = _compared(source, out, tallies, progress).columns
    judged, fitted = _judged(source, columns, targets)
    denoised = _denoised(source, targets, progress)
    columns.pop("row", None)
    return Found(
        norms, ranks, outputs, columns, labels, read.predicted, judged, fitted, denoised
    )  # fmt: skip


def targets_of(labels: Labels | None) -> Targets | None:
    """Labels that differ, as numbers; None where nothing can be said of them."""
    if labels is None:
        return None
    given = labels.index if labels.index is not None else labels.real
    if given is None or labels.missing == len(given):
        return None
    targets = read_targets(given, len(given), varied=False)
    return targets if targets.spread > 0 else None


def _tallies(source: ExactSource, targets: Targets | None, k: int) -> list[Tally]:
    tallies: list[Tally] = [
        Nearest(k),
        Counts(soft=True, thresholds=THRESHOLDS, powers=(POWER,)),
    ]
    if source.dimension == 1 or source.normalization == "trace":
        tallies.append(Influence(source.norms()))
    if targets is not None:
        tallies.append(Spread(targets, fitting.POWER))
        if len(source) <= ridge_answers.FULL:
            tallies.append(Whole(len(source)))
    return tallies


def _compared(source: ExactSource, out: Path, tallies: list[Tally], progress: bool | None) -> Range:
    """All pairs, with every finished range of rows kept on disk."""
    widths = {name: width for tally in tallies for name, width in tally.widths.items()}
    parts = Parts(out / "parts", widths)
    count = len(source)
    done = parts.load()
    first = done[-1].rows.stop if done else 0
    seen = 0
    with bar("comparing all pairs", count * count, "pairs", progress) as shown:
        shown.advance(first * count)

        def watched(samples: int) -> None:
            nonlocal seen
            seen += samples
            shown.note(f"{seen:,} gradients")

        source.watch(watched)
        for part in walk(source, tallies, first, shown.advance):
            parts.save(part)
            done.append(part)
    source.watch(None)
    return joined(done)


def _judged(
    source: ExactSource, columns: dict[str, Tensor], targets: Targets | None
) -> tuple[Suspects | None, Fit | None]:
    if targets is None or int((targets.present & source.norms().isfinite()).sum()) < 2:
        return None, None
    nearest = Neighbours(columns["similarity"], columns["neighbours"])
    answered = ridge_answers.answer(source, targets, None, None, columns.get("row"))
    judged = suspecting.judge(answered.left_out, targets, nearest, "leave-one-out")
    fitted = fitting.judge(
        columns["support"], columns["expected"], columns["spread"], targets,
        fitting.FEW, fitting.MIXED,
    )  # fmt: skip
    return judged, fitted


def _denoised(
    source: ExactSource, targets: Targets | None, progress: bool | None
) -> Denoising | None:
    """For real labels that the output predicts, one number each."""
    if targets is None or targets.kind != "numbers" or source.dimension != 1:
        return None
    count = len(source)
    if count > MOST_DENOISED:
        return None
    labels = torch.where(targets.present, targets.values[:, 0], torch.nan)
    with bar("averaging labels", count * count, "pairs", progress) as shown:
        result = denoise(source, labels)
        shown.advance(count * count)
    return result
