"""Networks with dense outputs, their data, and each output written out position by position."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import kinsight as ks

IGNORED = 255


class Segmenting(nn.Module):
    """A small U-Net: down, up, a skip, and scores of three classes for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.up, self.head = nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down(x).tanh()
        coarse = self.deep(nn.functional.avg_pool2d(fine, 2)).tanh()
        return self.head(torch.cat([fine, self.up(coarse)], 1))


class Displacing(nn.Module):
    """A displacement in the plane for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh()).tanh()


class Language(nn.Module):
    """A causal transformer of one layer over seven words."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(7, 8), nn.Parameter(torch.randn(5, 8) / 3)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)
        self.head = nn.Linear(8, 7)

    def forward(self, input_ids: Tensor) -> Tensor:
        length = input_ids.shape[1]
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        return self.head(self.layer(self.words(input_ids) + self.places[:length], later))


def segmenting() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (4, 4, 4))
    labels[:, 0] = IGNORED
    labels[2, 1:, 1] = IGNORED
    return Segmenting().double().eval(), (torch.randn(4, 2, 4, 4).double(), labels)


def displacing() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    x = torch.randn(4, 1, 3, 4).double()
    polygon = torch.randint(0, 2, (4, 3, 4))
    polygon[:, 1, 1] = 1
    target, place = torch.randn(4, 2, 3, 4).double(), torch.tensor([[0, 1], [2, 3], [1, 1], [2, 0]])
    batch = {"x": x, "polygon": polygon, "labels": target, "place": place}
    return Displacing().double().eval(), batch


def language() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    tokens, mask = torch.randint(1, 7, (4, 5)), torch.ones(4, 5, dtype=torch.long)
    for row, length in enumerate((5, 3, 4, 2)):
        mask[row, length:] = 0
    return Language().double().eval(), {"input_ids": tokens * mask, "attention_mask": mask}


@dataclass(frozen=True)
class Case:
    """An output, and the same one sample and one position at a time."""

    make: Callable[[], tuple[nn.Module, Any]]
    output: Any
    slow: Callable[[Tensor, Any, int], Any]  # scores of one sample, batch, its number


def each(scores: Tensor, keep: Tensor | None = None) -> list[tuple[Tensor, tuple[int, ...]]]:
    """(C, H, W) as a list of (C,), with their places, those that are kept."""
    places = [(h, w) for h in range(scores.shape[1]) for w in range(scores.shape[2])]
    return [(scores[:, h, w], (h, w)) for h, w in places if keep is None or bool(keep[h, w])]


def own(z: Tensor, y: int | None = None) -> Tensor:
    y = int(z.argmax()) if y is None else y
    return z[y] - (z.sum() - z[y]) / (len(z) - 1)


def foretold(z: Tensor, batch: Any, i: int) -> list[Tensor]:
    """log p of every token but the first, of the real ones."""
    ids, length = batch["input_ids"][i], int(batch["attention_mask"][i].sum())
    return [z[t].log_softmax(0)[ids[t + 1]] for t in range(length - 1)]


def mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean(0)


def known(batch: Any) -> Tensor:
    return batch[1] != IGNORED


def last(batch: Any) -> Tensor:
    return batch["attention_mask"].sum(1) - 1


def padded(values: list[Tensor], count: int) -> Tensor:
    zero = torch.zeros_like(values[0])
    return torch.stack(values + [zero] * (count - len(values))).flatten()


o = ks.outputs
CASES = {
    "own class, averaged": Case(
        segmenting, o.Averaged(o.OwnClass()), lambda z, b, i: mean([own(v) for v, _ in each(z)])
    ),
    "own class of labels, averaged under a mask": Case(
        segmenting,
        o.Averaged(o.OwnClass("batch"), mask=known),
        lambda z, b, i: mean([own(v, int(b[1][i][p])) for v, p in each(z, known(b)[i])]),
    ),
    "loss, summed under a mask": Case(
        segmenting,
        o.Summed(o.Loss(), mask=known),
        lambda z, b, i: -sum(v.log_softmax(0)[b[1][i][p]] for v, p in each(z, known(b)[i])),
    ),
    "log-probabilities at a pixel": Case(
        segmenting, o.AtPosition((1, -1), o.LogProbabilities()),
        lambda z, b, i: z[:, 1, 3].log_softmax(0),
    ),
    "own class of each pixel": Case(
        segmenting, o.PerPosition(o.OwnClass()),
        lambda z, b, i: torch.stack([own(v) for v, _ in each(z)]),
    ),
    "displacement, averaged on a polygon": Case(
        displacing, o.Averaged(mask="polygon"),
        lambda z, b, i: mean([v for v, _ in each(z, b["polygon"][i])]),
    ),
    "displacements, each": Case(
        displacing, o.PerPosition(), lambda z, b, i: torch.cat([v for v, _ in each(z)])
    ),
    "displacement at a place of its own": Case(
        displacing, o.AtPosition("place"), lambda z, b, i: z[(slice(None), *b["place"][i])]
    ),
    "squared loss, summed": Case(
        displacing, o.Summed(o.Loss("squared"), mask="polygon"),
        lambda z, b, i: sum(
            (v - b["labels"][i][(slice(None), *p)]).square().sum() / 2
            for v, p in each(z, b["polygon"][i])
        ),
    ),
    "one coordinate, turned": Case(
        displacing, o.Summed(o.Linear(((2.0, -1.0),))),
        lambda z, b, i: sum(2 * v[0] - v[1] for v, _ in each(z)),
    ),
    "sequence": Case(
        language, o.NextToken(mask="attention_mask"),
        lambda z, b, i: torch.stack(foretold(z, b, i)).sum(),
    ),
    "token, averaged": Case(
        language, o.NextToken("averaged", mask="attention_mask"),
        lambda z, b, i: mean(foretold(z, b, i)),
    ),
    "tokens, each": Case(
        language, o.NextToken("each", mask="attention_mask"),
        lambda z, b, i: padded(foretold(z, b, i), 4),
    ),
    "scores behind the last token": Case(
        language, o.AtPosition(last, o.LogProbabilities(), channels=-1),
        lambda z, b, i: z[last(b)[i]].log_softmax(0),
    ),
    "own word of each place": Case(
        language, o.PerPosition(o.OwnClass(), channels=-1, mask="attention_mask"),
        lambda z, b, i: padded([own(v) for v in z[: last(b)[i] + 1]], 5),
    ),
}  # fmt: skip


def slowly(case: Case) -> Callable[[Tensor, Any], Tensor]:
    """The output function that works on one sample and one position at a time."""

    def output(scores: Tensor, batch: Any) -> Tensor:
        rows = [torch.as_tensor(case.slow(z, batch, i)) for i, z in enumerate(scores)]
        return torch.stack([row.reshape(-1) for row in rows])

    return output
