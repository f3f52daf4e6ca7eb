"""Label noise that is planted on purpose: which scores find the wrong labels?

    python experiments/label_noise.py --data FOLDER [--quick] [--workers 1] [--keep FOLDER]

A small network is trained on noisy labels of Fashion-MNIST and CIFAR-10; it scores the half of
the samples that it did not see. A ResNet-20 trained elsewhere scores noisy CIFAR-10 test labels.
Results are written cell by cell, and the same command goes on where it was: to
experiments/results/label_noise.json, with docs/experiments/label_noise.md and its figure.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn

import kinsight as ks

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]
from label_noise_page import write_page  # noqa: E402
from label_scores import Evidence, all_scores, judged, noisy_labels  # noqa: E402
from pages import environment  # noqa: E402
from pictures import DATA_SETS, SIMILAR, Pictures, trained, training_pictures  # noqa: E402
from resnet20_cifar10 import cifar10_labels, cifar10_pixels, normalised, resnet20  # noqa: E402

KINDS, RATES, SEEDS = ("symmetric", "class-dependent"), (0.1, 0.2), (0, 1, 2)
RESULTS = HERE / "results"
OUTPUT = ks.outputs.Probes(count=3)  # ten logits through three random combinations


@dataclass(frozen=True)
class Cell:
    """One measurement. ``arm``: "fashion_mnist", "cifar10", or "resnet20" (trained elsewhere)."""

    arm: str
    kind: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        """Its key in the results."""
        return f"{self.arm}/{self.kind}/{self.rate}/{self.seed}"


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    samples: int  # of a training set, both folds together
    epochs: int
    test: int  # images for ResNet-20
    seeds: tuple[int, ...]
    rates: tuple[float, ...]


FULL = Sizes(3000, 12, 3000, SEEDS, RATES)
QUICK = Sizes(600, 8, 300, SEEDS[:1], RATES[1:])


def main() -> None:
    """Measure what is missing, then write the table, the figure and the page."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    sizes = QUICK if asked.quick else FULL
    file = asked.out / "label_noise.json"
    report = _started(file, asked)
    jobs = list(_jobs(sizes, set(report["cells"])))
    begin = time.perf_counter()
    for count, found in enumerate(_worked(jobs, asked, sizes), 1):
        report["cells"] = dict(sorted({**report["cells"], **found}.items()))
        file.write_text(json.dumps(report, indent=1) + "\n")
        took = time.perf_counter() - begin
        print(f"{count} of {len(jobs)} jobs, {took:.0f} s: {', '.join(found)}", file=sys.stderr)
    print(write_page(report, asked.page, asked.image))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        sys.exit(f"{package} is missing: pip install -c constraints.txt -e '.[experiments]'")


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True, help="holds cifar10/ and the others")
    options.add_argument("--quick", action="store_true", help="small and rough; writes to runs/")
    options.add_argument("--threads", type=int, default=1, help="of each worker")
    options.add_argument("--workers", type=int, default=1, help="processes side by side")
    options.add_argument("--keep", type=Path, help="keep kernels here, to score them again")
    asked = options.parse_args()
    root = HERE.parent
    rough = root / "runs" / "label_noise_quick"
    asked.out = rough if asked.quick else RESULTS
    asked.page = (rough if asked.quick else root / "docs" / "experiments") / "label_noise.md"
    asked.image = (rough if asked.quick else root / "docs" / "images") / "label_noise.png"
    for folder in (asked.out, asked.page.parent, asked.image.parent, asked.keep):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    return asked


def _started(file: Path, asked: argparse.Namespace) -> dict:
    """What was measured before with the same sizes and versions, or nothing yet."""
    small = argparse.Namespace(quick=asked.quick, workers=asked.workers)
    versions = {name: _version(name) for name in ("cleanlab", "kinsight")}
    found = {**environment(small, 0.0), "threads": asked.threads, **versions}
    del found["minutes"]  # counted by the cells
    sizes = json.loads(json.dumps(vars(QUICK if asked.quick else FULL)))
    if file.exists():
        report = json.loads(file.read_text())
        if (report["environment"], report["sizes"]) == (found, sizes):
            return report
    return {"environment": found, "sizes": sizes, "cells": {}}


def _jobs(sizes: Sizes, done: set[str]) -> Iterator[list[Cell]]:
    """Cells that are missing; those that share a kernel in one job."""
    shared = []
    for seed in sizes.seeds:
        for kind in KINDS:
            for rate in sizes.rates:
                for arm in (*DATA_SETS, "resnet20"):
                    cell = Cell(arm, kind, rate, seed)
                    if cell.name in done:
                        continue
                    if arm == "resnet20":
                        shared.append(cell)
                    else:
                        yield [cell]
    if shared:
        yield shared


def _worked(jobs: list, asked: argparse.Namespace, sizes: Sizes) -> Iterator[dict]:
    """Results of the jobs, as they are ready."""
    if asked.workers == 1:
        for job in jobs:
            yield measured(job, asked.data, sizes, asked.keep)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(
        asked.workers, context, torch.set_num_threads, (asked.threads,)
    ) as pool:
        futures = [pool.submit(measured, job, asked.data, sizes, asked.keep) for job in jobs]
        for future in as_completed(futures):
            yield future.result()


