"""What a run found, in sentences: those of its report."""

import pyarrow as pa

from kinsight.explorer.files import File
from kinsight.explorer.view import told
from kinsight.run.folder import RunFolder

MEDIA = ("pictures", "signals", "inputs", "explanations")
_TOLD = frozenset(
    {"sample", "density", "label", "predicted", "fit", "suspect_rank", "contradicted",
     "proposed_label", "planted_label", "set_apart"}
)  # fmt: skip


def sentences_of(run: RunFolder) -> list[str]:
    """The summary of the report, as far as it can be told; each at most 1,000 characters."""
    from kinsight.report.summary import findings  # draws figures too: a second to import

    try:
        return [told(text, 1000) for text in findings(_Narrow(run.path))]
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return [f"What was found cannot be told: run.json is not as analyze writes it ({error!r})."]


class _Narrow(RunFolder):
    """A run with only what its sentences need: lists of all columns would take minutes."""

    def table(self, name: str) -> pa.Table:
        """The table, of the samples some columns."""
        if name != "samples":
            return super().table(name)
        file = File(self, "samples")
        return file.read([n for n in file.schema.names if n in _TOLD])

    def has(self, name: str) -> bool:
        """No media."""
        return name not in MEDIA and super().has(name)
