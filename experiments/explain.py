"""Does the heat-map of a similarity show what the similarity rests on? Hide it and see.

    python experiments/explain.py --data FOLDER [--pairs 200] [--threads 1]

ResNet-20, CIFAR-10 test images, each with its nearest neighbour of the same class. Writes
experiments/results/explain.json, docs/images/explain_*.png and docs/experiments/explain.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import kinsight as ks

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from explain_page import occlusion_figure, page, pairs_figure
from pages import environment, write
from resnet20_cifar10 import ResNet20, cifar10_labels, cifar10_pixels, normalised, resnet20

SIDE, SHARE = 32, 0.1
TOGETHER = 10  # pairs whose hidden images go through the network at once
LAYERS = {
    "all layers": None,
    "conv1 + layer1": ["conv1.*", "layer1.*"],
    "layer2": ["layer2.*"],
    "layer3": ["layer3.*"],
}
SHIFTS = (1, 2, 4)


def parsed() -> argparse.Namespace:
    """What was asked for."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--pool", type=int, default=600, help="test images to find pairs among")
    options.add_argument("--pairs", type=int, default=200)
    options.add_argument("--draws", type=int, default=3, help="random masks of each kind")
    options.add_argument("--shifted", type=int, default=40, help="pairs of the shifting study")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    return options.parse_args()


