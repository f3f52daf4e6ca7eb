"""Which similarity finds the sub-class that nobody told the network? Kernel against baselines.

    python experiments/agreement.py --data FOLDER [--full] [--threads 1]

ResNet-20 and test images of CIFAR-10, 2,000 or (--full) all 10,000. How far the tangent kernel
and what others would have said agree, and how often the nearest samples of a class carry the
same key word in their file names. Writes experiments/results/agreement.json,
docs/images/agreement.png and docs/experiments/agreement.md.
"""

import argparse
import lzma
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from agreement_page import figure, page, text
from pages import environment, write
from resnet20_cifar10 import CLASSES, cifar10_labels, cifar10_pixels, normalised, resnet20

import kinsight as ks
from kinsight import baselines

KERNEL = "tangent kernel"
STAGES = ["layer1", "layer2", "layer3"]
NEIGHBOURS = 10
DRAWS = 2000  # of the bootstrap


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--full", action="store_true", help="all 10,000 images")
    parser.add_argument("--count", type=int, default=2000, help="images without --full")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Every similarity in turn, against the kernel and against the key words."""
    asked = options()
    torch.set_num_threads(asked.threads)
    began = time.perf_counter()
    count = 10_000 if asked.full else asked.count
    images = normalised(cifar10_pixels(asked.data)[:count])
    labels = torch.from_numpy(cifar10_labels(asked.data)[:count])
    words = key_words(asked.data)[:count]
    model = resnet20(asked.data)
    found, kernel, first = {}, None, None
    for name, make in similarities(model).items():
        start = time.perf_counter()
        source = baselines.SimilaritySource(make(images).float())
        kernel = source if kernel is None else kernel
        shares = {c: same_word(source.gram(), labels == c, words) for c in labels.unique().tolist()}
        hits = torch.cat([each["hits"] for each in shares.values()])
        first = hits if first is None else first
        found[name] = {
            "agreement": agreement(kernel, source),
            "classes": {CLASSES[c]: judged(each) for c, each in shares.items()},
            "all": interval(hits),
            "less_than_kernel": interval(first - hits),  # of the same samples
        }
        found[name]["seconds"] = time.perf_counter() - start
        print(f"{name:28s} {found[name]['seconds']:6.0f} s", file=sys.stderr, flush=True)
    chance = torch.cat([each["chance"] for each in shares.values()])
    report = {
        "environment": environment(asked, time.perf_counter() - began),
        "images": count,
        "samples": len(chance),
        "chance": float(chance.mean()),
        "similarities": found,
    }
    report["environment"]["core_minutes"] = round(time.process_time() / 60, 1)
    print(text(report))
    figure(report)
    write("agreement", report, page(report))


def similarities(model: nn.Module) -> dict[str, Callable[[Tensor], Tensor]]:
    """The kernel first, then what others would have said: images to similarities, (N, N)."""
    made = {
        KERNEL: ks.TangentKernel(model, output=ks.outputs.OwnClass()),
        "last layer": baselines.LastLayer(model),
        "logits": baselines.Logits(model),
        "perceptual": baselines.Perceptual(model, STAGES),
        "style": baselines.Style(model, STAGES),
        "RBF of the last layer": baselines.RBF(baselines.LastLayer(model)),
        "inputs": baselines.Inputs(),
        "RBF of the inputs": baselines.RBF(),
    }
    found = {name: lambda x, each=each: each.on(x).gram() for name, each in made.items()}
    both = {"tangent kernel, all outputs": lambda x: all_outputs(model, x)}
    return {KERNEL: found[KERNEL], **both, **found}


def all_outputs(model: nn.Module, x: Tensor, count: int = 2) -> Tensor:
    """The trace-normalised kernel of so many random probes, one at a time: (N, N).

    Tr K of several outputs is the sum of theirs, and a kernel of one output is much the cheaper.
    """
    total = torch.zeros(len(x), len(x))
    for place in range(count):
        output = ks.outputs.Select((place,), of=ks.outputs.Probes(count))
        total += ks.TangentKernel(model, output=output, normalization=None).inner(x)
    scale = total.diagonal().rsqrt()
    return (scale[:, None] * total * scale).clamp(-1, 1)


def agreement(kernel: ks.Source, other: ks.Source) -> dict:
    """Means over samples of the comparison with the kernel."""
    found = ks.compare(kernel, other, k=NEIGHBOURS)
    return {
        "shared": float(found.overlap.nanmean()),
        "rank_correlation": float(found.rank_correlation.nanmean()),
        "cka": found.alignment_unbiased,
        "chance": found.chance,
    }


def key_words(folder: Path) -> list[str]:
    """The key word of every test image, in their order: tabby_cat of tabby_cat_s_000494.png."""
    names = lzma.decompress((folder / "cifar10" / "filenames.txt.xz").read_bytes()).decode()
    return [word_of(name) for name in names.split()[-10_000:]]


def word_of(name: str) -> str:
    """What stands before the number of a file name."""
    return name.rsplit("_s_", 1)[0]


def same_word(gram: Tensor, own: Tensor, words: list[str]) -> dict[str, Tensor]:
    """Of the ten nearest within a class, the share with the sample's own key word.

    For samples whose word another one of the class has; ``chance`` is the share among all others.
    """
    chosen = own.nonzero()[:, 0]
    names = [words[i] for i in chosen.tolist()]
    number = {word: i for i, word in enumerate(dict.fromkeys(names))}
    word = torch.tensor([number[each] for each in names])
    same = (word[:, None] == word).double().fill_diagonal_(0)
    chance = same.sum(1) / (len(chosen) - 1)
    near = baselines.SimilaritySource(gram[chosen][:, chosen]).nearest(k=NEIGHBOURS).indices
    hits = same.gather(1, near).mean(1)
    return {"hits": hits[chance > 0], "chance": chance[chance > 0]}


def judged(share: dict[str, Tensor]) -> dict:
    """One class: the share with its interval, chance, and of how many samples."""
    return {
        **interval(share["hits"]),
        "chance": float(share["chance"].mean()),
        "samples": len(share["hits"]),
    }


def interval(values: Tensor, seed: int = 0) -> dict:
    """The mean, and the 95 % of its bootstrap over samples."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.cat(list(draws(values, generator)))
    low, high = means.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return {"mean": float(values.mean()), "low": low, "high": high}


def draws(values: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Means of samples drawn with replacement, a hundred at a time."""
    for _ in range(DRAWS // 100):
        yield values[torch.randint(len(values), (100, len(values)), generator=generator)].mean(1)


if __name__ == "__main__":
    main()
