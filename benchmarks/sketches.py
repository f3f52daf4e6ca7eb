"""How far sketches may be trusted and what they cost: errors, neighbours, densities, passes.

    python benchmarks/sketches.py --data FOLDER --cache FOLDER [--only PART]
        [--images 10000] [--queries 2500] [--timed 5000] [--repeat 3]

Parts: accuracy (ResNet-20 on CIFAR-10 against the exact kernel), wide (a perceptron with ten
outputs), bits (what changes the stored numbers), cost (passes and memory). Exact similarities and
stores are kept in the cache folder; empty it after a change of the library. Writes
benchmarks/results/sketches.json, docs/sketch-accuracy.md and docs/images/sketches.png; with
--only, that part anew.
"""

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from passes import environment, side_by_side
from resnet20_cifar10 import cifar10_pixels, normalised, resnet20
from sketches_compared import (
    CANDIDATES,
    K,
    counts,
    differing,
    errors,
    found_again,
    judged,
    like_share,
    recall,
    spread,
)
from sketches_page import write_page

RESULTS = Path(__file__).parent / "results" / "sketches.json"
SIZES = (256, 512, 1024, 2048, 4096)
WIDE_SIZES = (512, 2048)
CHUNK = 2500  # images whose features are held at a time
DIM = 2048  # the default, which is timed
ASKED = 100  # queries that go through re-ranking by the exact kernel


def main() -> None:
    """Measure, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--cache", type=Path, required=True)
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--queries", type=int, default=2500, help="images with exact neighbours")
    options.add_argument("--timed", type=int, default=5000, help="images that are timed")
    options.add_argument("--repeat", type=int, default=3, help="alternations of pass and sketch")
    options.add_argument("--only", choices=("accuracy", "wide", "bits", "cost"))
    asked = options.parse_args()
    report = json.loads(RESULTS.read_text()) if asked.only and RESULTS.exists() else {}
    model, pixels = resnet20(asked.data), cifar10_pixels(asked.data)
    parts = {
        "accuracy": lambda: accuracy(
            model, normalised(pixels[: asked.images]), asked.queries, asked.cache
        ),
        "wide": lambda: wide(asked.data, asked.repeat),
        "bits": lambda: bits(model, normalised(pixels[:256])),
        "cost": lambda: cost(model, normalised(pixels[: asked.timed]), asked.repeat),
    }
    for name, part in parts.items():
        if asked.only in (None, name):
            report[name] = part()
            print(json.dumps({name: report[name]}, indent=1))
    report["environment"] = environment()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    write_page(report)


def own_class(model: nn.Module) -> ks.TangentKernel:
    """The kernel of one number a sample: its own class against the rest."""
    return ks.TangentKernel(model, output=ks.outputs.OwnClass())


def accuracy(model: nn.Module, images: Tensor, queries: int, cache: Path) -> dict:
    """Sketches of several sizes, the last hidden layer and the logits against the exact kernel."""
    cache.mkdir(parents=True, exist_ok=True)
    exact = exact_similarities(own_class(model), images, min(queries, len(images)), cache)
    truth = exact.clone().fill_diagonal_(-torch.inf).topk(K).indices
    report = {"images": len(images), "truth": spread(exact), "sketches": [], "baselines": []}
    for dim in SIZES:
        out = cache / f"store-{len(images)}-{dim}"
        store = ks.sketch(own_class(model), images, out, dim=dim, progress=False)
        report["sketches"].append(judged(store, exact, truth))
        if dim == DIM:
            report["through_rerank"] = asked_exactly(store, model, images, truth)
    for name, features in activations(model, images).items():
        source = ks.FeatureSource(features)
        report["baselines"].append(
            {"name": name, "numbers": features.shape[1], "bytes": 4 * features.shape[1]}
            | found_again(source, truth)
            | counts(source, exact, like_share(source, exact))
        )
    return report


def exact_similarities(
    kernel: ks.TangentKernel, images: Tensor, queries: int, cache: Path
) -> Tensor:
    """k of the first ``queries`` images with all, (Q, N), each pair computed once or cached."""
    result = torch.empty(queries, len(images))
    for i in range(0, queries, CHUNK):
        for j in range(i, len(images), CHUNK):
            ours, theirs = images[i : i + CHUNK], images[j : j + CHUNK]
            path = cache / f"exact-{i}-{j}-{len(ours)}-{len(theirs)}.npy"
            if not path.exists():
                np.save(path, kernel.similarity(ours, None if i == j else theirs).numpy())
            value = torch.from_numpy(np.load(path))
            result[i : i + CHUNK, j : j + CHUNK] = value[: queries - i]
            result[j : j + CHUNK, i : i + CHUNK] = value.T[: max(0, queries - j)]
    return result


def asked_exactly(store: ks.Store, model: nn.Module, images: Tensor, truth: Tensor) -> dict:
    """Recall of the first images through ``rerank=``, and what it should be."""
    exact = own_class(model).on(images)
    found = store.nearest(range(ASKED), K, rerank=exact, candidates=CANDIDATES).indices
    candidates = store.nearest(range(ASKED), CANDIDATES).indices
    return {
        "dim": DIM,
        "queries": ASKED,
        "recall": recall(found, truth[:ASKED]),
        "among_candidates": recall(candidates, truth[:ASKED]),
    }


def activations(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What people compare today: the last hidden layer and the logits, (N, 64) and (N, 10)."""
    seen: list[Tensor] = []
    hook = model.get_submodule("linear").register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(100)])
    hook.remove()
    return {"last hidden layer": torch.cat(seen), "logits": logits}


