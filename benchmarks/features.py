"""What analyses cost on features: 100,000 samples of 1,024 dimensions, moments and pairs.

    python benchmarks/features.py [--samples 100000] [--dimensions 1024]

The features are made up (ten bundles and noise). Each job says how near it is to what bounds it:
its multiplications at the machine's measured matrix rate. See benchmarks/results/features.json.
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

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--samples", type=int, default=100_000)
    options.add_argument("--dimensions", type=int, default=1024)
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
    rows = []
    print(f"matrix rate {rate / 1e9:.0f} GFLOP/s in float32")
    for name, operations, job in jobs:
        with PeakMemory() as peak:
            took = seconds(job)
        held = (resident() - before) / 2**30
        rows.append({
            "job": name, "seconds": took, "times_bound": took / (operations / rate),
            "memory_gib": max(held, peak.above / 2**30 + held),
        })  # fmt: skip
        print(f"{name:26s} {took:8.1f} s  {rows[-1]['times_bound']:6.1f} x bound  "
              f"{rows[-1]['memory_gib']:5.1f} GiB")  # fmt: skip
    report = {"environment": environment(), "samples": n, "dimensions": s,
              "matrix_rate_gflops": rate / 1e9, "jobs": rows}  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "features.json").write_text(json.dumps(report, indent=1) + "\n")


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