def measured(job: list[Cell], data: Path, sizes: Sizes, keep: Path | None) -> dict[str, dict]:
    """The cells of one job: every method's scores, judged; seconds of processor time."""
    if job[0].arm == "resnet20":
        return _elsewhere(job, data, sizes, keep)
    return {job[0].name: _own(job[0], data, sizes, keep)}


def _own(cell: Cell, data: Path, sizes: Sizes, keep: Path | None) -> dict:
    """Two folds: a network trained on the noisy labels of one, the other one scored by it."""
    pictures = training_pictures(data, cell.arm, sizes.samples)
    name = cell.name.replace("/", "_")
    made = _kept(keep, name, lambda: _evidence(cell, pictures, sizes.epochs))
    begin = time.process_time()
    wrong = made["noisy"] != pictures.labels
    seen, unseen = made["seen"], made["unseen"]
    positions = torch.cat([indices for indices, _ in unseen])
    scores = [all_scores(evidence, evidence.spectra()) for _, evidence in unseen]
    joined = {name: torch.cat([part[name] for part in scores]) for name in scores[0]}
    found = {"accuracy": made["accuracy"], "unseen": verdicts(joined, wrong[positions])}
    if seen is not None:
        indices, evidence = seen
        found["seen"] = verdicts(all_scores(evidence, evidence.spectra()), wrong[indices])
    found["seconds"] = made["seconds"] + time.process_time() - begin
    return found


def verdicts(scores: dict[str, Tensor], wrong: Tensor) -> dict[str, dict[str, float]]:
    """Every score, judged."""
    return {name: judged(score, wrong) for name, score in scores.items()}


def _evidence(cell: Cell, pictures: Pictures, epochs: int) -> dict:
    """All that the methods see of a cell; of the training samples themselves, one fold."""
    images, labels = pictures.images, pictures.labels
    generator = torch.Generator().manual_seed(1000 + cell.seed)
    noisy = noisy_labels(labels, cell.rate, cell.kind, SIMILAR[cell.arm], generator)
    folds = torch.randperm(len(labels), generator=generator).chunk(2)
    unseen, right, seen = [], [], None
    for fold, other in (folds, folds[::-1]):
        model = trained(images[fold], noisy[fold], epochs, cell.seed)
        evidence = _seen_through(model, images[other], noisy[other])
        unseen.append((other, evidence))
        right.append((evidence.logits.argmax(1) == labels[other]).double())
        if seen is None and cell.rate == max(RATES):
            seen = fold, _seen_through(model, images[fold], noisy[fold])
    accuracy = float(torch.cat(right).mean())
    return {"noisy": noisy, "unseen": unseen, "seen": seen, "accuracy": accuracy}


def _seen_through(model: nn.Module, images: Tensor, labels: Tensor) -> Evidence:
    """What a network says of these samples, and how it ties them together."""
    hidden: list[Tensor] = []
    hook = model.linear.register_forward_pre_hook(lambda _, inputs: hidden.append(inputs[0]))
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(200)])
    hook.remove()
    kernel = ks.TangentKernel(model, output=OUTPUT, normalization=None)
    return Evidence(labels, logits, torch.cat(hidden), kernel.inner(images))


def _elsewhere(job: list[Cell], data: Path, sizes: Sizes, keep: Path | None) -> dict[str, dict]:
    """Noisy labels of test images, scored through a network that others trained."""
    labels = torch.from_numpy(cifar10_labels(data)[: sizes.test])
    images = normalised(cifar10_pixels(data)[: sizes.test])
    made = _kept(
        keep, "resnet20", lambda: {"evidence": _seen_through(resnet20(data), images, labels)}
    )
    begin = time.process_time()
    spectra = made["evidence"].spectra()
    shared = (made["seconds"] + time.process_time() - begin) / len(job)
    found = {}
    for cell in job:
        begin = time.process_time()
        generator = torch.Generator().manual_seed(1000 + cell.seed)
        noisy = noisy_labels(labels, cell.rate, cell.kind, SIMILAR["cifar10"], generator)
        scores = all_scores(replace(made["evidence"], labels=noisy), spectra)
        found[cell.name] = {
            "accuracy": float((made["evidence"].logits.argmax(1) == labels).double().mean()),
            "seconds": shared + time.process_time() - begin,
            "unseen": verdicts(scores, noisy != labels),
        }
    return found


def _kept(keep: Path | None, name: str, make: Callable[[], dict]) -> dict:
    """What was made before under this name, or what ``make`` makes now."""
    file = None if keep is None else keep / f"{name}.pt"
    if file is not None and file.exists():
        with torch.serialization.safe_globals([Evidence]):
            return torch.load(file, weights_only=True)
    begin = time.process_time()
    made = make()
    made["seconds"] = time.process_time() - begin
    if file is not None:
        torch.save(made, file)
    return made


if __name__ == "__main__":
    main()
