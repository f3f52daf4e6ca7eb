"""Which sample owns each row of an operand, established by evidence rather than by convention.

Reverse mode is linear in the cotangent. Backward with cotangents u_b gives δ, backward with
v_b·u_b gives δ'; an element that only f(x_b) depends on obeys δ' = v_b·δ, and its ratio names its
owner. An element with several owners (a weight) gives a mixture and is *shared*. Elements with
δ = 0 contribute nothing to any gradient, whoever owns them. So attention modules that flatten
position-major, packed sequences, routed experts and graphs need no knowledge of the module.

A weight can look owned by accident: few numbers of it, or one sample whose gradient drowns all
others. So weak evidence is put to a second test that rounding cannot blur: with the owner's
cotangent at zero, what it owns must be zero to the last bit.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Of a slab's norm. Neighbouring values of v differ by a factor 8^(1/B), 1.016 for B = 128.
_TOLERANCE = 2e-3
_HALF_TOLERANCE = 2e-2

_FEW_NUMBERS = 16  # so many ratios agree by accident with a probability below 1e-30


@dataclass(frozen=True)
class Layout:
    """Axis ``dim`` of an operand is (outer, B, inner): element o, b, i belongs to sample b."""

    dim: int
    outer: int
    inner: int
    batch: int

    def to_samples(self, tensor: Tensor, dim: int | None = None) -> Tensor:
        """Sample axis first: (…, outer·B·inner, …) -> (B, …, outer·inner, …)."""
        dim = self.dim if dim is None else dim
        shape = tensor.shape
        split = tensor.reshape(*shape[:dim], self.outer, self.batch, self.inner, *shape[dim + 1 :])
        moved = split.movedim(dim + 1, 0)  # (B, …, outer, inner, …)
        return moved.reshape(self.batch, *shape[:dim], self.outer * self.inner, *shape[dim + 1 :])

    def only_owner(self) -> int | None:
        """The sample that owns every row, if one does."""
        return 0 if self.batch == 1 else None


@dataclass(frozen=True)
class OwnedRows:
    """Row r of axis ``dim`` belongs to sample ``owner[r]``; rows are padded to one length."""

    dim: int
    owner: Tensor  # (rows,)
    batch: int

    def to_samples(self, tensor: Tensor, dim: int | None = None) -> Tensor:
        """Sample axis first, missing rows zero: (…, rows, …) -> (B, …, T, …)."""
        dim = self.dim if dim is None else dim
        order = torch.argsort(self.owner, stable=True)
        counts = torch.bincount(self.owner, minlength=self.batch)
        length = int(counts.max())
        starts = counts.cumsum(0) - counts
        sorted_owner = self.owner[order]
        position = torch.arange(len(order), device=order.device) - starts[sorted_owner]
        rows = tensor.movedim(dim, 0)[order]
        padded = tensor.new_zeros(self.batch, length, *rows.shape[1:])
        padded[sorted_owner, position] = rows
        return padded.movedim(1, dim + 1)

    def only_owner(self) -> int | None:
        """The sample that owns every row, if one does."""
        first = int(self.owner[0])
        return first if bool((self.owner == first).all()) else None


@dataclass(frozen=True)
class Evidence:
    """What the two backward passes say about one operand."""

    owner: Layout | OwnedRows | None  # None: shared by several samples
    certain: bool  # the same wiring will have the same owners
    silent: bool = False  # no gradient arrives here, in this batch
    alone: bool = False  # one sample only was seen: a weight may look like this too
    weak: bool = False  # to be confirmed by silence before it is believed


class Cotangents:
    """u and v∘u for a batch of B samples and D outputs, the same for equal B, D and seed.

    ``precision`` is the coarsest inside the network, which bounds how well v can be read back.
    """

    def __init__(
        self,
        batch: int,
        outputs: int,
        like: Tensor,
        precision: torch.dtype | None = None,
        seed: int = 0,
    ):
        generator = torch.Generator().manual_seed(seed + 7919 * batch + outputs)
        spread = torch.linspace(0, 3, batch, dtype=torch.float64).exp2()  # 1 … 8
        self.values = spread[torch.randperm(batch, generator=generator)].to(like)  # (B,)
        base = torch.rand(batch, outputs, generator=generator, dtype=torch.float64) + 0.5
        sign = torch.randint(0, 2, (batch, outputs), generator=generator) * 2 - 1
        self.plain = (base * sign).to(like)  # (B, D)
        self.scaled = self.plain * self.values[:, None]
        half = (precision or like.dtype) in (torch.float16, torch.bfloat16)
        self._tolerance = _HALF_TOLERANCE if half else _TOLERANCE

    def judge(self, plain: Tensor | None, scaled: Tensor | None) -> Evidence:
        """Owner of an operand from its gradients under both cotangents."""
        if plain is None or scaled is None:
            return Evidence(None, certain=True, silent=True)
        if plain.is_complex():
            plain, scaled = torch.view_as_real(plain), torch.view_as_real(scaled)
        if not bool((plain != 0).any()):
            return Evidence(None, certain=True, silent=True)
        plain, scaled = torch.nan_to_num(plain), torch.nan_to_num(scaled)
        if not bool((plain != 0).any()):  # nothing but NaN: neither silence nor evidence
            return Evidence(None, certain=False)
        found = self._static(plain, scaled)
        if found:
            several = _informative_samples(plain, found[0]) > 1
            weak = not several or int((plain != 0).sum()) < _FEW_NUMBERS
            return Evidence(found[0], certain=len(found) == 1 and several, weak=weak)
        return self._by_row(plain, scaled)

    def silences(self, owners: list[Layout | OwnedRows]) -> list[Tensor]:
        """Sets of samples to silence, (B,) bool, so that each owner is once silent.

        Half the samples and the other half; and a sample that owns all there is, by itself.
        """
        half = self.values > self.values.median()
        alone = {lone for owner in owners if (lone := owner.only_owner()) is not None}
        samples = torch.arange(len(self.values), device=half.device)
        return [half, ~half, *(samples == lone for lone in sorted(alone))]

    def without(self, silenced: Tensor) -> Tensor:
        """u with the cotangents of some samples at zero: (B, D)."""
        return self.plain.masked_fill(silenced[:, None], 0.0)

    def _static(self, plain: Tensor, scaled: Tensor) -> list[Layout]:
        batch = len(self.values)
        found: list[Layout] = []
        for dim, size in enumerate(plain.shape):
            if size % batch:
                continue
            rest = size // batch
            for outer in (o for o in range(1, rest + 1) if rest % o == 0):
                layout = Layout(dim, outer, rest // outer, batch)
                if self._agrees(layout.to_samples(plain), layout.to_samples(scaled)):
                    found.append(layout)
        return found

    def _agrees(self, plain: Tensor, scaled: Tensor) -> bool:
        plain, scaled = plain.flatten(1), scaled.flatten(1)  # (B, …)
        off = (scaled - self.values[:, None] * plain).norm(dim=1)
        return bool((off <= self._tolerance * scaled.norm(dim=1)).all())

    def _by_row(self, plain: Tensor, scaled: Tensor) -> Evidence:
        for dim in range(max(plain.dim(), 1)):
            p, s = _rows(plain, dim), _rows(scaled, dim)
            size = p.abs().amax(1, keepdim=True)  # (rows, 1); scaled away against underflow
            p, s = p / size.clamp_min(1e-37), s / size.clamp_min(1e-37)
            ratio = (p * s).sum(1) / p.square().sum(1).clamp_min(1e-37)
            owner = (ratio[:, None] - self.values).abs().argmin(1)  # (rows,)
            off = (s - self.values[owner, None] * p).norm(dim=1)
            if bool((off <= self._tolerance * s.norm(dim=1)).all()):
                seen = size[:, 0] > 0
                rest = owner[seen][0]  # rows without gradient may belong to anybody
                rows = OwnedRows(dim, torch.where(seen, owner, rest), len(self.values))
                alone = bool((owner[seen] == rest).all())
                return Evidence(rows, certain=False, alone=alone, weak=True)
        return Evidence(None, certain=True)


def falls_silent(gradient: Tensor | None, owner: Layout | OwnedRows, silenced: Tensor) -> bool:
    """Whether the rows of silenced samples, (B,) bool, are zero to the last bit."""
    if gradient is None:
        return True
    gradient = gradient.reshape(1) if gradient.dim() == 0 else gradient
    gradient = torch.view_as_real(gradient) if gradient.is_complex() else gradient
    mine = owner.to_samples(torch.nan_to_num(gradient))[silenced]
    return not bool((mine != 0).any())


def _rows(value: Tensor, dim: int) -> Tensor:
    return (
        value.reshape(1, 1)
        if value.dim() == 0
        else value.movedim(dim, 0).reshape(value.shape[dim], -1)
    )


def _informative_samples(plain: Tensor, layout: Layout) -> int:
    return int((layout.to_samples(plain).flatten(1) != 0).any(1).sum())
