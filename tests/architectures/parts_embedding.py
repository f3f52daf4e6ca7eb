"""Embeddings and bags of them: padding, sparse gradients, weights per token."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.parts_common import Entry, Net, Pooled, tokens, weights

entry = partial(Entry, "embedding")


class TokensAndSegments(nn.Module):
    """Three tables added up, normalised: the entry of BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.segment = nn.Embedding(9, 4, padding_idx=0), nn.Embedding(2, 4)
        self.position, self.norm = nn.Embedding(5, 4), nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        y = self.word(x) + self.segment((x > 4).long()) + self.position(places)
        return self.head(self.norm(y)).tanh().mean(1)


EMBEDDING = [
    entry("embedding", lambda: Pooled(nn.Embedding(9, 3), 1), tokens()),
    entry("embedding with padding", lambda: Pooled(nn.Embedding(9, 3, padding_idx=1), 1), tokens()),
    entry(
        "embedding, gradient by frequency",
        lambda: Pooled(nn.Embedding(9, 3, scale_grad_by_freq=True), 1),
        tokens(),
    ),
    entry(
        "embedding, sparse gradient", lambda: Pooled(nn.Embedding(9, 3, sparse=True), 1), tokens()
    ),
    entry("bag by sum", lambda: nn.EmbeddingBag(9, 3, mode="sum"), tokens()),
    entry(
        "bag by mean, with padding",
        lambda: nn.EmbeddingBag(9, 3, mode="mean", padding_idx=2),
        tokens(),
    ),
    entry("bag by maximum", lambda: nn.EmbeddingBag(9, 3, mode="max"), tokens()),
    entry(
        "bag with weights per token",
        lambda: Net(
            lambda net, x: net.bag(x, per_sample_weights=x.to(net.bag.weight).cos()),
            bag=nn.EmbeddingBag(9, 3, mode="sum"),
        ),
        tokens(),
    ),
    entry(
        "bag with learnt weights per token",
        lambda: Net(
            lambda net, x: net.bag(x, per_sample_weights=net.importance[x]),
            bag=nn.EmbeddingBag(9, 3, mode="sum"),
            importance=weights(9),
        ),
        tokens(),
    ),
    entry("bag, sparse gradient", lambda: nn.EmbeddingBag(9, 3, mode="sum", sparse=True), tokens()),
    entry(
        "bag of one long list and offsets",
        lambda: Net(
            lambda net, x: net.bag(
                x.flatten(), torch.arange(0, x.numel(), x.shape[1], device=x.device)
            ),
            bag=nn.EmbeddingBag(9, 3, mode="mean"),
        ),
        tokens(),
    ),
    entry(
        "one-hot vectors times a table",
        lambda: Net(
            lambda net, x: (F.one_hot(x, 9).to(net.table) @ net.table).tanh().mean(1),
            table=weights(9, 3),
        ),
        tokens(),
    ),
    entry("words, segments and positions", TokensAndSegments, tokens()),
]
