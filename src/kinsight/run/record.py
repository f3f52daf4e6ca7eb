"""What run.json says of a run: what came from what, and how."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kinsight.files import write_json
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.provenance.machine import processor, versions
from kinsight.run.claim import now
from kinsight.run.compute import MOST_DENOISED, Found
from kinsight.run.folder import RECORD, RunFolder, read_record
from kinsight.run.measured import facts
from kinsight.run.parts import Parts
from kinsight.run.tables import MOST_OUTPUTS
from kinsight.subject.display import Display


def computed_record(
    display: Display,
    kernel: TangentKernel,
    found: Found,
    told: list[str],
    seconds: float,
    target: str | None,
) -> dict[str, Any]:
    """The fields of run.json that are known once all pairs are compared."""
    return {
        "seconds": round(seconds, 2),
        **display.record,
        "target": target,
        "model": type(kernel.function.model).__qualname__,
        "parameters": kernel.function.selection.numel,
        "outputs": found.outputs.shape[1],
        "seed": None,
        "versions": versions(),
        "processor": processor(),
        "device": str(kernel.function.device),
        "labels": _labels_record(found),
        "set_apart": found.norms.isnan().nonzero()[:, 0].tolist(),
        "no_gradient": int(((found.ranks == 0) & ~found.norms.isnan()).sum()),
        "warnings": told,
        "left_out": _left_out(found),
        "denoising": _denoising_record(found),
        "coverage": _coverage_record(kernel),
        "metric": facts(kernel.metric),
    }


def put(out: Path, **fields: Any) -> RunFolder:
    """run.json with these fields changed; the run as it is then."""
    write_json(out / RECORD, read_record(out) | fields)
    return RunFolder(out)


def finish(run: RunFolder, told: list[str], seconds: float) -> RunFolder:
    """Call the run finished, then remove the ranges of rows that are in its tables now."""
    before = run.record["seconds"]
    spent = before if isinstance(before, (int, float)) else 0.0
    done = put(
        run.path,
        status="finished",
        finished=now(),
        seconds=round(spent + seconds, 2),
        warnings=list(dict.fromkeys([*run.record["warnings"], *told])),
    )
    Parts(run.path / "parts").clear()
    return done


def _labels_record(found: Found) -> dict[str, Any] | None:
    labels = found.labels
    if labels is None:
        return None
    kind = "real" if labels.real is not None else "classes"
    return {"kind": kind, "classes": list(labels.names), "missing": labels.missing}


def _denoising_record(found: Found) -> dict[str, Any] | None:
    done = found.denoising
    if done is None:
        return None
    return {
        "factor": float(done.factor[done.factor.isfinite()].median()),
        "noise_gain": done.noise_gain,
        "noise_level": _known(done.noise_level),
        "smoother": done.smoother,
        "assumptions": [asdict(assumption) for assumption in done.assumptions],
    }


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _left_out(found: Found) -> list[str]:
    said = []
    labels = found.labels
    if labels is None:
        said.append("suspected labels and fit: the data came without labels")
    elif found.suspects is None:
        said.append("suspected labels and fit: fewer than two classes or values occur")
    elif labels.real is not None and found.denoising is None:
        said.append(
            "self-denoising: it compares real labels with one output, of at most "
            f"{MOST_DENOISED:,} samples"
        )
    if "influence" not in found.columns:
        said.append("uncertainty: several outputs and whitened; ks.uncertainty computes it")
    if found.outputs.shape[1] > MOST_OUTPUTS:
        said.append(f"the column output: {found.outputs.shape[1]:,} numbers a sample")
    return said


def _coverage_record(kernel: TangentKernel) -> dict[str, Any]:
    coverage = kernel.coverage()
    rows = [
        {
            "name": row.name,
            "shape": list(row.shape),
            "operators": list(row.operators),
            "how": row.how,
            "reason": row.reason,
            "bytes": row.bytes,
        }
        for row in coverage
    ]
    return {"rows": rows, "frozen": list(coverage.frozen), "excluded": list(coverage.excluded)}
