"""What a person hands over: a network, its data, and what is known about the samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from kinsight.errors import SubjectError
from kinsight.kernel.whitening import Normalization
from kinsight.network.batches import Batches
from kinsight.network.parameters import ParameterChoice


@dataclass(frozen=True)
class Subject:
    """A trained network and a data set, with whatever helps a person to recognise a sample.

    Only the first two are needed. N is the number of samples.

    Args:
        model: the network, in evaluation mode.
        data: a tensor, a tuple or dict of tensors, a Dataset or an unshuffled DataLoader.
        labels: N class indices or names; a missing one is None, NaN or negative. Or N real
            numbers, NaN where missing. Default: the integer labels of the data's batches.
        classes: name of each class index.
        output, parameters, normalization, forward: as for ``kinsight.TangentKernel``.
        names: N short names, such as file names.
        texts: N texts to show.
        pictures: N pictures to show: an array (N, H, W), (N, H, W, C) or (N, C, H, W), a
            sequence of arrays, PIL images or paths, or a callable from position to one of these.
            Default: the data itself where it looks like pictures.
        signals: N waveforms to show: an array (N, C, T) or (N, T), a sequence of arrays (C, T)
            or (T,), or a callable from position to one of these; all of one length. Default: the
            data itself where it is real numbers (N, C ≤ 8, T ≥ 64) and there are no pictures.
        features: names of the columns where the data are a table (N, d ≤ 256) of real numbers.
            Such rows are kept also without names, unless the samples are pictures or waveforms.
        columns: further columns for samples.parquet, N values each.
        planted: position → right label, for labels changed on purpose to see how many are found.
        title: what to call it in the report.
    """

    model: nn.Module
    data: Any
    labels: Sequence[Any] | Tensor | None = None
    classes: Sequence[str] | None = None
    output: Callable[[Any, Any], Any] | None = None
    parameters: ParameterChoice = None
    normalization: Normalization = "whitened"
    forward: Callable[[nn.Module, Any], Any] | None = None
    names: Sequence[str] | None = None
    texts: Sequence[str] | None = None
    pictures: Any = None
    signals: Any = None
    features: Sequence[str] | None = None
    columns: Mapping[str, Sequence[Any]] | None = None
    planted: Mapping[int, Any] | None = None
    title: str | None = None


_FORMS = (
    "a Subject, a dict with the keys of one (model, data, and as you like labels, output, names, "
    "pictures, signals, …), or a tuple (model, data) or (model, data, labels)"
)


def as_subject(value: Any) -> Subject:
    """A Subject from what a user's callable returned.

    Raises:
        SubjectError: another type, an unknown key, no model or no data.
    """
    if isinstance(value, Subject):
        return value
    if isinstance(value, tuple) and len(value) in (2, 3):
        return Subject(*value)
    if not isinstance(value, Mapping):
        raise SubjectError(f"expected {_FORMS}; got {type(value).__name__}")
    known = {field.name for field in fields(Subject)}
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise SubjectError(
            f"unknown key {unknown[0]!r}; expected some of {', '.join(sorted(known))}"
        )
    missing = [key for key in ("model", "data") if key not in value]
    if missing:
        raise SubjectError(f"expected {_FORMS}; {missing[0]!r} is missing")
    return Subject(**value)


def check_lengths(subject: Subject) -> int:
    """N, after everything that belongs to the samples was found to have that length.

    Raises:
        SubjectError: a length differs, or a planted position lies outside.
    """
    count = len(Batches(subject.data))
    listed = {"labels": subject.labels, "names": subject.names, "texts": subject.texts}
    media = {"pictures": subject.pictures, "signals": subject.signals}
    listed |= {what: values for what, values in media.items() if not callable(values)}
    listed |= {f"column {name!r}": values for name, values in (subject.columns or {}).items()}
    for what, values in listed.items():
        if values is not None and len(values) != count:
            raise SubjectError(
                f"{what}: expected one for each of the {count} samples, got {len(values)}"
            )
    for position in subject.planted or {}:
        if isinstance(position, bool) or not 0 <= int(position) < count:
            raise SubjectError(
                f"planted: expected positions from 0 to {count - 1}, got {position!r}"
            )
    return count