def main() -> None:
    """Pairs, explanations, hiding, shifting, pages."""
    asked = parsed()
    torch.set_num_threads(asked.threads)
    began = time.perf_counter()
    model = resnet20(asked.data)
    pixels = cifar10_pixels(asked.data)[: asked.pool]
    x, labels = normalised(pixels), torch.from_numpy(cifar10_labels(asked.data)[: asked.pool])
    kernel = ks.TangentKernel(model, output=ks.outputs.OwnClass())
    first, second = nearest_of_the_class(kernel, x, labels, asked.pairs)
    generator = torch.Generator().manual_seed(asked.seed)
    rows, moved, shown, waiting = [], [], [], []
    for number, (i, j) in enumerate(zip(first, second, strict=True)):
        sample, other = (x[i : i + 1], labels[i : i + 1]), (x[j : j + 1], labels[j : j + 1])
        explained = kernel.explain(sample, other)
        masks = all_masks(explained, model, *sample, asked.draws, generator)
        waiting.append((sample, other, explained, masks))
        if len(waiting) == TOGETHER or number == len(first) - 1:
            rows += falls(kernel, waiting)
            waiting = []
        if number < asked.shifted:
            moved.append(shifting(kernel, sample, other, explained))
        if number in (0, 50, 100, 150):
            heats = [explained.heat("x").values, explained.heat("y").values]
            shown.append((pixels[[i, j]], heats, explained.similarity))
        if number % 40 == 0:
            print(f"pair {number} {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    report = {"environment": environment(asked, time.perf_counter() - began)}
    report["environment"]["core_minutes"] = round(time.process_time() / 60, 1)
    report |= gathered(rows, moved)
    pairs_figure(shown)
    occlusion_figure(report)
    write("explain", report, page(report))
    print(page(report))


def gathered(rows: list[dict], moved: list[dict]) -> dict:
    """Means over pairs of all that was measured."""
    return {
        "similarity": mean_of([row["similarity"] for row in rows]),
        "placed": {key: mean_of([row["placed"][key] for row in rows]) for key in LAYERS},
        "hidden": summary(rows),
        "against": differences(rows),
        "shift": {
            f"{layers}, {pixels}": {
                kind: mean_of([each[layers, pixels][kind] for each in moved])
                for kind in ("moved along", "stayed")
            }
            for layers in LAYERS
            for pixels in SHIFTS
        },
    }


def nearest_of_the_class(
    kernel: ks.TangentKernel, x: Tensor, labels: Tensor, count: int
) -> tuple[list[int], list[int]]:
    """``count`` images spread over the pool, and for each the most similar one of its class."""
    similarity = kernel.similarity((x, labels))
    similarity = similarity.masked_fill(labels[:, None] != labels, -2).fill_diagonal_(-2)
    chosen = [i * len(x) // count for i in range(count)]
    return chosen, similarity[chosen].argmax(1).tolist()


def top(values: Tensor) -> Tensor:
    """The tenth of the pixels with the largest values: (H, W) bool."""
    flat = torch.zeros(values.numel(), dtype=torch.bool)
    flat[values.flatten().topk(round(SHARE * values.numel())).indices] = True
    return flat.view_as(values)


def all_masks(
    explained: ks.Explanation,
    model: ResNet20,
    image: Tensor,
    label: Tensor,
    draws: int,
    generator: torch.Generator,
) -> dict[str, list[Tensor]]:
    """The tenths to hide: of the heat-maps, of Grad-CAM, and of controls."""
    masks = {name: [top(explained.heat(layers=some).values)] for name, some in LAYERS.items()}
    whole = explained.heat().values
    masks["smoothed"] = [top(F.avg_pool2d(whole[None], 5, 1, 2)[0])]
    masks["lowest"] = [top(-whole)]
    masks["Grad-CAM"] = [top(grad_cam(model, image, label))]
    for name in ("all layers", "smoothed", "Grad-CAM"):
        masks[f"{name} elsewhere"] = [
            masks[name][0].roll(torch.randint(0, SIDE, (2,), generator=generator).tolist(), (0, 1))
            for _ in range(draws)
        ]
    masks["random pixels"] = [
        top(torch.rand(SIDE, SIDE, generator=generator)) for _ in range(draws)
    ]
    line = torch.arange(SIDE) - (SIDE - 1) / 2
    masks["centre"] = [top(-(line[:, None] ** 2 + line**2))]
    return masks


def grad_cam(model: ResNet20, image: Tensor, label: Tensor) -> Tensor:
    """Selvaraju et al. 2017 at the last residual block, before its ReLU (ranks stay): (H, W)."""
    seen = []
    hook = model.layer3.register_forward_hook(lambda _, __, out: seen.append(out))
    logit = model(image)[0, int(label)]
    hook.remove()
    (gradient,) = torch.autograd.grad(logit, seen[0])
    weighted = (gradient.mean((2, 3), keepdim=True) * seen[0]).sum(1, keepdim=True)
    return F.interpolate(weighted, (SIDE, SIDE), mode="bilinear")[0, 0].detach()


def mean_colour(image: Tensor) -> Tensor:
    """The image's mean colour everywhere: (1, 3, H, W)."""
    return image.mean((2, 3), keepdim=True).expand_as(image)


def blurred(image: Tensor) -> Tensor:
    """Averages of 9×9 pixels, twice."""
    for _ in range(2):
        image = F.avg_pool2d(F.pad(image, (4, 4, 4, 4), mode="reflect"), 9, 1)
    return image


FILLINGS: dict[str, Callable[[Tensor], Tensor]] = {"mean colour": mean_colour, "blur": blurred}


def falls(
    kernel: ks.TangentKernel, pairs: list[tuple[tuple, tuple, ks.Explanation, dict]]
) -> list[dict]:
    """How much k(x, y) falls when each mask is hidden, draws averaged; what the layers share.

    ``pairs``: sample, other, explanation and masks of each.
    """
    hidden = [variants(image, masks) for (image, _), _, _, masks in pairs]
    labels = [pair[0][1].expand(len(each)) for pair, each in zip(pairs, hidden, strict=True)]
    others = tuple(torch.cat(parts) for parts in zip(*(pair[1] for pair in pairs), strict=True))
    # Every hidden image against every y: the few products too many cost less than more calls.
    left = kernel.similarity((torch.cat(hidden), torch.cat(labels)), others)
    parts = left.split([len(each) for each in hidden])
    return [row_of(part[:, place], *pairs[place][2:]) for place, part in enumerate(parts)]


def variants(image: Tensor, masks: dict[str, list[Tensor]]) -> Tensor:
    """The image with each mask hidden under each filling: (fillings × masks, 3, H, W)."""
    flat = torch.stack([mask for several in masks.values() for mask in several])[:, None]
    return torch.cat([torch.where(flat, fill(image), image) for fill in FILLINGS.values()])


def row_of(left: Tensor, explained: ks.Explanation, masks: dict[str, list[Tensor]]) -> dict:
    """The falls of one pair from what is left of k under each filling and mask."""
    placed = {
        name: float(explained.heat(layers=some).values.sum()) for name, some in LAYERS.items()
    }
    row: dict = {"similarity": explained.similarity, "placed": placed, "fall": {}}
    for filling, values in zip(FILLINGS, left.chunk(len(FILLINGS)), strict=True):
        parts = values.split([len(several) for several in masks.values()])
        row["fall"][filling] = {
            name: explained.similarity - float(part.mean())
            for name, part in zip(masks, parts, strict=True)
        }
    return row


def shifting(
    kernel: ks.TangentKernel, sample: tuple, other: tuple, explained: ks.Explanation
) -> dict:
    """x moved down and right: is its new map the old one, moved along or where it was?"""
    image, label = sample
    result = {}
    for pixels in SHIFTS:
        moved = F.pad(image, (pixels, 0, pixels, 0), mode="replicate")[..., :SIDE, :SIDE]
        again = kernel.explain((moved, label), other)
        for name, some in LAYERS.items():
            old, new = explained.heat(layers=some).values, again.heat(layers=some).values
            new = new[pixels:, pixels:]
            result[name, pixels] = {
                "moved along": correlation(old[:-pixels, :-pixels], new),
                "stayed": correlation(old[pixels:, pixels:], new),
            }
    return result


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's, over the pixels."""
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def mean_of(values: list[float], seed: int = 0) -> dict[str, float]:
    """Mean with its 95 % bootstrap interval over pairs."""
    given = torch.tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, len(given), (10_000, len(given)), generator=generator)
    low, high = given[drawn].mean(1).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return {"mean": float(given.mean()), "low": low, "high": high}


def summary(rows: list[dict]) -> dict:
    """Mean fall by filling and mask."""
    return {
        filling: {name: mean_of([row["fall"][filling][name] for row in rows]) for name in falls}
        for filling, falls in rows[0]["fall"].items()
    }


def differences(rows: list[dict]) -> dict:
    """Fall by the map of all layers minus the fall by each other mask, pair by pair."""
    result: dict = {}
    for filling, names in rows[0]["fall"].items():
        result[filling] = {}
        for name in names:
            both = [
                (row["fall"][filling]["all layers"], row["fall"][filling][name]) for row in rows
            ]
            result[filling][name] = mean_of([ours - theirs for ours, theirs in both])
    return result


if __name__ == "__main__":
    main()
