"""Language models: the log-probability that each token has, given those before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kinsight.checks import one_of
from kinsight.errors import OutputError
from kinsight.network.columns import Batch
from kinsight.network.function import tensor_output
from kinsight.network.outputs.loss import Loss
from kinsight.network.outputs.positions import Mask, check_mask, entry, mask_of


@dataclass(frozen=True)
class NextToken:
    """log p(token t+1 | tokens up to t), from scores (N, T, V) of a causal language model.

    Position t speaks of token t+1, so there are T − 1 numbers and the last position has none.
    Computed as −softplus(logsumexp_{v≠y} z_v − z_y), which does not cancel where p is close to 1.

    Args:
        reduce: ``"summed"``: log p of the sequence given its first token; ``"averaged"``: its
            mean a token, minus the log of the perplexity; both one number, (B, 1). ``"each"``:
            (B, T − 1), the one of token t+1 at t; ``Select((t,), of=NextToken("each"))`` is one.
        tokens: whole numbers (N, T): the key in a dict, the place in a tuple or a function of the
            batch; None takes the batch itself, ``input_ids`` of a dict, the first of a tuple.
        mask: which tokens are asked about, (N, T), as in :class:`Averaged`: ``"attention_mask"``
            leaves padding out, a mask of the answer leaves the question out. A number belongs to
            the token foretold, so the mask's first column is not read.

    Cost: one backward pass, T − 1 for ``"each"``.

    Raises:
        OutputError: the output is not (N, T, V) with T ≥ 2, or tokens or mask do not fit it.

    Example:
        >>> import torch, kinsight as ks
        >>> scores = torch.zeros(1, 3, 4)  # four tokens, all alike
        >>> tokens = torch.tensor([[0, 2, 1]])
        >>> ks.outputs.NextToken("averaged")(scores, tokens).exp()
        tensor([[0.2500]])
    """

    reduce: Literal["summed", "averaged", "each"] = "summed"
    tokens: Mask = None
    mask: Mask = None

    def __post_init__(self) -> None:
        one_of("reduce", self.reduce, ("summed", "averaged", "each"))
        check_mask(self.tokens)
        check_mask(self.mask)

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        scores = tensor_output(outputs)
        if scores.dim() != 3 or scores.shape[1] < 2 or scores.shape[2] < 2:
            raise OutputError(
                "expected scores (N, T, V) of T ≥ 2 tokens, the vocabulary last, got "
                f"{tuple(scores.shape)}"
            )
        shape = (scores.shape[0], scores.shape[1])
        keep = torch.ones(shape, dtype=torch.bool, device=scores.device)
        if self.mask is not None:
            keep = mask_of(batch, self.mask, shape).to(scores.device)
        keep = keep[:, 1:]  # (B, T − 1)
        following = self._tokens(batch, shape).to(scores.device)[:, 1:].masked_fill(~keep, 0)
        before = torch.where(keep[..., None], scores[:, :-1], 0.0)  # (B, T − 1, V)
        loss = Loss()(before.flatten(0, 1), {"labels": following.flatten()})
        each = torch.where(keep, -loss.reshape(keep.shape), 0.0)
        if self.reduce == "each":
            return each
        total = each.sum(1, keepdim=True)
        return total / keep.sum(1, keepdim=True).clamp_min(1) if self.reduce != "summed" else total

    def _tokens(self, batch: Batch, shape: tuple[int, int]) -> Tensor:
        place: Any = self.tokens
        if place is None and isinstance(batch, Tensor):
            found = batch
        elif place is None:
            found = entry(batch, "input_ids" if isinstance(batch, Mapping) else 0, "tokens")
        else:
            found = entry(batch, place, "tokens")
        if tuple(found.shape) != shape or found.is_floating_point():
            raise OutputError(
                f"tokens: expected whole numbers, one for each position, shape {shape}, got "
                f"{tuple(found.shape)} of {found.dtype}; say where they are with tokens="
            )
        return found
