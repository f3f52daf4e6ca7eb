"""From MODULE:CALLABLE to a store of sketches: called here, or by workers that are elsewhere."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from kinsight.checks import floating_type
from kinsight.engines import Engine, Ray
from kinsight.errors import ImportTargetError, KinsightWarning, SubjectError
from kinsight.files import storable
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.network import outputs
from kinsight.provenance.digest import described
from kinsight.run.job import Settings, kernel_for
from kinsight.run.tables import COMPUTED
from kinsight.sketching.columns import SURVEYED, Given
from kinsight.sketching.job import sketch
from kinsight.sketching.store import Store
from kinsight.store.record import mapping, sequence
from kinsight.subject.display import DISPLAYED
from kinsight.subject.labels import Labels, read_labels
from kinsight.subject.subject import Subject, check_lengths
from kinsight.subject.target import load_target

CLASS, TEXT = "class", "text"  # columns beside those of every store: the label's name, a text
_TAKEN = {*COMPUTED, *DISPLAYED, *SURVEYED, CLASS, TEXT}


@dataclass(frozen=True)
class Target:
    """A function that returns network and data; it can be called in any process.

    Args:
        name: MODULE:CALLABLE.
        changes: fields of the Subject, instead of what the function says.
        settings: type of numbers, device and memory of the kernel.
        folder: where a process of its own goes before it calls; ``None`` stays where it is.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    folder: str | None = None

    def subject(self) -> Subject:
        """What the function returns, with the changes.

        Raises:
            ImportTargetError, SubjectError: as :func:`~kinsight.subject.target.load_target`.
        """
        return replace(load_target(self.name), **self.changes)

    def __call__(self) -> tuple[TangentKernel, Any]:
        """Kernel and data, in a worker's process, which stays in ``folder``.

        Data may open further files by relative names for as long as they are read.
        """
        if self.folder is not None:
            try:
                os.chdir(self.folder)
            except OSError as error:
                raise ImportTargetError(
                    f"{self.name}: expected the folder {self.folder} on every machine of the "
                    f"cluster, got: {error.strerror}; put the code where each of them sees it"
                ) from error
        subject = self.subject()
        return kernel_for(subject, self.settings), subject.data


def sketch_target(target: Target, out: str, engine: Engine, **options: Any) -> Store:
    """:func:`kinsight.sketch` of a target, with its labels, names and columns.

    With Ray the workers call the target themselves: network and data are never sent.

    Raises:
        KinsightError: what the target, its network, its data or the folder has wrong with it.
    """
    subject = target.subject()
    given = given_of(subject)
    load = replace(target, folder=str(Path.cwd())) if isinstance(engine, Ray) else None
    if "://" not in out:
        out = str(Path(out).expanduser().absolute())  # workers may be in another folder
    return sketch(
        kernel_for(subject, target.settings), subject.data, out, engine=engine, load=load,
        ids=given.arrays.get("id"), labels=given.arrays.get("label"), **options,
        columns={n: v for n, v in given.arrays.items() if n not in ("id", "label")},
    )  # fmt: skip


def given_of(subject: Subject) -> Given:
    """What a store keeps of the samples beside what is computed.

    ``id`` names; ``label`` a class index (−1 missing), a real number, or a name where only names
    are known (whole numbers from 4,096 on are names); ``class`` its name where classes have
    some; ``text``; then the subject's own. Pictures, planted labels and the title are not kept.

    Raises:
        SubjectError: lengths differ, a column has a name that kinsight uses itself or cannot be
            stored.
    """
    check_lengths(subject)
    taken = [name for name in subject.columns or {} if name in _TAKEN]
    if taken:
        raise SubjectError(f"columns: {taken[0]!r} is a name kinsight uses itself; choose another")
    columns: dict[str, Any] = {}
    labels = None if subject.labels is None else read_labels(subject.labels, subject.classes)
    if subject.classes is not None and labels is not None:
        columns[CLASS] = pa.array(labels.shown(), pa.string())
    elif subject.classes is not None:
        warnings.warn(
            "classes: their names are kept beside labels=…; the labels in the data's own batches "
            "stay numbers",
            KinsightWarning,
            stacklevel=2,
        )
    if subject.texts is not None:
        columns[TEXT] = _texts(subject.texts)
    columns |= {name: _typed(name, values) for name, values in (subject.columns or {}).items()}
    ids = None if subject.names is None else _texts(subject.names)
    return Given(ids, None if labels is None else _kept(labels), columns)


def kernel_like(head: Mapping[str, Any], subject: Subject, device: str | None) -> TangentKernel:
    """The kernel of a subject with the output, parameters, normalization and precision that a
    store was made with, so that nobody has to type them again.

    An output function that is not one of kinsight's own must come from the subject.
    """
    identity = mapping(head.get("identity"), "head: identity")
    changes: dict[str, Any] = {
        "normalization": identity.get("normalization"),
        "parameters": list(sequence(identity.get("parameters"), "head: identity.parameters")),
    }
    held = identity.get("output")
    ours = (None, *(make() for make in _OUTPUTS), outputs.OwnClass("batch"))
    known = {described(function): function for function in ours}
    if held in known and held != described(subject.output):
        changes["output"] = known[held]
    dtype = floating_type("head: identity.dtype", getattr(torch, str(identity.get("dtype")), None))
    return kernel_for(replace(subject, **changes), Settings(dtype=dtype, device=device))


_OUTPUTS = (outputs.OwnClass, outputs.Logits, outputs.LogProbabilities, outputs.Fisher)


def _kept(labels: Labels) -> pa.Array:
    """Labels of one type, whichever of them a shard has."""
    if labels.real is not None:
        return pa.array(labels.real.numpy())
    if labels.numbered and labels.index is not None:
        return pa.array(labels.index.numpy())
    return pa.array(labels.shown(), pa.string())


def _texts(values: Any) -> pa.Array:
    return pa.array([storable(value) for value in values], pa.string())


def _typed(name: str, values: Any) -> pa.Array:
    """A column with one type for all shards, also those where every value is missing."""
    try:
        return pa.array(values.detach().cpu().numpy() if torch.is_tensor(values) else values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SubjectError(
            f"columns: expected numbers, texts or dates in {name!r}, one a sample, got what "
            f"cannot be stored: {error}; convert it, for example with str"
        ) from error
