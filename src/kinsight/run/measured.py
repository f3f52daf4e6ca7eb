"""The metric on parameters that a run is asked for by name, fitted to the run's own samples."""

from collections.abc import Callable
from typing import Any, Literal

from kinsight import metrics
from kinsight.checks import one_of
from kinsight.errors import ArgumentError
from kinsight.kernel.metric import Euclidean, Metric
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.search.extras import optional

MetricKind = Literal["diagonal", "neuron", "kronecker"]
_FITS: dict[str, Callable[..., Metric]] = {
    "diagonal": metrics.diagonal_fisher,
    "neuron": metrics.block_fisher,
    "kronecker": metrics.kronecker,
}


def check_metric(metric: Any) -> None:
    """Refuse, before any work, what names no metric or needs what is not installed.

    Raises:
        ArgumentError: neither a name nor a fitted metric.
        MissingExtraError: Kronecker factors without curvlinops.
    """
    if metric is None or isinstance(metric, Metric):
        return
    if not isinstance(metric, str):
        raise ArgumentError(
            f"metric: expected one of {', '.join(map(repr, _FITS))}, a fitted one of "
            f"kinsight.metrics or None, got {metric!r:.60}"
        )
    if one_of("metric", metric, tuple(_FITS)) == "kronecker":
        optional("curvlinops", "kfac", "the Kronecker-factored metric")


def fitted(kernel: TangentKernel, metric: MetricKind | Metric | None, data: Any) -> Metric | None:
    """A metric by name fitted to ``data``, with the damping that is its default; others as given.

    Cost: one sweep over the data for the Fisher form, two for ``"kronecker"``.
    """
    return _FITS[metric](kernel, data) if isinstance(metric, str) else metric


def told_of(metric: MetricKind | Metric | None) -> str | None:
    """What the identity of a run keeps of it.

    A name is enough: network, samples and output, from which the metric follows, are there too,
    and its last bits may change with the size of batches.
    """
    return f"{metric}, fitted to these samples" if isinstance(metric, str) else _identity(metric)


def facts(metric: Metric) -> list[str] | None:
    """How it came about, in lines; None of the Euclidean one."""
    return None if isinstance(metric, Euclidean) else str(metric).splitlines()


def _identity(metric: Metric | None) -> str | None:
    return None if metric is None else metric.identity
