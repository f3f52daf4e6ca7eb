"""What the commands print: a run in a few sentences, a diagnosis line by line."""

from pathlib import Path

from kinsight.files import storable
from kinsight.report.summary import findings
from kinsight.run import Diagnosis, RunFolder
from kinsight.run.comparison import Comparison
from kinsight.run.diagnosis import Cost


def run_text(run: RunFolder, report: Path) -> str:
    """The findings, what lies where, and how to open it."""
    lines = ["", *findings(run), ""]
    said = {
        "report.html": "the report",
        "samples.parquet": "one row a sample",
        "neighbours.parquet": "nearest samples with similarity",
        "run.json": "what was computed from what",
    }
    lines += [f"  {storable(run.path / name):44s} {what}" for name, what in said.items()]
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
            _batch(found.batch),
            _loop(found),
            *_coverage(found),
            *(f"! {text}" for text in found.warnings),
            "",
            found.coverage.table(),
            "",
            *_costs(found),
        ]
    )


def _batch(found: Comparison) -> str:
    said = "inner products of gradients taken alone and in a batch differ by"
    if found.holds:
        return f"✓ samples do not influence each other: {said} {found.distance:.0e}"
    if found.rounding:
        return _rounding(found, said)
    return (
        f"✗ samples influence each other: {said} {found.distance:.0e} of √(K_ii K_jj), expected "
        f"at most {found.tolerance:.0e}. Look for what mixes samples (statistics over the batch, "
        "even behind detach(), or padding that is not masked), or use --batch-size 1"
    )


def _loop(found: Diagnosis) -> str:
    loop = found.loop
    if loop is None:
        return f"– not compared with autograd’s own loop: {found.outputs:,} outputs take too long"
    said = "gradients and those of autograd, one sample at a time, differ by"
    if loop.holds:
        return f"✓ {said} {loop.distance:.0e} of √(K_ii K_jj)"
    if loop.rounding:
        return _rounding(loop, said)
    return (
        f"✗ {said} {loop.distance:.0e} of √(K_ii K_jj), expected at most {loop.tolerance:.0e}. "
        "Choose --parameters without those in doubt; if the network’s own backward functions "
        "are right, report this with the table below as an error of kinsight"
    )


def _rounding(found: Comparison, said: str) -> str:
    mark, advice = ("!", "gives more digits") if found.sound else ("✗", "is needed")
    return (
        f"{mark} {said} {found.distance:.0e} of √(K_ii K_jj), in float64 by {found.precise:.0e}: "
        f"rounding, in sums that cancel or at the kink of a ReLU. --dtype float64 {advice}"
    )


def _coverage(found: Diagnosis) -> list[str]:
    coverage = found.coverage
    lines = []
    if coverage.fallback:
        lines.append(
            f"! {_parameters(coverage.fallback)} read by the fallback, one sample at a time: as "
            "exact, slower (see the table)"
        )
    else:
        lines.append("✓ every parameter that reaches the output is read by a rule")
    if coverage.unused:
        idle = sum(row.numel for row in coverage if row.how == "unused")
        lines.append(
            f"! {_parameters(coverage.unused)} unused, {idle:,} numbers on which this output does "
            f"not depend: {_some(coverage.unused)}. If it should, look for detach() or no_grad() "
            "in the network"
        )
    if coverage.frozen:
        lines.append(
            f"! {_parameters(coverage.frozen)} left out as frozen: {_some(coverage.frozen)}; "
            "name them with --parameters to have them in"
        )
    return lines


def _parameters(names: tuple[str, ...]) -> str:
    return "1 parameter is" if len(names) == 1 else f"{len(names):,} parameters are"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _costs(found: Diagnosis) -> list[str]:
    products = found.coverage.seconds / 256 * found.samples * (found.samples + 1) / 2
    lines = [f"analyze will take about {_cost_text(found.cost)}"]
    lines.append(f"of that, all inner products: {_duration(products)}, by counting operations")
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
