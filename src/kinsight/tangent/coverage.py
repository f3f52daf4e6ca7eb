"""What happens to every parameter: its operators, by rule or by fallback, and what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Treatment:
    """The operators that one parameter enters, and whether each has a rule."""

    operators: dict[str, bool] = field(default_factory=dict)  # name -> by rule

    def add(self, operator: str, by_rule: bool) -> None:
        """Note one use; an operator that fell back once counts as fallback."""
        self.operators[operator] = by_rule and self.operators.get(operator, True)


@dataclass(frozen=True)
class CoverageRow:
    """One parameter. ``exact`` is always true: a fallback is slower, not less exact.

    ``how``: "rule", "fallback" (one sample at a time through the named operators) or "unused"
    (f does not depend on it: its gradient is zero). ``bytes``: held per sample. ``way``: how its
    inner products are taken, "written out" or "factored"; ``operations``: multiply-adds that this
    takes for one sample and 256 others; ``seconds``: the same, predicted for this machine.
    """

    name: str
    shape: tuple[int, ...]
    numel: int
    operators: tuple[str, ...]
    how: str
    reason: str
    bytes: int
    metric: str = "Euclidean"  # what measures its steps
    way: str = ""
    operations: float = 0.0
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the parameter's share of the kernel is exact."""
        return True


@dataclass(frozen=True)
class Coverage:
    """Every parameter of the network; nothing is left out in silence."""

    rows: tuple[CoverageRow, ...]
    frozen: tuple[str, ...]  # requires_grad is False and nobody named them
    excluded: tuple[str, ...]  # left out by parameters=
    metric_bytes: int = 0  # held by the metric's own factors

    def __iter__(self) -> Iterator[CoverageRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unused(self) -> tuple[str, ...]:
        """Chosen parameters that f does not depend on."""
        return tuple(row.name for row in self.rows if row.how == "unused")

    @property
    def fallback(self) -> tuple[str, ...]:
        """Parameters that are handled by the slower exact path."""
        return tuple(row.name for row in self.rows if row.how == "fallback")

    @property
    def seconds(self) -> float:
        """Predicted for one sample's inner products with 256 others, network passes aside."""
        return sum(row.seconds for row in self.rows)

    def table(self) -> str:
        """All of it as aligned text."""
        head = ("parameter", "shape", "operators", "how", "bytes/sample", "products", "µs/sample")
        cells = [
            (
                row.name,
                "×".join(map(str, row.shape)) or "scalar",
                " ".join(row.operators) or "–",
                row.how + (f": {row.reason}" if row.reason else ""),
                f"{row.bytes:,}",
                row.way or "–",
                f"{row.seconds * 1e6:,.0f}",
            )
            for row in self.rows
        ]
        left = [(name, "frozen") for name in self.frozen]
        left += [(name, "not chosen") for name in self.excluded]
        cells += [(name, "", "", f"left out: {why}", "0", "", "") for name, why in left]
        measured = any(row.metric != "Euclidean" for row in self.rows)
        if measured:  # one more column
            kinds = [row.metric for row in self.rows]
            kinds += [""] * (len(cells) - len(kinds))
            head = (*head, f"metric ({self.metric_bytes:,} bytes)")
            cells = [(*line, kind) for line, kind in zip(cells, kinds, strict=True)]
        widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
                 for line in (head, tuple("-" * w for w in widths), *cells)]  # fmt: skip
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()
