"""A metric M on parameters: what a step costs, so that K_M(x,x') = J(x) M⁻¹ J(x')ᵀ.

Every verb works on features J M^-½ in place of J; nothing else changes. M^-½ acts on a whole
parameter's gradient, after the uses of a tied or re-parametrised weight were added up.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kinsight.errors import ArgumentError
from kinsight.tangent.blocks import Block, Dense
from kinsight.tangent.features import Features
from kinsight.tangent.preconditioning import ByRow, Half


@dataclass(frozen=True)
class Facts:
    """How a metric came about.

    ``damping``: ρ in M = F + ρ·mean(diag F)·I, the mean over each parameter, or over the
    parameters of one block; ``left_out``: directions on which M^-½ is zero because nothing moved
    along them; ``unreached``: parameters to which no gradient came at all.
    """

    kind: str
    output: str = ""
    samples: int = 0
    damping: float = 0.0
    rule: str = "given"
    left_out: int = 0
    unreached: tuple[str, ...] = ()
    otherwise: tuple[tuple[str, str], ...] = ()  # parameters treated in another way, and how


class Metric(ABC):
    """M, by its M^-½."""

    facts: Facts

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, int]:
        """The parameters that it measures, and their numbers of entries."""

    @abstractmethod
    def half(self, features: Features) -> Features:
        """J M^-½ of a batch."""

    @abstractmethod
    def to(self, dtype: torch.dtype, device: torch.device) -> "Metric":
        """The same in another precision and place."""

    @abstractmethod
    def _tensors(self) -> Iterable[tuple[str, Tensor]]: ...

    @property
    def damping(self) -> float:
        """ρ, relative to the mean diagonal."""
        return self.facts.damping

    @property
    def nbytes(self) -> int:
        """Memory that M^-½ takes."""
        return sum(value.nbytes for _, value in self._tensors())

    @property
    def identity(self) -> str | None:
        """What stores and runs keep of it: two metrics with the same give the same numbers."""
        digest = hashlib.sha256(repr(sorted(self.sizes.items())).encode())
        for name, value in self._tensors():
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return f"{self.facts.kind}, damping {self.damping:g} ({digest.hexdigest()[:16]})"

    def treatment(self, name: str) -> str:
        """What is done to one parameter."""
        return dict(self.facts.otherwise).get(name, self.facts.kind)

    def check(self, sizes: Mapping[str, int]) -> None:
        """Refuse the parameters of a kernel if they are not those of the metric.

        Raises:
            ArgumentError: names those that are missing, spare or of another size.
        """
        other = [n for n in {**sizes, **self.sizes} if sizes.get(n) != self.sizes.get(n)]
        if other:
            named = ", ".join(other[:4]) + (" …" if len(other) > 4 else "")
            raise ArgumentError(
                "metric: expected one of the very parameters that the kernel differentiates, got "
                f"one that differs in {named}; fit it with the same network and parameters="
            )

    def along(self, directions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """M^-½ of directions in parameter space: (1, P) each."""
        first = next(iter(directions.values()))
        blocks: dict[str, Block] = {n: Dense(value[None]) for n, value in directions.items()}
        one = Features(first.new_zeros(1, 1), blocks, torch.zeros(1, dtype=torch.bool))
        return {name: block.dense()[0] for name, block in self.half(one).blocks.items()}

    def __str__(self) -> str:
        facts = self.facts
        lines = [f"{facts.kind}, damping {facts.damping:g} ({facts.rule}), {self.nbytes:,} bytes"]
        if facts.samples:
            lines.append(f"from {facts.output}, {facts.samples:,} samples")
        if facts.left_out:
            lines.append(f"{facts.left_out:,} directions left out: no gradient moved along them")
        if facts.unreached:
            lines.append("no gradient reached " + ", ".join(facts.unreached))
        lines += [f"{name}: {how}" for name, how in facts.otherwise]
        return "\n".join(lines)


class Euclidean(Metric):
    """M = I: a step costs its length. The default."""

    facts = Facts("Euclidean")

    @property
    def sizes(self) -> Mapping[str, int]:
        """None in particular: it fits all."""
        return {}

    @property
    def identity(self) -> None:
        """Nothing to keep."""
        return None

    def half(self, features: Features) -> Features:
        """The gradients as they are."""
        return features

    def to(self, dtype: torch.dtype, device: torch.device) -> Metric:
        """Itself."""
        return self

    def check(self, sizes: Mapping[str, int]) -> None:
        """All parameters fit."""

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        return ()


@dataclass(frozen=True, eq=False)
class ByParameter(Metric):
    """Every parameter by itself: diagonal, Kronecker-factored, or as an optimiser has it."""

    halves: dict[str, Half]
    numbers: dict[str, int]
    facts: Facts

    @property
    def sizes(self) -> Mapping[str, int]:
        """The parameters that it measures, and their numbers of entries."""
        return self.numbers

    def half(self, features: Features) -> Features:
        """Each block in its cheapest form."""
        blocks = {n: self.halves[n].applied(block) for n, block in features.blocks.items()}
        return replace(features, blocks=blocks)

    def to(self, dtype: torch.dtype, device: torch.device) -> Metric:
        """The same in another precision and place."""
        halves = {name: half.to(dtype, device) for name, half in self.halves.items()}
        return replace(self, halves=halves)

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        return ((n, value) for n, half in self.halves.items() for value in half.tensors)


@dataclass(frozen=True)
class Group:
    """Parameters of one block of M, row by row: R rows, of each a part from every parameter."""

    names: tuple[str, ...]
    widths: tuple[int, ...]  # entries of a row in each; they add up to W
    half: ByRow

    @property
    def rows(self) -> int:
        """R: independent blocks."""
        return len(self.half.root)

    def applied(self, blocks: Mapping[str, Block]) -> dict[str, Block]:
        """J M^-½: of one parameter in its form; of several written out, since they mix."""
        present = [blocks[name] for name in self.names if name in blocks]
        if not present:
            return {}
        if len(self.names) == 1:
            return {self.names[0]: self.half.applied(present[0])}
        joined = self.joined(blocks, present[0].dense())
        moved = self.half(joined.flatten(2)).unflatten(2, joined.shape[2:])
        parts = moved.split(self.widths, 3)
        return {n: Dense(part.flatten(2)) for n, part in zip(self.names, parts, strict=True)}

    def joined(self, blocks: Mapping[str, Block], like: Tensor) -> Tensor:
        """Row by row side by side, zero where a parameter is not at work: (B, D, R, W)."""
        return side_by_side(self.names, self.widths, self.rows, blocks, like)


def side_by_side(
    names: tuple[str, ...],
    widths: tuple[int, ...],
    rows: int,
    blocks: Mapping[str, Block],
    like: Tensor,
) -> Tensor:
    """Gradients of several parameters joined row by row: (B, D, R, W)."""
    parts = [
        blocks[n].dense().unflatten(2, (rows, width))
        if n in blocks
        else like.new_zeros(*like.shape[:2], rows, width)
        for n, width in zip(names, widths, strict=True)
    ]
    return torch.cat(parts, 3)


@dataclass(frozen=True, eq=False)
class ByBlock(Metric):
    """Blocks of M that may span parameters: a neuron's, a layer's, or all."""

    groups: tuple[Group, ...]
    facts: Facts

    @property
    def sizes(self) -> Mapping[str, int]:
        """The parameters that it measures, and their numbers of entries."""
        return {n: w * g.rows for g in self.groups for n, w in zip(g.names, g.widths, strict=True)}

    def half(self, features: Features) -> Features:
        """Blocks that span parameters have every entry of the gradient written out."""
        blocks: dict[str, Block] = {}
        for group in self.groups:
            blocks |= group.applied(features.blocks)
        return replace(features, blocks=blocks)

    def to(self, dtype: torch.dtype, device: torch.device) -> Metric:
        """The same in another precision and place."""
        moved = (replace(g, half=g.half.to(dtype, device)) for g in self.groups)
        return replace(self, groups=tuple(moved))

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        return ((" ".join(g.names), g.half.root) for g in self.groups)
