"""What analyses cost on features: 100,000 samples of 1,024 dimensions, moments and pairs.

    python benchmarks/features.py [--samples 100000] [--dimensions 1024] [--only NAME]

The features are made up (ten bundles and noise). Each job says how near it is to what bounds it:
its multiplications at the machine's measured matrix rate. Writes benchmarks/results/features.json
and docs/features.md; with --only, that row anew.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
from passes import PeakMemory, environment, resident, seconds

RESULTS = Path(__file__).parent / "results" / "features.json"
PAGE = Path(__file__).parents[1] / "docs" / "features.md"

INTRODUCTION = """\
# What analyses cost on features

Written by `python benchmarks/features.py`: {n:,} made-up samples of {s:,} dimensions, float32, \
on {processor}, {threads} threads, PyTorch {torch}. *Bound*: the time that the multiplications of \
a job take at the rate measured in its run; the last was {rate:.0f} GFLOP/s. Jobs without pairs \
are bound by memory instead. *Memory*: the most held, the features included.

| job | seconds | over the bound | memory |
|---|---|---|---|
"""


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--samples", type=int, default=100_000)
    options.add_argument("--dimensions", type=int, default=1024)
    options.add_argument("--only", default="", help="measure the jobs with this name again")
    asked = options.parse_args()
    n, s = asked.samples, asked.dimensions
    before = resident()
    source, labels = made_up(n, s)
    rate = matrix_rate(s)
    pairs = 2.0 * n * n * s
    jobs: list[tuple[str, float, Callable]] = [
        ("density, soft", 4.0 * n * s, lambda: ks.density(source)),
        ("density, square", 4.0 * n * s * s, lambda: ks.density(source, "square")),
        ("label averages", 4.0 * n * s * 10, lambda: source.weighted(torch.eye(10)[labels])),
        ("density, power 4", pairs, lambda: ks.density(source, "power", sample=n)),
        ("fit", pairs, lambda: ks.fit(source, labels)),
        ("suspects", pairs + 6.0 * n * s * s, lambda: ks.suspects(source, labels)),
    ]
    print(f"matrix rate {rate / 1e9:.0f} GFLOP/s in float32")
    rows = {row["job"]: row for row in known(n, s)} if asked.only else {}
    for name, operations, job in jobs:
        if asked.only in name:
            rows[name] = measured(name, operations / rate, job, before)
            print(line(rows[name]), end="")
    report = {"environment": environment(), "samples": n, "dimensions": s,
              "matrix_rate_gflops": rate / 1e9, "jobs": list(rows.values())}  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    head = INTRODUCTION.format(n=n, s=s, rate=rate / 1e9, **report["environment"])
    PAGE.write_text(head + "".join(map(line, rows.values())))


def measured(name: str, bound: float, job: Callable, before: int) -> dict:
    """Seconds, over ``bound`` seconds, and memory above ``before`` bytes."""
    with PeakMemory() as peak:
        base = resident()
        took = seconds(job)
    held = (base - before + peak.above) / 2**30
    return {"job": name, "seconds": took, "times_bound": took / bound, "memory_gib": held}


def known(n: int, s: int) -> list[dict]:
    """The rows of an earlier run with the same sizes."""
    if not RESULTS.exists():
        return []
    report = json.loads(RESULTS.read_text())
    return report["jobs"] if (report["samples"], report["dimensions"]) == (n, s) else []


def line(row: dict) -> str:
    """A measured row of the page."""
    return (
        f"| {row['job']} | {row['seconds']:.1f} | {row['times_bound']:.1f} | "
        f"{row['memory_gib']:.1f} GiB |\n"
    )


def made_up(n: int, s: int) -> tuple[ks.FeatureSource, torch.Tensor]:
    """Ten bundles with a label each, one in twenty labels wrong."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (n,), generator=generator)
    features = torch.randn(n, s, generator=generator)
    features += 1.5 * torch.randn(10, s, generator=generator)[labels]
    wrong = torch.rand(n, generator=generator) < 0.05
    labels[wrong] = torch.randint(10, (int(wrong.sum()),), generator=generator)
    return ks.FeatureSource(features), labels


def matrix_rate(s: int) -> float:
    """Operations a second of a large float32 product, the best of five."""
    a, b = torch.randn(4096, s), torch.randn(s, 4096)
    return 2.0 * 4096 * 4096 * s / min(seconds(lambda: a @ b) for _ in range(5))


if __name__ == "__main__":
    main()