def wide(folder: Path, repeat: int) -> dict:
    """All ten logits of a wide perceptron, whitened: sketches from the factors, by FFT."""
    images = mnist(folder, "t10k")[0][:1000]
    model = perceptron(*mnist(folder, "train"))
    exact = ks.TangentKernel(model).similarity(images)
    report = {"images": len(images), "rows": []}
    with tempfile.TemporaryDirectory() as place:
        for dim in WIDE_SIZES:
            store = ks.sketch(
                ks.TangentKernel(model), images, f"{place}/{dim}", dim=dim, progress=False
            )
            value = store.similarity(range(len(images)), range(len(images)))
            report["rows"].append(errors(value, exact, dim) | sketching(model, images, dim, repeat))
    return report


def mnist(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images (N, 784) in [0, 1] and their labels."""

    def read(kind: str, header: int) -> Tensor:
        packed = (folder / "mnist" / f"{part}-{kind}-ubyte.gz").read_bytes()
        return torch.from_numpy(np.frombuffer(gzip.decompress(packed), np.uint8)[header:].copy())

    pixels, labels = read("images-idx3", 16), read("labels-idx1", 8)
    return pixels.view(-1, 784).float() / 255, labels.long()


def perceptron(images: Tensor, labels: Tensor) -> nn.Module:
    """784-512-256-10 with ReLU, one epoch of Adam (rate 1e-3, batches of 128)."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)
    )
    adam = torch.optim.Adam(model.parameters())
    for rows in torch.randperm(len(images)).split(128):
        adam.zero_grad()
        nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
        adam.step()
    return model.eval()


def bits(model: nn.Module, images: Tensor) -> dict:
    """How much the stored numbers differ with threads and micro-batches: S = 2048."""
    with tempfile.TemporaryDirectory() as place:

        def made(name: str, threads: int, micro_batch: int) -> ks.Store:
            return ks.sketch(
                own_class(model), images, f"{place}/{name}", engine=ks.engines.Local(threads),
                micro_batch=micro_batch, progress=False,
            )  # fmt: skip

        one = made("one", 1, 64)
        return {
            "images": len(images),
            "again": differing(one, made("again", 1, 64)),
            "threads": differing(one, made("two", 2, 64)),
            "half": differing(one, made("half", 1, 32)),
            "odd": differing(one, made("odd", 1, 5)),
        }


def cost(model: nn.Module, images: Tensor, repeat: int) -> dict:
    """Passes and memory of all that ``ks.sketch`` does, S = 2048, a new kernel each time."""
    timed = sketching(model, images, DIM, repeat, output=ks.outputs.OwnClass())
    return {"images": len(images), "dim": DIM} | timed


def sketching(model: nn.Module, images: Tensor, dim: int, repeat: int, output: Any = None) -> dict:
    """A pass and a sketch of the same images, alternating; the least of each counts."""
    with tempfile.TemporaryDirectory() as place:

        def job() -> None:
            kernel = ks.TangentKernel(model, output=output)
            ks.sketch(kernel, images, place + "/store", dim=dim, fresh=True, progress=False)

        return side_by_side(model, images, job, repeat)


if __name__ == "__main__":
    main()
