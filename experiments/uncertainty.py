"""Does a network's error on new points grow with an uncertainty read from its tangent kernel?

    python experiments/uncertainty.py --data FOLDER [--seeds 3] [--threads 1]

Seven regression tables; scores of kinsight beside those people use. Writes
experiments/results/uncertainty.json, docs/images/uncertainty.png, docs/experiments/uncertainty.md.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from pages import environment, write
from recipes import Recipe, perceptron, train
from scores import NAMES, conformal_factor, rank_correlation, scores, thirds
from tables import NAMES as TABLES
from tables import Table, load
from uncertainty_page import figure, page

MEMBERS = 5


def main() -> None:
    """Train, score, compare, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--train", type=int, default=1500, help="most rows to fit and calibrate")
    options.add_argument("--test", type=int, default=1000, help="most test rows")
    options.add_argument("--width", type=int, default=100)
    options.add_argument("--steps", type=int, default=1200)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    recipe = Recipe("adam", 2e-3, asked.steps)
    began, runs = time.perf_counter(), []
    for name in TABLES:
        table = load(asked.data, name, asked.train, asked.test)
        for seed in range(asked.seeds):
            start = time.perf_counter()
            runs.append({"table": name, "seed": seed, **run(table, asked.width, recipe, seed)})
            print(line(runs[-1], time.perf_counter() - start), file=sys.stderr, flush=True)
    report = {
        "environment": environment(asked, time.perf_counter() - began),
        "summary": {name: summary(runs, name) for name in NAMES},
        "tables": {table: by_table(runs, table) for table in TABLES},
        "runs": runs,
    }
    print(text(report))
    figure(report)
    write("uncertainty", report, page(report))


def run(table: Table, width: int, recipe: Recipe, seed: int) -> dict:
    """One split of the training rows into fit and calibration, five networks, every score."""
    order = torch.randperm(len(table.x), generator=torch.Generator().manual_seed(seed))
    cut = len(order) * 4 // 5
    fit, held = order[:cut], order[cut:]
    x, y = table.x[fit], table.y[fit]
    members = [
        train(perceptron(x.shape[1], width, each), x, y, recipe, each)[-1].model
        for each in range(MEMBERS * seed, MEMBERS * (seed + 1))
    ]
    asked = torch.cat([table.x[held], table.test_x])
    with torch.no_grad():
        error = (members[0](asked)[:, 0] - torch.cat([table.y[held], table.test_y])).double()
    found = scores(members, x, y, asked)
    return {
        "fit": len(fit),
        "calibration": len(held),
        "test": len(table.test_x),
        "rmse": float(error[len(held) :].square().mean().sqrt()),
        "scores": {
            name: judged(error.abs(), score, found["influence"], len(held))
            for name, score in found.items()
        },
    }


def judged(error: Tensor, score: Tensor, fallback: Tensor, held: int) -> dict:
    """How a score orders the test errors, and its intervals; the first ``held`` rows calibrate.

    The thirds of a constant score are those of ``fallback``.
    """
    factor = conformal_factor(error[:held], score[:held])
    error, half, score = error[held:], factor * score[held:], score[held:]
    covered = (error <= half).double()
    constant = bool((score == score[0]).all())
    parts = thirds(fallback[held:] if constant else score)
    return {
        "correlation": rank_correlation(error, score),
        "coverage": float(covered.mean()),
        "coverage_thirds": [float(covered[part].mean()) for part in parts],
        "error_thirds": [float(error[part].mean()) for part in parts],
        "width": float(2 * half.mean()),
    }


def by_table(runs: list[dict], table: str) -> dict:
    """Means over seeds of everything measured on one table."""
    own = [each for each in runs if each["table"] == table]
    plain = statistics.mean(each["scores"]["constant"]["width"] for each in own)
    result: dict = {kind: own[0][kind] for kind in ("fit", "calibration", "test")}
    result["rmse"] = statistics.mean(each["rmse"] for each in own)
    result["scores"] = {}
    for name in NAMES:
        said = [each["scores"][name] for each in own]
        mean = {kind: _mean([each[kind] for each in said]) for kind in said[0]}
        mean["ratio"] = mean["error_thirds"][2] / mean["error_thirds"][0]
        mean["relative_width"] = mean["width"] / plain
        mean["correlations"] = [each["correlation"] for each in said]
        result["scores"][name] = mean
    return result


def summary(runs: list[dict], name: str) -> dict:
    """One score over all tables: medians of correlation, ratio and width, mean coverage."""
    tables = [by_table(runs, table)["scores"][name] for table in TABLES]
    return {
        "correlation": statistics.median(each["correlation"] for each in tables),
        "ratio": statistics.median(each["ratio"] for each in tables),
        "coverage": _mean([each["coverage"] for each in tables]),
        "coverage_thirds": _mean([each["coverage_thirds"] for each in tables]),
        "relative_width": statistics.median(each["relative_width"] for each in tables),
    }


def _mean(values: list) -> float | list[float]:
    """Mean of numbers, or of lists entry by entry."""
    if isinstance(values[0], list):
        return [statistics.mean(column) for column in zip(*values, strict=True)]
    return statistics.mean(values)


def line(one: dict, seconds: float) -> str:
    """One run, for those who wait."""
    said = " ".join(f"{name} {each['correlation']:+.2f}" for name, each in one["scores"].items())
    return f"{one['table']:17s} seed {one['seed']} rmse {one['rmse']:.3f} {said} {seconds:.0f} s"


def text(report: dict) -> str:
    """The summary as text."""
    lines = [
        f"{'score':32s} {'Spearman':>9s} {'ratio':>6s} {'coverage':>9s}  thirds             width"
    ]
    for name, each in report["summary"].items():
        parts = " ".join(f"{value:.3f}" for value in each["coverage_thirds"])
        lines.append(
            f"{NAMES[name]:32s} {each['correlation']:9.2f} {each['ratio']:6.2f} "
            f"{each['coverage']:9.3f}  {parts}  {each['relative_width']:.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
