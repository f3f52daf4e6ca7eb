"""What a monitor wrote, for reading: the table of looks, the samples, who stays suspect."""

from pathlib import Path
from typing import TYPE_CHECKING

from kinsight.drawing.notebook import Shown, table_html
from kinsight.errors import ArgumentError
from kinsight.training.folder import Folder
from kinsight.training.schema import looks_table

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure


class Looks(Shown):
    """The looks in a folder of :class:`Monitor`, also while the training still runs.

    Args:
        folder: that the monitor writes to.

    Raises:
        RunFolderError: no such folder, or a damaged one.
    """

    _folder: Folder

    def __init__(self, folder: str | Path):
        self._folder = Folder.read(folder)

    def __len__(self) -> int:
        """How many looks there are."""
        return len(self._folder.rows)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    def table(self) -> "pa.Table":
        """One row a look: the columns of docs/training.md. Null = was not or cannot be said."""
        return looks_table(self._folder.rows)

    def samples(self, look: int = -1) -> "pa.Table":
        """One row a sample of the probe at a look, by number; −1 is the last one.

        Raises:
            ArgumentError: there is no such look.
        """
        count = len(self)
        if not -count <= look < count:
            raise ArgumentError(f"look: expected a number below {count}, got {look!r}")
        return self._folder.samples(look % count)

    def persistent(self, look: int = -1) -> list[int]:
        """Samples whose label was suspected in each of the last looks, most suspected first.

        How many looks that takes is ``stays`` of the monitor.
        """
        return self._marked("persistent", look)

    def memorised(self, look: int = -1) -> list[int]:
        """Samples whose label the others contradict and the network gives, most suspected first."""
        return self._marked("memorised", look)

    def since(self, column: str, look: int = -1) -> dict[int, int]:
        """For the samples marked at a look, the step of the first look of this unbroken run.

        Args:
            column: of the samples, true or false: ``"memorised"``, ``"suspected"``,
                ``"persistent"``.

        Raises:
            ArgumentError: another column.
        """
        if column not in ("memorised", "suspected", "persistent"):
            raise ArgumentError(
                f"column: expected 'memorised', 'suspected' or 'persistent', got {column!r}"
            )
        number = len(self) + look if look < 0 else look
        found = self._marked_at(column, number)
        running = set(found)
        while running and number > 0:
            number -= 1
            earlier = self._marked_at(column, number)
            running &= set(earlier)
            found |= {i: earlier[i] for i in running}
        return found

    def figure(self) -> "Figure":
        """Six panels over the steps: drift, similarities, crowd, spectrum, fit, suspects."""
        from kinsight.training.pictures import overview

        return overview(self.table())

    def plot(self) -> "Figure":
        """The same as :meth:`figure`."""
        return self.figure()

    def _marked_at(self, column: str, look: int) -> dict[int, int]:
        step = int(self._folder.rows[look]["step"])
        return dict.fromkeys(self._marked(column, look), step)

    def _marked(self, column: str, look: int) -> list[int]:
        table = self.samples(look)
        ranks, marks = table["suspect_rank"].to_pylist(), table[column].to_pylist()
        marked = [i for i, mark in enumerate(marks) if mark]
        return sorted(marked, key=lambda i: ranks[i])

    def _numbers(self) -> list[tuple[str, str]]:
        if not len(self):
            return [("looks", "0")]
        last = self._folder.rows[-1]
        share = last["share_used"]
        allowed = last["share_allowed"]
        rows: list[tuple[str, str | None]] = [
            ("folder", str(self.path)),
            ("looks", f"{len(self):,}"),
            ("last at step", f"{last['step']:,}"),
            ("samples", f"{self._folder.record['samples']:,}"),
            ("share of the training time", None if share is None else f"{share:.1%}"),
            ("share allowed", "any" if allowed is None else f"{allowed:.1%}"),
            ("kernel changed since the start", _number(last["change_since_start"])),
            ("effective rank", _number(last["effective_rank"])),
            ("labels", None if self._folder.record["labels"] else "none: no figures on labels"),
            ("suspects", _number(last["suspects"])),
            ("persistent suspects", _number(last["persistent_suspects"])),
        ]
        return [(name, value) for name, value in rows if value is not None]

    def _repr_html_(self) -> str:
        """As every result; before the first look, the table alone."""
        if not len(self):
            return table_html(type(self).__name__, self._numbers())
        return super()._repr_html_()


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
