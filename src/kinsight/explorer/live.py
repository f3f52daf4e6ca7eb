"""Network and data beside a run or a store: pairs explained, pictures painted when asked for."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from threading import Lock
from typing import Any

import torch

from kinsight.errors import ArgumentError, ImportTargetError, KinsightError
from kinsight.explorer.answers import HeatAnswer, PairAnswer, Share
from kinsight.explorer.refusals import refusal
from kinsight.explorer.view import View, finite
from kinsight.kernel.explanation import Explanation
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network.batches import Batches
from kinsight.provenance.data import DataDigest
from kinsight.run.sketched import kernel_like
from kinsight.sketching.head import identity_of
from kinsight.sketching.store import check_stored
from kinsight.subject.pictures import Painter, painter
from kinsight.subject.subject import Subject
from kinsight.subject.target import load_target

SECONDS = 60.0  # that a request waits for an explanation
_BATCH = 128
_COMPARED = ("model", "output", "forward", "parameters", "normalization", "metric")
_MOST_KEPT = 1000


class LiveTarget:
    """Explains pairs of a view with the network itself, one at a time.

    A request waits a minute; what takes longer goes on, and is there when it is asked for again.
    """

    def __init__(self, kernel: TangentKernel, data: Any, paint: Painter | None):
        self._kernel = kernel
        self._samples = Batches(data)
        self._paint = paint
        self._worker = ThreadPoolExecutor(1, "explain")
        self._asked: dict[tuple[int, int], Future[PairAnswer]] = {}
        self._lock = Lock()
        self._painting = Lock()

    @property
    def paints(self) -> bool:
        """Whether the data are pictures."""
        return self._paint is not None

    def picture(self, sample: int) -> bytes | None:
        """The PNG of a sample."""
        if self._paint is None:
            return None
        with self._painting:  # data sets read their files one after the other
            return self._paint(sample)

    def explain(self, sample: int, other: int) -> PairAnswer:
        """Why two samples are alike: shares by layer, heat-maps where the inputs have places.

        Raises:
            KinsightError: what the kernel finds wrong with one of them.
        """
        with self._lock:
            if len(self._asked) > _MOST_KEPT:
                self._asked = {k: f for k, f in self._asked.items() if not f.done()}
            key = (sample, other)
            if key not in self._asked:
                self._asked[key] = self._worker.submit(self._made, sample, other)
            asked = self._asked[key]
        try:
            return asked.result(SECONDS)
        except KinsightError:
            with self._lock:
                self._asked.pop(key, None)  # asked again, it is tried again
            raise
        except OutOfTime as error:
            raise refusal(
                504, f"an explanation within {SECONDS:.0f} seconds", "none yet",
                "it goes on in the meantime; ask again in a while",
            ) from error  # fmt: skip

    def _made(self, sample: int, other: int) -> PairAnswer:
        x, y = (self._samples.take([i]) for i in (sample, other))
        return _said(self._kernel.explain(x, y))


def live_target(target: str, view: View) -> LiveTarget:
    """Network and data of MODULE:CALLABLE, after they were found to be those of the view.

    Cost: one look at all samples of a run, at up to four shards of a store.

    Raises:
        ImportTargetError, SubjectError: the function cannot be called, or returns something else.
        ArgumentError, StoreError: another network or other data.
    """
    from kinsight.explorer.run_view import RunView
    from kinsight.explorer.store_view import StoreView

    subject = load_target(target)
    if isinstance(view, StoreView):
        kernel = kernel_like(view.store.head, subject, None)
        view.store.check_kernel(kernel)
        _check_length(target, subject, view)
        spread = torch.linspace(0, len(view) - 1, 4).long()[None]
        check_stored(view.store, Batches(subject.data), spread)
    elif isinstance(view, RunView):
        identity = view.run.record["identity"]
        kernel = kernel_like({"identity": identity}, subject, None)
        _check_length(target, subject, view)
        _check_run(target, kernel, subject, identity)
    else:
        raise ImportTargetError(f"{target}: expected a run or a store beside it")
    return LiveTarget(kernel, subject.data, painter(subject.pictures, subject.data))


def _check_length(target: str, subject: Subject, view: View) -> None:
    if len(Batches(subject.data)) != len(view):
        raise ArgumentError(
            f"{target}: expected the {len(view):,} samples of {view.facts.path_name}, got "
            f"{len(Batches(subject.data)):,}; name the function that it was made with"
        )


def _check_run(
    target: str, kernel: TangentKernel, subject: Subject, identity: dict[str, Any]
) -> None:
    now = identity_of(kernel)
    other = [name for name in _COMPARED if now[name] != identity.get(name)]
    digest = DataDigest()
    for piece in Batches(subject.data).pieces(_BATCH):
        digest.add(piece.batch)
    if digest.hex() != identity.get("data"):
        other.append("data")
    if other:
        raise ArgumentError(
            f"{target}: expected network and data of the run, got another {', '.join(other)}; name "
            "the function that it was made with, which must return the same each time"
        )


def _said(found: Explanation) -> PairAnswer:
    layers = sorted(found.layers, key=lambda layer: -layer.share)
    return PairAnswer(
        similarity=found.similarity,
        shares=[Share(name=x.name, operator=x.operator, share=x.share) for x in layers],
        heat=_heat(found, "x"),
        other_heat=_heat(found, "y"),
        live=True,
    )


def _heat(found: Explanation, side: Any) -> HeatAnswer | None:
    try:
        values = found.heat(side).values
    except ArgumentError:  # the input has no places
        return None
    if values.dim() not in (1, 2):
        return None
    flat = values.reshape(-1).tolist()
    return HeatAnswer(shape=list(values.shape), values=finite(flat))
