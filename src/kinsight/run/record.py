"""run.json: begun when a run begins, completed when it ends; says what came from what."""

import platform
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kinsight.analysis.tallies import THRESHOLDS
from kinsight.errors import RunFolderError
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.run.compute import MOST_DENOISED, Found
from kinsight.run.files import write_json
from kinsight.run.folder import RECORD, SCHEMA, RunFolder, read_record
from kinsight.run.identity import Digest, described, model_digest
from kinsight.run.labels import Labels
from kinsight.run.parts import Parts
from kinsight.run.subject import Subject
from kinsight.run.tables import MOST_OUTPUTS

_OURS = ("samples.parquet", "neighbours.parquet", "report.html", RECORD)
_OUR_FOLDERS = ("parts", "media", "figures")


def identity_of(
    subject: Subject, kernel: TangentKernel, data: str, labels: Labels | None, neighbours: int
) -> dict[str, Any]:
    """All that the numbers depend on; two runs with the same identity give the same."""
    shown = Digest()
    given = (subject.names, subject.texts, subject.planted, subject.columns)
    for value in (labels.shown() if labels else None, labels and labels.names, *given):
        shown.add(value if value is None else str(value))
    return {
        "model": model_digest(kernel.function.model),
        "data": data,
        "labels": shown.hex(),
        "output": described(subject.output),
        "forward": described(subject.forward) if subject.forward else "the usual one",
        "parameters": list(kernel.function.selection.chosen),
        "normalization": subject.normalization,
        "metric": kernel.metric,
        "dtype": str(kernel.function.dtype).removeprefix("torch."),
        "neighbours": neighbours,
        "thresholds": list(THRESHOLDS),
    }


def begin(out: Path, identity: dict[str, Any], count: int, fresh: bool) -> RunFolder:
    """The folder of this run: a new one, one to go on with, or a finished one.

    Raises:
        RunFolderError: the folder holds other files, or a run of something else.
    """
    if (out / RECORD).is_file():
        if fresh:
            _cleared(out)
        else:
            _refuse_other(out, identity)
            return RunFolder(out)
    elif out.is_dir() and any(p.name not in _OUR_FOLDERS for p in out.iterdir()):
        raise RunFolderError(
            f"{out} holds files that are not of a run; choose an empty or a new folder"
        )
    elif out.exists() and not out.is_dir():
        raise RunFolderError(f"{out}: expected a folder, found a file; choose another name")
    record = {
        "schema": SCHEMA,
        "status": "running",
        "samples": count,
        "identity": identity,
        "tables": {},
        "begun": _now(),
    }
    write_json(out / RECORD, record)
    return RunFolder(out)


def finish(
    out: Path,
    subject: Subject,
    kernel: TangentKernel,
    found: Found,
    tables: dict[str, Any],
    told: list[str],
    seconds: float,
    target: str | None,
) -> None:
    """Complete run.json, then remove the finished ranges that are in the tables now."""
    record = read_record(out)
    record |= {
        "status": "finished",
        "finished": _now(),
        "seconds": round(seconds, 2),
        "title": subject.title,
        "target": target,
        "model": type(kernel.function.model).__qualname__,
        "parameters": kernel.function.selection.numel,
        "outputs": found.outputs.shape[1],
        "seed": None,
        "versions": _versions(),
        "processor": platform.processor() or platform.machine(),
        "device": str(kernel.function.device),
        "tables": tables,
        "labels": _labels_record(found),
        "planted": len(subject.planted or {}),
        "set_apart": found.norms.isnan().nonzero()[:, 0].tolist(),
        "no_gradient": int((found.ranks == 0).sum()),
        "warnings": told,
        "left_out": _left_out(found),
        "denoising": _denoising_record(found),
        "coverage": _coverage_record(kernel),
    }
    write_json(out / RECORD, record)
    Parts(out / "parts").clear()


def _refuse_other(out: Path, identity: dict[str, Any]) -> None:
    known = read_record(out)["identity"]
    other = sorted(name for name in identity if known.get(name) != identity[name])
    if other:
        raise RunFolderError(
            f"{out} holds a run of something else: another {', '.join(other)}. Choose another "
            "folder, or throw that run away with --fresh"
        )


def _cleared(out: Path) -> None:
    for name in _OURS:
        (out / name).unlink(missing_ok=True)
    for name in _OUR_FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)


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
        "noise_level": done.noise_level,
        "smoother": done.smoother,
        "assumptions": [asdict(assumption) for assumption in done.assumptions],
    }


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
        said.append("uncertainty: one output or normalization='trace'")
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


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("kinsight", "torch", "numpy", "pyarrow")}
    return {"python": platform.python_version(), **found}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
