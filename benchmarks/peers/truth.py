"""The answers held against float64: one sample, one output, one backward pass at a time."""

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.append(str(Path(__file__).parents[2] / "tests"))
import kinsight as ks
import oracle
from peers.jobs import Job

FEW = {"gram": 32, "cross": 32, "trace": 12, "matrix": 12}  # samples held against float64
NEIGHBOURS = 10


def errors(job: Job, made: dict[str, Any], result: np.ndarray) -> dict[str, float]:
    """Median and largest error of what a package computed; recall where it made features."""
    if job.kind == "features":
        return _of_features(made, torch.from_numpy(result), job)
    if job.kind not in FEW:
        return {}
    few = min(FEW[job.kind], job.count) if job.network != "transformer" else 6
    model = copy.deepcopy(made["network"]).double()
    output = ks.outputs.OwnClass() if job.output == "own" else None
    ours = oracle.jacobian(model, _double(made["x"][:few]), output)
    theirs = oracle.jacobian(model, _double(made["y"][:few]), output) if job.others else ours
    got = torch.from_numpy(result)[:few, :few]
    if job.kind == "matrix":
        want, sides = (
            oracle.matrix(ours, theirs),
            (oracle.row_norms(ours), oracle.row_norms(theirs)),
        )
        scale = sides[0][:, None, :, None] * sides[1][None, :, None, :]
    else:
        want = oracle.inner(ours, theirs)
        scale = oracle.norms(ours)[:, None] * oracle.norms(theirs)
    error = (got.double() - want).abs() / scale
    return {"median_error": float(error.median()), "largest_error": float(error.max())}


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def _of_features(made: dict[str, Any], features: Tensor, job: Job) -> dict[str, float]:
    """How many of the true ten nearest are among the ten nearest by features."""
    output = ks.outputs.OwnClass() if job.output == "own" else None
    exact = ks.TangentKernel(made["network"], output=output).similarity(made["x"])
    unit = torch.nn.functional.normalize(features.float(), dim=1)
    found = unit @ unit.T
    k = min(NEIGHBOURS, len(exact) - 1)
    true, ours = (m.fill_diagonal_(-2).topk(k).indices for m in (exact.clone(), found.clone()))
    shared = (true[:, :, None] == ours[:, None, :]).any(2).double().mean()
    away = ~torch.eye(len(exact), dtype=torch.bool)
    return {"recall": float(shared),
            "rms_error": float((found - exact)[away].square().mean().sqrt())}  # fmt: skip
