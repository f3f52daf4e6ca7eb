"""Rows of a table picked by index: embeddings, bags of embeddings, indexed parameters."""

import torch
from torch import Tensor

from kinsight.tangent.blocks import Block, Rows
from kinsight.tangent.ownership import Layout, OwnedRows
from kinsight.tangent.rules.registry import Use, register_rule


@register_rule("Embedding")
def embedding(use: Use) -> Block | None:
    """weight[indices]; a padding row gets no gradient."""
    indices = use.saved("indices")
    block = _picked(use, indices)
    padding = use.node._saved_padding_idx  # no padding: −1, or its unsigned form
    by_frequency = use.node._saved_scale_grad_by_freq
    if block is None or not (0 <= padding < use.shape[0] or by_frequency):
        return block
    factor = (block.index != padding).to(block.right)
    if by_frequency:
        same = block.index[:, :, None] == block.index[:, None, :]
        factor = factor / same.sum(2)
    return Rows(block.index, block.right * factor[:, None, :, None], block.height)


@register_rule("Index")
def indexed(use: Use) -> Block | None:
    """table[indices] with one tensor of integers."""
    indices = use.node._saved_indices
    if len(indices) != 1 or indices[0] is None or indices[0].dtype == torch.bool:
        return None
    return _picked(use, indices[0] % use.shape[0])


@register_rule("IndexSelect")
def index_selected(use: Use) -> Block | None:
    """index_select(table, 0, indices)."""
    return _picked(use, use.saved("index")) if use.node._saved_dim == 0 else None


def _picked(use: Use, indices: Tensor) -> Rows | None:
    if use.owner.dim >= indices.dim() or isinstance(use.owner, OwnedRows):
        return None
    index = use.owner.to_samples(indices, use.owner.dim).flatten(1)  # (B, T)
    right = use.delta.flatten(2, 1 + indices.dim())  # (B, D, T, *row)
    width = torch.Size(use.shape[1:]).numel()  # 1 for a table of numbers
    return Rows(index, right.reshape(*right.shape[:3], width), use.shape[0])


@register_rule("EmbeddingBag")
def embedding_bag(use: Use) -> Block | None:
    """Sum or mean of the rows in a bag; bag and sample are the same thing here."""
    node = use.node
    if use.slot != 0 or use.owner.dim != 0 or node._saved_mode == 2:
        return None
    if node._saved_scale_grad_by_freq:
        return None
    indices, offsets = use.saved("indices"), use.saved("offsets")
    places = torch.arange(len(indices), device=indices.device)
    bag = torch.searchsorted(offsets[: use.deltas[0].shape[0]], places, right=True) - 1
    weight = torch.ones_like(indices, dtype=use.deltas[0].dtype)
    if node._saved_per_sample_weights is not None:
        weight = node._saved_per_sample_weights
    weight = weight * (indices != _signed(node._saved_padding_idx))
    if node._saved_mode == 1:
        kept = torch.zeros_like(use.deltas[0][:, 0]).index_add_(0, bag, (weight != 0).to(weight))
        weight = weight / kept[bag].clamp_min(1)
    owner = _owner_of_rows(use)[bag]  # (n,)
    by_entry = OwnedRows(0, owner, use.batch)
    index = by_entry.to_samples(indices, 0)  # (B, T)
    right = [by_entry.to_samples(d[bag] * weight[:, None], 0) for d in use.deltas]
    return Rows(index, torch.stack(right, 1), use.shape[0])


def _owner_of_rows(use: Use) -> Tensor:
    if isinstance(use.owner, Layout):
        rows = torch.arange(use.deltas[0].shape[0], device=use.deltas[0].device)
        return rows // use.owner.inner % use.batch
    return use.owner.owner


def _signed(index: int) -> int:
    return index - (1 << 64) if index >= 1 << 63 else index
