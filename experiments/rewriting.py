"""Does it matter how a network is written? Metrics on parameters, what damping and they cost.

    python experiments/rewriting.py [--data FOLDER] [--pool 200] [--quick]

A network on scikit-learn's digits is re-written (ReLU layers rescaled, weight norm) without a
change of what it computes. With --data also ResNet-20 on CIFAR-10: neighbours and passes. Writes
experiments/results/rewriting.json, docs/experiments/rewriting.md and docs/images/rewriting.png.
"""

import argparse
import copy
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from pages import environment, write
from resnet20_cifar10 import cifar10_labels, cifar10_pixels, normalised, resnet20
from rewriting_page import figure, page

Fit = Callable[..., ks.metrics.Metric]
FITS: dict[str, Fit] = {
    "diagonal": ks.metrics.diagonal_fisher,
    "per neuron": ks.metrics.block_fisher,
    "whole": ks.metrics.full_fisher,
    "Kronecker": ks.metrics.kronecker,
}
DAMPINGS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
FACTOR, WIDTH, NEAR, BATCH = 5.0, 16, 10, 100


def main() -> None:
    """Re-writings, then the real network."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--data", type=Path, help="folder with cifar10 and pretrained")
    options.add_argument("--pool", type=int, default=200, help="images among which neighbours lie")
    options.add_argument("--repeat", type=int, default=2, help="timings of each job")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--quick", action="store_true", help="150 images, one timing")
    asked = options.parse_args()
    if asked.quick:
        asked.pool, asked.repeat = 150, 1
    torch.set_num_threads(asked.threads)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    report: dict = {"rewritten": rewritten(asked.seed), "naive": naive(asked.seed)}
    if asked.data is not None:
        report |= real(asked)
    report["environment"] = environment(asked, time.perf_counter() - began)
    figure(report["rewritten"])
    text = page(report)
    write("rewriting", report, text)
    print(text)


def digits() -> tuple[Tensor, Tensor]:
    """All digits, values from 0 to 1: (1797, 64), (1797,)."""
    found = load_digits()
    return torch.tensor(found.data / 16), torch.tensor(found.target)


def trained(x: Tensor, labels: Tensor, seed: int) -> nn.Sequential:
    """Two hidden layers of 16, trained on all digits."""
    torch.manual_seed(seed)
    layers = (nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[part]), labels[part]).backward()
            optimizer.step()
    return model.eval()


def rescaled(model: nn.Sequential) -> nn.Sequential:
    """The first layer times 5, the second divided by it: a ReLU does not mind."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight *= FACTOR
        other[0].bias *= FACTOR
        other[2].weight /= FACTOR
    return other


def weight_normed(model: nn.Sequential) -> nn.Sequential:
    """w = g v/‖v‖ in every layer, v three times as long as w: its length says nothing."""
    other = copy.deepcopy(model)
    for place in (0, 2, 4):
        nn.utils.parametrizations.weight_norm(other[place])
        with torch.no_grad():
            other[place].parametrizations.weight.original1 *= 3
    return other


