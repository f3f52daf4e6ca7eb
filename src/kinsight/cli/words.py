"""What the commands print: a run in a few sentences, a diagnosis line by line."""

from pathlib import Path

from kinsight.report.summary import findings
from kinsight.run import Diagnosis, RunFolder
from kinsight.run.doctor import Cost


def run_text(run: RunFolder, report: Path) -> str:
    """The findings, what lies where, and how to open it."""
    lines = ["", *findings(run), ""]
    said = {
        "report.html": "the report",
        "samples.parquet": "one row a sample",
        "neighbours.parquet": "nearest samples with similarity",
        "run.json": "what was computed from what",
    }
    lines += [f"  {run.path / name!s:44s} {what}" for name, what in said.items()]
    lines += ["", f"Open {report.resolve().as_uri()}"]
    return "\n".join(lines)


def diagnosis_text(found: Diagnosis) -> str:
    """All a person needs to know before the run."""
    return "\n".join(
        [
            f"network        {found.network}, {sum(r.numel for r in found.coverage):,} parameters "
            f"in {len(found.coverage)} tensors",
            f"data           {found.samples:,} samples",
            f"labels         {found.labels}",
            f"output         {found.output}: {found.outputs:,} number"
            f"{'s' if found.outputs != 1 else ''} a sample, normalisation {found.normalization}",
            "",
            "✓ evaluation mode: nothing random, no statistics of the batch",
            "✓ samples do not influence each other: inner products of gradients taken alone and "
            f"in a batch differ by {found.batch_distance:.0e}",
            *_loop(found),
            *_coverage(found),
            *(f"! {text}" for text in found.warnings),
            "",
            found.coverage.table(),
            "",
            *_costs(found),
        ]
    )


def _loop(found: Diagnosis) -> list[str]:
    if found.loop_distance is None:
        return [f"– not compared with autograd’s own loop: {found.outputs:,} outputs take too long"]
    said = f"{found.loop_distance:.0e} of √(K_ii K_jj)"
    return [f"✓ gradients are those of autograd, one sample at a time: they differ by {said}"]


def _coverage(found: Diagnosis) -> list[str]:
    coverage = found.coverage
    lines = []
    if coverage.fallback:
        lines.append(
            f"! {len(coverage.fallback)} parameters fall back to one sample at a time: as exact, "
            "slower (see the table)"
        )
    else:
        lines.append("✓ every parameter is read by a rule")
    if coverage.unused:
        lines.append(
            f"! {len(coverage.unused)} parameters do not reach this output: "
            f"{_some(coverage.unused)}"
        )
    if coverage.frozen:
        lines.append(
            f"! {len(coverage.frozen)} frozen parameters are left out: {_some(coverage.frozen)}; "
            "name them with --parameters to have them in"
        )
    return lines


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _costs(found: Diagnosis) -> list[str]:
    lines = [f"analyze will take about {_cost_text(found.cost)}"]
    if found.cheaper is not None:
        lines.append(f"with --output own-class  {_cost_text(found.cheaper)}")
    lines.append("(extrapolated from at most 256 samples, on this machine as busy as it is now)")
    return lines


def _cost_text(cost: Cost) -> str:
    return (
        f"{_duration(cost.seconds)} and {cost.bytes / 2**30:.1f} GiB beside the network’s own "
        f"pass, {cost.sweeps} sweeps over the data"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
