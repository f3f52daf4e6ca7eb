"""Which windows are alike? To the tangent kernel, to other networks' layers, and to the pixels.

Averaging E_k[ỹ] is right for a window as far as its neighbours have the same true displacement:
that is what the label is. So each similarity is judged by the correlation of a window's true
displacement with the mean of its neighbours'. Beside it: whether neighbours are as large as it is
and in the same scene, which says what else a similarity goes by.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from map_alignment_cells import Sizes
from map_alignment_neighbours_picture import chosen, picture
from map_alignment_rounds import plain, turned, turns
from map_alignment_windows import (
    SIDE,
    Averaged,
    Windows,
    digits,
    kernel_of,
    seed_of,
    taken,
    taught,
    trained,
)
from torch import Tensor

from kinsight import baselines

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
NEIGHBOURS = 5
TANGENT, TURNED = "tangent kernel", "tangent kernel, up to a rotation"
OTHER = "layers of a ResNet-20 for CIFAR-10"
OWN, PIXELS = "own layers", "pixels and map"
PICTURE = "map_alignment_neighbours.png"
SHOWN = (TANGENT, OWN, OTHER, PIXELS)


def measured(
    name: str, sizes: Sizes, folder: Path, count: int | None = None, side: int = SIDE,
    device: str = "cpu", images: Path | None = None, number: int = 0,
) -> dict:  # fmt: skip
    """Every similarity judged on the training windows of a round's network.

    Args:
        images: where the picture of the neighbours goes, for the first cell.
        number: of the round.
    """
    windows = taken(taught(name, sizes), seed_of(name), count, side=side)
    model = trained(folder, name, number, device)
    found, retrieved = {}, {}
    for kind, similarity, turn in similarities(model, windows, device):
        best = nearest(similarity)
        retrieved[kind] = best
        found[kind] = judged(windows, best, turn)
    found["by chance"] = judged(windows, by_chance(len(windows)), None)
    if images is not None and name == "main 0":
        drawn = {kind: best for kind, best in retrieved.items() if kind in SHOWN}
        picture(windows, drawn, chosen(windows, retrieved[TANGENT])).savefig(
            images / PICTURE, dpi=100, metadata={"Software": None}
        )
    return {"windows": len(windows), "neighbours": NEIGHBOURS, "kinds": found}


def similarities(
    model: Averaged, windows: Windows, device: str
) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Name, similarities (N, N), and the rotations (N, N, 2, 2) between the answers, if any."""
    matrices = kernel_of(model, device).matrix(windows.data)
    yield TANGENT, plain(matrices), None
    yield TURNED, turned(matrices), turns(matrices)
    layers = [f"network.{part}" for part in ("bottom", "middle", "top")]
    yield OWN, baselines.Perceptual(model, layers, batch_size=16).similarity(windows.data), None
    other = pretrained()
    if other is not None:
        layers, seen = ["layer1", "layer2", "layer3"], standardised(windows.data[0])
        yield OTHER, baselines.Perceptual(other, layers, batch_size=16).similarity(seen), None
    both = torch.cat(windows.data[:2], 1)
    yield PIXELS, baselines.Inputs().similarity(both), None


def pretrained() -> torch.nn.Module | None:
    """A ResNet-20 taught on CIFAR-10, where KINSIGHT_DATA has one."""
    folder = Path(os.environ.get("KINSIGHT_DATA", ""))
    if not (folder / "pretrained").is_dir():
        return None
    from resnet20_cifar10 import resnet20

    return resnet20(folder)


def standardised(images: Tensor) -> Tensor:
    """Images as that network was taught to see them: (N, 3, S, S)."""
    from resnet20_cifar10 import DEVIATION, MEAN

    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, DEVIATION))
    return (images - mean) / deviation


def nearest(similarity: Tensor, k: int = NEIGHBOURS) -> Tensor:
    """The k most similar others of every window: (N, k)."""
    source = baselines.SimilaritySource(similarity.float())
    return source.nearest(k=min(k, len(similarity) - 1)).indices


def by_chance(count: int, k: int = NEIGHBOURS) -> Tensor:
    """Others at random for every window: (N, k)."""
    numbers = torch.rand(count, count, generator=torch.Generator().manual_seed(0))
    return nearest(((numbers + numbers.T) / 2).fill_diagonal_(1.0), k)


def judged(windows: Windows, best: Tensor, turn: Tensor | None) -> dict:
    """How alike the retrieved windows (N, k) are to each window, in what can be named."""
    own, theirs = windows.true, windows.true[best]  # (N, 2), (N, k, 2)
    area = windows.data[2].sum((1, 2)).clamp_min(1).double().log()
    result = {
        "displacement": correlated(own, theirs.mean(1)),
        "size": correlated(area[:, None], area[best].mean(1, keepdim=True)),
        "scene": digits(float((windows.scene[best] == windows.scene[:, None]).float().mean())),
    }
    if turn is not None:
        rows = torch.arange(len(best))[:, None]
        there = (turn[rows, best].double() @ theirs[..., None])[..., 0]
        result["displacement_turned"] = correlated(own, there.mean(1))
    return result


def correlated(own: Tensor, theirs: Tensor) -> float | None:
    """Σ a·b / √(Σ a·a Σ b·b) of what is left without its mean, both (N, D), over finite rows."""
    fit = own.isfinite().all(1) & theirs.isfinite().all(1)
    a, b = (values[fit] - values[fit].mean(0) for values in (own, theirs))
    return digits(float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-30)))