def rewritten(seed: int) -> list[dict]:
    """Largest and median |Δk| among 100 digits by metric, damping and re-writing."""
    x, labels = digits()
    model = trained(x, labels, seed)
    others = {"rescaled": rescaled(model), "weight norm": weight_normed(model)}
    some = x[:: len(x) // 100][:100]
    rows = []
    for name, damping in [("Euclidean", 0.0), *((n, d) for n in FITS for d in (*DAMPINGS, "auto"))]:
        before, chosen = similarity(name, model, x, some, damping)
        row: dict = {"metric": name, "damping": damping, "chosen": chosen}
        for how, other in others.items():
            change = (similarity(name, other, x, some, damping)[0] - before).abs()
            row[how], row[f"{how}, median"] = float(change.max()), float(change.median())
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return rows


def naive(seed: int) -> dict[str, float]:
    """Largest |Δk| with F⁺ of the whole matrix where zero is decided on F itself."""
    x, labels = digits()
    model = trained(x, labels, seed)
    some = x[:: len(x) // 100][:100]
    before = pseudo_inverse(model, x, some)
    others = {"rescaled": rescaled(model), "weight norm": weight_normed(model)}
    return {n: float((pseudo_inverse(m, x, some) - before).abs().max()) for n, m in others.items()}


def pseudo_inverse(model: nn.Module, data: Tensor, x: Tensor) -> Tensor:
    """Cosines of J F⁺ J'ᵀ, written out."""
    rows = jacobian(model, data, ks.outputs.Fisher()).flatten(0, 1)
    few = jacobian(model, x, ks.outputs.OwnClass())[:, 0]
    values, vectors = torch.linalg.eigh(rows.T @ rows / len(data))
    kept = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
    seen = few @ vectors[:, kept] / values[kept].sqrt()
    return nn.functional.normalize(seen, dim=1) @ nn.functional.normalize(seen, dim=1).T


def jacobian(model: nn.Module, x: Tensor, output: Callable) -> Tensor:
    """J by torch.func: (N, D, P)."""
    weights = dict(model.named_parameters())

    def one(weights: dict[str, Tensor], sample: Tensor) -> Tensor:
        scores = torch.func.functional_call(model, weights, (sample[None],))
        return output(scores, None).reshape(-1)

    every = torch.func.vmap(torch.func.jacrev(one), (None, 0), chunk_size=BATCH)(weights, x)
    return torch.cat([part.detach().flatten(2) for part in every.values()], 2)


def similarity(
    name: str, model: nn.Module, data: Tensor, x: Tensor, damping: float | str
) -> tuple[Tensor, float]:
    """k among ``x``, own class against the rest, and the damping."""
    output = ks.outputs.OwnClass()
    kernel = ks.TangentKernel(model, output=output)
    metric = FITS[name](kernel, data, damping=damping) if name in FITS else None
    found = ks.TangentKernel(model, output=output, metric=metric).similarity(x)
    return found, metric.damping if metric is not None else 0.0


def real(asked: argparse.Namespace) -> dict:
    """ResNet-20: what each metric costs, and whom it calls near."""
    model = resnet20(asked.data)
    x = normalised(cifar10_pixels(asked.data)[: asked.pool])
    labels = torch.from_numpy(cifar10_labels(asked.data)[: asked.pool])
    plain = ks.TangentKernel(model, output=ks.outputs.OwnClass())
    kernels = {"Euclidean": plain}
    fits = {"diagonal": 0.0, "diagonal, damped": "auto", "Kronecker": "auto"}
    rows, nearest = [], plain.nearest(x, x, NEAR).indices
    for name in ("Euclidean", *fits):
        began, dampened = time.perf_counter(), 0.0
        if name in fits:
            metric = FITS[name.split(",")[0]](plain, x, damping=fits[name])
            kernels[name] = ks.TangentKernel(model, output=ks.outputs.OwnClass(), metric=metric)
            dampened = metric.damping
        fitting = time.perf_counter() - began
        found = kernels[name].nearest(x, x, NEAR).indices
        rows.append(
            {
                "metric": name,
                "damping": dampened,
                "fit seconds": fitting,
                "shared": float((found[:, :, None] == nearest[:, None]).any(2).double().mean()),
                "agreement": float((labels[found] == labels[:, None]).double().mean()),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return {"real": rows, "passes": passes(model, kernels, x, rows, asked.repeat)}


def passes(
    model: nn.Module, kernels: dict[str, ks.TangentKernel], x: Tensor, rows: list, repeat: int
) -> list[dict]:
    """Gram and density in passes over the same images, jobs alternating; least times count."""
    jobs: dict[str, Callable[[], object]] = {"pass": lambda: one_pass(model, x)}
    for name, kernel in kernels.items():
        jobs[f"{name}: Gram"] = lambda k=kernel: k.similarity(x)
        jobs[f"{name}: density"] = lambda k=kernel: k.density(x)
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeat):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - began)
    least = {name: min(values) for name, values in times.items()}
    return [
        {
            "metric": row["metric"],
            "fit": row["fit seconds"] / least["pass"],
            "Gram": least[f"{row['metric']}: Gram"] / least["pass"],
            "density": least[f"{row['metric']}: density"] / least["pass"],
        }
        for row in rows
    ]


def one_pass(model: nn.Module, x: Tensor) -> None:
    """Forward and backward over all images, as training would do it."""
    for part in x.split(BATCH):
        model.zero_grad()
        model(part).logsumexp(1).sum().backward()
    model.zero_grad()


if __name__ == "__main__":
    main()
