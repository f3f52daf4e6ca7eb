"""What one server shows: one or two views, the queues, what they share, the decisions."""

import secrets
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kinsight.errors import KinsightError, RunFolderError
from kinsight.explorer import answers
from kinsight.explorer.decisions import Decisions
from kinsight.explorer.kept import Kept
from kinsight.explorer.lists import shared
from kinsight.explorer.queues import Queue, changed, queues
from kinsight.explorer.refusals import refusal
from kinsight.explorer.view import View

_ELSEWHERE = "the store is not on a disk of this machine; copy it to one to decide about it"
_COMPARED = (
    "Share of the {k} nearest samples that both views have in common: 1 where the neighbourhood "
    "is the same, 0 where it is another."
)


class Live(Protocol):
    """Network and data of a view, for what was not computed before."""

    def explain(self, sample: int, other: int) -> answers.PairAnswer:
        """Why two samples are alike."""
        ...

    def picture(self, sample: int) -> bytes | None:
        """A PNG painted from the data; None where there is nothing to paint."""
        ...

    @property
    def paints(self) -> bool:
        """Whether there are pictures."""
        ...


@dataclass
class Session:
    """Everything the routes need.

    Args:
        views: one, or two over the same samples.
        same: whether two views are known to be of the same data.
        live: network and data of view 0, with ``--target``.
    """

    views: list[View]
    same: bool = True
    live: Live | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _kept: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        first = self.views[0]
        folder: Path | None = first.folder
        self.decisions = None if folder is None else Decisions(folder, first.facts.data, len(first))

    def view(self, number: int) -> View:
        """A view by its number, or the answer that there is none."""
        if not 0 <= number < len(self.views):
            raise refusal(404, f"a view from 0 to {len(self.views) - 1}", number, "reload the page")
        return self.views[number]

    def kept_decisions(self) -> Decisions:
        """Where decisions are kept, or the answer that there is no such place."""
        if self.decisions is None:
            raise refusal(409, "a folder of this machine for decisions", "none", _ELSEWHERE)
        return self.decisions

    def queues(self, view: int) -> dict[str, Queue]:
        """The queues of a view by their id."""
        return self._kept.get(("queues", view), lambda: self._made_queues(view))

    def shared(self) -> tuple[int, np.ndarray] | None:
        """k, and the share of the k nearest that views 0 and 1 have in common: (N,) float32."""
        return self._kept.get("shared", self._made_shared)

    def about(self) -> answers.About:
        """What the page asks first. Cost: each column is read once, then kept."""
        first = self.views[0]
        return answers.About(
            version=version("kinsight"),
            title=first.facts.title,
            token=self.token,
            views=[self._kept.get(("view", i), lambda i=i: self._said(i)) for i in self._numbers],
            queues=[
                answers.QueueAnswer(
                    id=q.id, title=q.title, explains=q.explains, count=len(q.ids)
                )
                for q in self.queues(0).values()
            ],
            decisions=self.tally(),
            same_samples=self.same,
            compare=self._compared(),
        )  # fmt: skip

    def tally(self) -> answers.Tally:
        """How much was decided; a file that cannot be read is said, not raised."""
        if self.decisions is None:
            return _tally([], 0, _ELSEWHERE)
        try:
            made = [d.decision for d in self.decisions.all()]
            return _tally(made, self.decisions.elsewhere(), None)
        except RunFolderError as error:
            return _tally([], 0, str(error))

    def warm(self) -> None:
        """Make ahead what the first requests will ask for; what fails is told to them."""
        for number in self._numbers:
            for job in (lambda n=number: self._kept.get(("view", n), lambda: self._said(n)),
                        lambda n=number: self.queues(n),
                        lambda n=number: self.views[n].neighbours("network", 0, 1)):  # fmt: skip
                try:
                    job()
                except KinsightError:
                    continue

    @property
    def _numbers(self) -> range:
        return range(len(self.views))

    def _made_queues(self, view: int) -> dict[str, Queue]:
        found = queues(self.views[view].columns)
        both = self.shared()
        if both is not None:
            found.append(changed(both[1]))
        return {queue.id: queue for queue in found}

    def _made_shared(self) -> tuple[int, np.ndarray] | None:
        if len(self.views) < 2:
            return None
        lists = [view.lists() for view in self.views[:2]]
        if lists[0] is None or lists[1] is None:
            return None
        k = min(lists[0].most, lists[1].most)
        return (k, shared(lists[0], lists[1], k)) if k else None

    def _compared(self) -> answers.CompareAnswer | None:
        both = self.shared()
        if both is None:
            return None
        mean = float(np.nanmean(both[1])) if np.isfinite(both[1]).any() else None
        return answers.CompareAnswer(
            k=both[0], mean=mean, explains=_COMPARED.format(k=both[0])
        )  # fmt: skip

    def _said(self, number: int) -> answers.ViewAnswer:
        view, facts, live = self.views[number], self.views[number].facts, self.live_of(number)
        listed, map_kind = view.columns.listed(), view.map_kind()
        labels = next((c for c in listed if c.name == "label"), None)
        texts = view.columns.has("text")
        named: dict[str, Any] = {
            name: view.has(name) for name in ("pictures", "signals", "inputs", "explanations")
        }
        named["pictures"] |= live is not None and live.paints
        return answers.ViewAnswer(
            id=number, title=facts.title, path_name=facts.path_name, kind=facts.kind,
            samples=len(view), status=facts.status, output=facts.output, outputs=facts.outputs,
            normalization=facts.normalization, metric=facts.metric, begun=facts.begun,
            sentences=view.sentences(),
            columns=[answers.ColumnAnswer(**vars(column)) for column in listed],
            classes=None if labels is None else labels.categories,
            has=answers.Has(texts=texts, map=map_kind is not None, live=live is not None, **named),
            map=None if map_kind is None else answers.MapAnswer(
                kind=map_kind[0], explained=map_kind[1]
            ),
            similarities=view.similarities, neighbours=view.most,
        )  # fmt: skip

    def live_of(self, number: int) -> Live | None:
        """Network and data of a view, if they are there."""
        return self.live if number == 0 else None

    def chosen(self, sample: int) -> answers.Chosen | None:
        """The decision about a sample; one that cannot be read is told by /api/decisions."""
        try:
            found = None if self.decisions is None else self.decisions.of(sample)
        except RunFolderError:
            return None
        return None if found is None else answers.Chosen(decision=found.decision, label=found.label)


def _tally(made: list[str], other: int, why_not: str | None) -> answers.Tally:
    count = {kind: made.count(kind) for kind in ("keep", "relabel", "drop")}
    return answers.Tally(
        count=len(made), **count, other=other, writable=why_not is None, why_not=why_not
    )
