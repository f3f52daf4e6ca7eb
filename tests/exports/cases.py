"""Samples with everything that can go wrong in a table: for the exports to other tools."""

from pathlib import Path

import torch
from torch import nn

import kinsight as ks
from kinsight.explorer.decisions import Decisions
from kinsight.explorer.opening import open_view
from kinsight.run import Settings, Subject, analyze

COUNT, CLASSES, NEAREST = 40, ("=cat", "dog", "a\tbird"), 4
BROKEN, UNLABELLED = 3, 5  # samples with NaN in the picture, and without a label
NAMES = ["=1+1", "two\nlines", "<b>", *(f"name {i}" for i in range(3, COUNT))]


def network() -> nn.Module:
    """It answers every class about equally often."""
    torch.manual_seed(7)
    last = nn.Linear(16, len(CLASSES))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), last).eval()
    with torch.no_grad():
        last.weight *= 4
        last.bias -= model(torch.full((1, 1, 8, 8), 0.5))[0]
    return model


def pictures() -> torch.Tensor:
    values = torch.rand(COUNT, 1, 8, 8, generator=torch.Generator().manual_seed(8))
    values[BROKEN] = float("nan")
    return values


def labels() -> list[int | None]:
    with torch.no_grad():
        found: list[int | None] = [int(i) for i in network()(pictures()).argmax(1)]
    found[UNLABELLED] = None
    found[11] = (found[11] or 0) + 1 if (found[11] or 0) < 2 else 0
    return found


def subject(**more) -> Subject:
    given = {
        "model": network(), "data": pictures(), "labels": labels(), "classes": list(CLASSES),
        "output": ks.outputs.Logits(), "names": NAMES, "title": "Small pictures",
        "columns": {
            "weight": [None, *(i / 7 for i in range(1, COUNT))],
            "decision": ["mine"] * COUNT,  # a name that exports add
            "pair": [[1, 2]] * COUNT,  # neither number nor text
        },
    }  # fmt: skip
    return Subject(**given | more)


def decide(folder: Path) -> None:
    """Two decisions about the run in a folder."""
    view = open_view(str(folder))
    kept = Decisions(folder, view.facts.data, len(view))
    kept.decide(0, "drop")
    kept.decide(7, "relabel", "dog")


def made(folder: Path, **more) -> Path:
    """A finished run."""
    analyze(subject(**more), folder, settings=Settings(neighbours=NEAREST))
    return folder


def sketched(folder: Path) -> Path:
    """A store of the same samples, surveyed."""
    index = torch.tensor([-1 if label is None else label for label in labels()])
    kernel = ks.TangentKernel(network(), output=ks.outputs.Logits())
    store = ks.sketch(
        kernel, pictures(), str(folder), dim=128, ids=NAMES, labels=index, shard_rows=16,
        columns={"class": [None if i is None else CLASSES[i] for i in labels()]},
    )  # fmt: skip
    ks.survey(store, neighbours=NEAREST)
    return folder


def tabular(folder: Path) -> Path:
    """A run over rows of a table, without labels or pictures."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).eval()
    rows = torch.randn(20, 3, generator=torch.Generator().manual_seed(2))
    analyze(Subject(model, rows, features=["age", "=height", "size"]), folder)
    return folder


def waves(folder: Path) -> Path:
    """A run over waveforms of two channels."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(160, 3)).eval()
    signals = torch.randn(12, 2, 80, generator=torch.Generator().manual_seed(2))
    analyze(Subject(model, signals), folder)
    return folder


def regression(folder: Path) -> Path:
    """A run over texts with real labels and one output."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).eval()
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        targets = model(rows)[:, 0].double()
    targets[4] += 9
    analyze(Subject(model, rows, labels=targets, texts=[f"+text {i}" for i in range(30)]), folder)
    return folder
