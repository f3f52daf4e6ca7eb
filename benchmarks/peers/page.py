"""The results: a table on the screen, JSON with the environment, a page of the documentation."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "peers.json"
PAGE = ROOT / "docs" / "benchmark.md"

_NOTHING = 1e-3  # seconds of a pass over no inputs at all: queries have none

INTRODUCTION = """\
# Beside other packages

Written by `python benchmarks/peers.py{options}` on {processor}, PyTorch {torch}, Python {python}. \
Threads, load of the machine and clock are said with each job: under a load the time on the clock \
tells little, and the processor's time of one thread more. On an idle machine run it without \
`--clock processor`, with two threads and three rounds, which are the defaults.

- Every package computes in a process and an environment of its own, from the same weights and \
inputs, in float32, on the same cores, in turns; the least time of each counts.
- Each is used as it is, with several batch sizes and modes tried. The fastest counts and is named.
- A *pass* is one forward and backward over the same inputs, as training would do it, in the same \
run. The least time of all of them is the unit.
- *Memory* is the peak of resident memory during the job, above that before it.
- *Error* is against float64, one sample and one backward pass at a time: the median and the \
largest over some products, relative to the two norms that meet in each. A package that leaves \
parameters out differs by what they weigh. Single large errors are ReLUs within rounding of zero.
- *Bound* is how many times longer ours takes than its multiplications would alone, at the rate \
of a large float32 product in the same run.

## How to repeat it

```console
$ make peers                                   # an environment for each package, some GB, once
$ python benchmarks/peers.py                   # all jobs, made-up weights and inputs
$ python benchmarks/peers.py --data FOLDER     # trained ResNet-20, images of CIFAR-10
$ python benchmarks/peers.py --jobs gram trace --only nngeometry
```

`--shrink 10` tries it all on a tenth of the samples. The numbers of one job are kept in \
`benchmarks/results/peers.json` until it is measured again.
"""


def kept() -> dict[str, dict]:
    """The jobs that were measured before."""
    return json.loads(RESULTS.read_text())["jobs"] if RESULTS.exists() else {}


def about() -> dict:
    """The environment of what was measured last."""
    return json.loads(RESULTS.read_text())["environment"]


def write(jobs: dict[str, dict], environment: dict) -> None:
    """JSON and page."""
    report = {"environment": environment, "jobs": jobs}
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    text = INTRODUCTION.format(**environment) + "".join(section(job) for job in jobs.values())
    PAGE.write_text(text + missing(jobs.values()))


def section(job: dict) -> str:
    """One job: what was hoped for, a row for each package."""
    lines = [f"\n## {job['title']}\n\nAim: {job['goal']}.{_bound(job)}{_when(job)}\n\n"]
    recall = any("recall" in row for row in job["rows"])
    last = "recall@10" if recall else "error, median", "rms error" if recall else "largest"
    lines += [f"| package | seconds | passes | memory | {last[0]} | {last[1]} | way |\n",
              "|---|---|---|---|---|---|---|\n"]  # fmt: skip
    lines += [_row(row, job["pass_seconds"]) for row in _sorted(job["rows"])]
    return "".join(lines)


def table(job: dict) -> str:
    """The same for the screen."""
    lines = [f"\n{job['title']} (aim: {job['goal']}; pass {job['pass_seconds']:.3f} s)"]
    for row in _sorted(job["rows"]):
        if row["seconds"] is None:
            lines.append(f"  {row['package']:16s} {row['refused'][:100]}")
            continue
        names = ("median_error", "largest_error", "recall", "rms_error")
        marks = [f"{name} {row[name]:.3g}" for name in names if name in row]
        lines.append(
            f"  {row['package']:16s} {row['seconds']:9.3f} s {row['passes']:9.2f} passes "
            f"{row['memory'] / 2**20:8,.0f} MiB  {', '.join(marks)}  [{row['way']}]"
        )
    return "\n".join(lines)


def missing(jobs: Iterable[dict]) -> str:
    """What is not in the tables."""
    absent = {row["package"]: row["refused"] for job in jobs for row in job["rows"]
              if "install" in row["refused"]}  # fmt: skip
    lines = [f"- `{package}`: {why}\n" for package, why in sorted(absent.items())]
    return "\n## Not installed\n\n" + "".join(lines) if lines else ""


def _sorted(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row["seconds"] is None, row["seconds"] or 0.0))


def _row(row: dict, unit: float) -> str:
    if row["seconds"] is None:
        return f"| {_named(row)} | – | – | – | – | – | {row['refused'].replace('|', '/')} |\n"
    marks = [
        row.get("recall", row.get("median_error")),
        row.get("rms_error", row.get("largest_error")),
    ]
    first = "–" if marks[0] is None else f"{marks[0]:.3f}" if "recall" in row else f"{marks[0]:.0e}"
    second = "–" if marks[1] is None else f"{marks[1]:.0e}"
    passes = f"{row['seconds'] / unit:,.1f}" if unit > _NOTHING else "–"
    return (
        f"| {_named(row)} | {row['seconds']:.3g} | {passes} | "
        f"{row['memory'] / 2**20:,.0f} MiB | {first} | {second} | {row['way']} |\n"
    )


def _named(row: dict) -> str:
    name = {"torch_func": "torch.func", "neural_tangents": "neural-tangents"}.get(
        row["package"], row["package"]
    )
    version = row.get("version")
    return f"**{name}**" if name == "kinsight" else f"{name} {version}" if version else name


def _bound(job: dict) -> str:
    if job.get("bound") is None:
        return ""
    return f" Bound: {job['bound']:.1f} times its multiplications at {job['gflops']:.0f} GFLOP/s."


def _when(job: dict) -> str:
    shrunk = f" On 1/{job['shrink']} of the samples." if job["shrink"] > 1 else ""
    threads = "1 thread" if job["threads"] == 1 else f"{job['threads']} threads"
    clock = "processor time" if job["clock"] == "processor" else "time on the clock"
    rounds = "1 round" if job["rounds"] == 1 else f"{job['rounds']} rounds"
    tried = f", at most {job['ways']} ways of each" if job["ways"] < 100 else ""
    return f"{shrunk} {threads}, {clock}, {rounds}{tried}, load {job['load']:.1f}."


def load() -> float:
    """Processes that wanted to run in the last minute."""
    return os.getloadavg()[0]
