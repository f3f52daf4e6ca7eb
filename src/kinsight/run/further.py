"""Further tables of a run whose pairs are compared: those that are missing are added.

Each is written whole and then named in run.json under ``tables``, or, where it does not apply,
its reason under ``left_out``; ``further`` lists what was settled. So a run that was stopped goes
on with the next one, and a finished run of before gets what it lacks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinsight.files import write_table
from kinsight.kernel.exact_source import ExactSource
from kinsight.kernel.neighbours import Neighbours
from kinsight.kernel.tangent_kernel import TangentKernel
from kinsight.progress import bar
from kinsight.run.addition import Addition
from kinsight.run.beside import beside
from kinsight.run.explained import NEAREST, explain, shown_suspects
from kinsight.run.folder import RunFolder
from kinsight.run.placed import LANDMARKS, MapKind, place
from kinsight.run.record import put
from kinsight.run.tables import neighbours_in


@dataclass(frozen=True)
class Further:
    """A run, and what its further tables are made from."""

    run: RunFolder
    kernel: TangentKernel
    source: ExactSource
    map: MapKind | None
    progress: bool | None

    def add_missing(self) -> RunFolder:
        """The run with every table that it lacked."""
        steps: dict[str, Callable[[], Addition]] = {
            "map": self._place,
            "beside": self._beside,
            "explanations": self._explain,
        }
        run = self.run
        for name, step in steps.items():
            if not self._settled(name):
                run = _added(run.path, name, step())
        return run

    def _settled(self, name: str) -> bool:
        record = self.run.record
        if name == "map" and self.map is not None and self.run.has("map"):
            told = record.get("map")
            return isinstance(told, dict) and told.get("kind") == self.map
        listed = record.get("further")
        return self.run.has(name) or (isinstance(listed, list) and name in listed)

    def _nearest(self) -> Neighbours:
        return neighbours_in(self.run.table("neighbours"), len(self.source))

    def _place(self) -> Addition:
        total = len(self.source) + min(LANDMARKS, len(self.source))
        with bar("placing samples", total, "samples", self.progress) as shown:
            self.source.watch(shown.advance)
            found = place(self.source, self._nearest(), self.map or "principal")
            self.source.watch(None)
        return found

    def _beside(self) -> Addition:
        k = self._nearest().indices.shape[1]
        with bar("other views", 1, "tables", self.progress) as shown:
            found = beside(self.kernel, self.source.samples, k)
            shown.advance(1)
        return found

    def _explain(self) -> Addition:
        suspects = shown_suspects(self.run.table("samples"))
        pairs = NEAREST * len(suspects)
        with bar("explaining suspects", pairs, "pairs", self.progress) as shown:
            data = self.source.samples
            return explain(self.kernel, data, suspects, self._nearest(), shown.advance)


def _added(out: Path, name: str, found: Addition) -> RunFolder:
    """The run with one step settled: its table on disk, then run.json."""
    record = RunFolder(out).record
    tables = {other: entry for other, entry in record["tables"].items() if other != name}
    if found.table is not None:
        write_table(out / f"{name}.parquet", found.table)
        tables[name] = {"file": f"{name}.parquet", "rows": found.table.num_rows}
    listed = record.get("further")
    kept = [text for text in record["left_out"] if not text.startswith(name)]
    return put(
        out,
        tables=tables,
        left_out=kept + found.left_out,
        further=sorted({*(listed if isinstance(listed, list) else []), name}),
        **found.record,
    )
