"""Attention: torch's layers in all their forms, transformers, and attention written by hand."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.parts_common import Entry, Net, sequences, tokens, weights

entry = partial(Entry, "attention")


class Attending(nn.Module):
    """``nn.MultiheadAttention`` over positions, summed over them."""

    def __init__(self, causal: bool = False, **options):
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True, **options)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones(5, 5, dtype=torch.bool, device=x.device).triu(1) if self.causal else None
        y, _ = self.layer(x, x.cos(), x.sin(), attn_mask=mask, need_weights=False)
        return y.sum(1)[:, :3]


class Encoder(nn.Module):
    """A transformer's encoder layer with a head."""

    def __init__(self, **options):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            4, 2, 6, dropout=0.0, activation="gelu", batch_first=True, **options
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).mean(1))


class EncoderAndDecoder(nn.Module):
    """torch's whole transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Transformer(4, 2, 1, 1, 4, 0.0, activation="gelu", batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.both(x, x.sin())).mean(1)


class PaddedTokens(nn.Module):
    """Tokens of which zeros are padding that nobody attends to."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4, padding_idx=0), nn.Linear(4, 3)
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, padding = self.table(x), x == 0
        padding[:, 0] = False
        return self.head(self.layer(y, y, y, key_padding_mask=padding)[0]).tanh().mean(1)


class VisionTransformer(nn.Module):
    """A class token, learnt positions, one layer, and a head on the token."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.positions = weights(1, 1, 4), weights(1, 6, 4)
        self.layer = nn.TransformerEncoderLayer(
            4, 2, 6, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.layer(x)[:, 0])


class LanguageModel(nn.Module):
    """Tokens in, causal attention by hand, next-token scores by the tied table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(4, 4), nn.Embedding(5, 4)
        self.joint, self.out = nn.Linear(4, 12), nn.Linear(4, 4)
        self.before, self.after = nn.LayerNorm(4), nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.table(x) + self.places.weight[: x.shape[1]]
        query, key, value = self.joint(self.before(y)).reshape(*x.shape, 3, 2, 2).unbind(2)
        seen = F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), is_causal=True
        )
        y = self.after(y + self.out(seen.transpose(1, 2).flatten(2)))
        return F.linear(y[:, -1], self.table.weight)


class GroupedQueries(nn.Module):
    """Four query heads over two key heads, with rotary positions."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(4, 8, bias=False), nn.Linear(4, 4, bias=False)
        self.value, self.out = nn.Linear(4, 4, bias=False), nn.Linear(8, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        query = rotated(self.query(x).unflatten(2, (4, 2)).transpose(1, 2))  # (N, 4, T, 2)
        key = rotated(self.key(x).unflatten(2, (2, 2)).transpose(1, 2))  # (N, 2, T, 2)
        value = self.value(x).unflatten(2, (2, 2)).transpose(1, 2)
        key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
        scores = (query @ key.mT / 2**0.5).softmax(-1)
        return self.out((scores @ value).transpose(1, 2).flatten(2)).mean(1)


def rotated(x: Tensor) -> Tensor:
    """Pairs of numbers turned by an angle that grows with the position."""
    angle = torch.arange(x.shape[-2], device=x.device).to(x.dtype)
    a, b = x.unbind(-1)
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


class RelativePositions(nn.Module):
    """Attention scores shifted by a parameter per distance."""

    def __init__(self) -> None:
        super().__init__()
        self.shift, self.head = weights(9), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(5, device=x.device)
        scores = torch.einsum("bti,bsi->bts", x, x) + self.shift[place[:, None] - place + 4]
        return self.head(scores.softmax(-1).bmm(x)).tanh().mean(1)


class LearntQueries(nn.Module):
    """A few parameters ask, the sample answers: pooling of a Perceiver."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = weights(2, 4)
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        asked = self.queries.expand(len(x), -1, -1)
        return self.head(self.layer(asked, x, x)[0].flatten(1))


class LinearAttention(nn.Module):
    """Keys and values summed up before the query: cost linear in the length."""

    def __init__(self) -> None:
        super().__init__()
        self.joint = nn.Linear(4, 9)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.joint(x).chunk(3, -1)
        query, key = F.softplus(query), F.softplus(key)
        summary = key.mT @ value  # (N, 3, 3)
        return (query @ summary / (query * key.sum(1, keepdim=True)).sum(-1, keepdim=True)).mean(1)


class ChannelAttention(nn.Module):
    """Squeeze and excitation: channels weighted by what their means say."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.excite(self.squeeze(x.mean(1)).tanh()).sigmoid()
        return self.head(x * gate[:, None]).tanh().mean(1)


ATTENTION = [
    entry("multi-head attention", Attending, sequences()),
    entry("multi-head attention, causal", lambda: Attending(causal=True), sequences()),
    entry("multi-head attention without bias", lambda: Attending(bias=False), sequences()),
    entry(
        "multi-head attention with key and value bias",
        lambda: Attending(add_bias_kv=True, add_zero_attn=True),
        sequences(),
    ),
    entry(
        "multi-head attention, positions first",
        lambda: Net(
            lambda net, x: net.layer(*[x.transpose(0, 1)] * 3)[0].sum(0)[:, :3],
            layer=nn.MultiheadAttention(4, 2),
        ),
        sequences(),
    ),
    entry(
        "multi-head attention, keys and values of other sizes",
        lambda: Net(
            lambda net, x: net.layer(x, x[..., :3], x[..., :2])[0].sum(1)[:, :3],
            layer=nn.MultiheadAttention(4, 2, kdim=3, vdim=2, batch_first=True),
        ),
        sequences(),
    ),
    entry("transformer encoder, norm last", Encoder, sequences()),
    entry("transformer encoder, norm first", lambda: Encoder(norm_first=True), sequences()),
    entry(
        "transformer decoder",
        lambda: Net(
            lambda net, x: net.head(net.layer(x, x.sin())).mean(1),
            layer=nn.TransformerDecoderLayer(4, 2, 6, 0.0, batch_first=True, norm_first=True),
            head=nn.Linear(4, 2),
        ),
        sequences(length=3),
    ),
    entry("transformer, encoder and decoder", EncoderAndDecoder, sequences(length=3)),
    entry("attention with padding", PaddedTokens, tokens()),
    entry("vision transformer with class token", VisionTransformer, sequences()),
    entry("language model, causal, tied", LanguageModel, tokens(4)),
    entry("grouped queries, rotary positions", GroupedQueries, sequences()),
    entry("relative positions", RelativePositions, sequences()),
    entry("learnt queries", LearntQueries, sequences()),
    entry("linear attention", LinearAttention, sequences()),
    entry("channel attention", ChannelAttention, sequences()),
]
