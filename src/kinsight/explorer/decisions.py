"""What a person decided about samples, in RUN/decisions.sqlite: on disk before it is answered."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kinsight.errors import ArgumentError, RunFolderError

FILE = "decisions.sqlite"
KINDS = ("keep", "relabel", "drop")
LONGEST_LABEL = 1000
VERSION = 1
_WAIT = 10.0  # seconds for another process that is writing
_STATE = """CREATE TABLE decisions (
    sample INTEGER NOT NULL, data TEXT NOT NULL, decision TEXT NOT NULL, label TEXT,
    at TEXT NOT NULL, PRIMARY KEY (sample, data))"""
_HISTORY = """CREATE TABLE history (
    step INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL, sample INTEGER NOT NULL,
    decision TEXT, label TEXT, at TEXT)"""


@dataclass(frozen=True)
class Decision:
    """What was decided about one sample."""

    sample: int
    decision: str  # one of KINDS
    label: str | None  # the new one, of "relabel"
    at: str  # when, in UTC


class Decisions:
    """The decisions about the samples of one data set; those about other data stay in the file.

    Every change is one transaction, flushed to the disk before it returns; two processes may
    write at once. Nothing is made until the first decision.

    Args:
        folder: the run, or a store on this machine.
        data: digest of the data that the decisions are about.
        count: N.
    """

    def __init__(self, folder: Path, data: str, count: int):
        self.path = folder / FILE
        self.data = data
        self.count = count

    def all(self) -> list[Decision]:
        """Those about this data, by number of the sample.

        Raises:
            RunFolderError: the file is damaged, of another version or of something else.
        """
        with self._opened() as file:
            if file is None:
                return []
            rows = file.execute(
                "SELECT sample, decision, label, at FROM decisions WHERE data = ? ORDER BY sample",
                (self.data,),
            ).fetchall()
        return [self._read(row) for row in rows]

    def of(self, sample: int) -> Decision | None:
        """The one about a sample."""
        with self._opened() as file:
            return None if file is None else self._present(file, sample)

    def undoable(self) -> int:
        """How many steps can be undone."""
        with self._opened() as file:
            return 0 if file is None else self._steps(file)

    def elsewhere(self) -> int:
        """How many decisions in the file are about other data."""
        with self._opened() as file:
            if file is None:
                return 0
            said = "SELECT COUNT(*) FROM decisions WHERE data <> ?"
            return int(file.execute(said, (self.data,)).fetchone()[0])

    def decide(self, sample: int, decision: str, label: str | None = None) -> int:
        """Keep a decision in place of the one before; how many steps can be undone then.

        Raises:
            ArgumentError: no such sample or decision; ``relabel`` without a label, others with.
            RunFolderError: it cannot be written.
        """
        self._check(sample)
        if decision not in KINDS:
            raise ArgumentError(f"decision: expected one of {', '.join(KINDS)}, got {decision!r}")
        if (label is not None) != (decision == "relabel"):
            raise ArgumentError("label: expected one with relabel, and none with keep and drop")
        if label is not None and not 0 < len(label) <= LONGEST_LABEL:
            raise ArgumentError(f"label: expected 1 to {LONGEST_LABEL:,} letters")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._writing() as file:
            self._remember(file, sample)
            self._put(file, Decision(sample, decision, label, now))
            return self._steps(file)

    def withdraw(self, sample: int) -> int:
        """Forget the decision about a sample, which can be undone; as :meth:`decide`."""
        self._check(sample)
        if not self.path.is_file():
            return 0
        with self._writing() as file:
            if self._present(file, sample) is not None:
                self._remember(file, sample)
                self._remove(file, sample)
            return self._steps(file)

    def undo(self) -> tuple[int, Decision | None, int] | None:
        """Take the last step back: its sample, what it is now, and how many steps remain.

        None where there is no step.
        """
        if not self.path.is_file():
            return None
        with self._writing() as file:
            row = file.execute(
                "SELECT step, sample, decision, label, at FROM history WHERE data = ? "
                "ORDER BY step DESC LIMIT 1",
                (self.data,),
            ).fetchone()
            if row is None:
                return None
            file.execute("DELETE FROM history WHERE step = ?", (row[0],))
            self._remove(file, row[1])
            before = self._read(row[1:]) if row[2] is not None else None
            if before is not None:
                self._put(file, before)
            return int(row[1]), before, self._steps(file)

    def _remember(self, file: sqlite3.Connection, sample: int) -> None:
        """Write down what a sample was, before it changes."""
        old = self._present(file, sample)
        values = (None, None, None) if old is None else (old.decision, old.label, old.at)
        file.execute(
            "INSERT INTO history (data, sample, decision, label, at) VALUES (?, ?, ?, ?, ?)",
            (self.data, sample, *values),
        )

    def _present(self, file: sqlite3.Connection, sample: int) -> Decision | None:
        row = file.execute(
            "SELECT sample, decision, label, at FROM decisions WHERE sample = ? AND data = ?",
            (sample, self.data),
        ).fetchone()
        return None if row is None else self._read(row)

    def _put(self, file: sqlite3.Connection, new: Decision) -> None:
        file.execute(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?)",
            (new.sample, self.data, new.decision, new.label, new.at),
        )

    def _remove(self, file: sqlite3.Connection, sample: int) -> None:
        file.execute("DELETE FROM decisions WHERE sample = ? AND data = ?", (sample, self.data))

    def _steps(self, file: sqlite3.Connection) -> int:
        said = "SELECT COUNT(*) FROM history WHERE data = ?"
        return int(file.execute(said, (self.data,)).fetchone()[0])

    def _read(self, row: tuple) -> Decision:
        sample, decision, label, at = row
        fits = isinstance(sample, int) and 0 <= sample < self.count and decision in KINDS
        if not fits or not isinstance(at, str) or not isinstance(label, str | None):
            raise RunFolderError(
                f"{self.path}: expected {', '.join(KINDS)} of samples 0 to {self.count - 1:,}, got "
                f"{decision!r:.40} of {sample!r:.40}; the file was changed, move it away"
            )
        return Decision(sample, decision, label, at)

    def _check(self, sample: int) -> None:
        if not 0 <= sample < self.count:
            raise ArgumentError(f"sample: expected 0 to {self.count - 1:,}, got {sample}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on disk when this ends, or nothing is changed."""
        do = "free some room, or see whether the folder can be written to"
        with self._connected("rwc", do) as file:
            file.execute("BEGIN IMMEDIATE")
            try:
                if not self._recognised(file):
                    for said in (_STATE, _HISTORY, f"PRAGMA user_version = {VERSION}"):
                        file.execute(said)
                yield file
                file.execute("COMMIT")
            except BaseException:
                if file.in_transaction:
                    file.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """To read; None where nothing was decided yet.

        Not read-only: what a killed process left half done is taken back first.
        """
        if not self.path.is_file():
            yield None
            return
        with self._connected("rw", "see whether it can be read, or move it away") as file:
            yield file if self._recognised(file) else None

    @contextmanager
    def _connected(self, mode: str, do: str) -> Iterator[sqlite3.Connection]:
        where = f"{self.path.resolve().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(where, uri=True, timeout=_WAIT, isolation_level=None)
            ) as file:
                file.execute("PRAGMA trusted_schema = OFF")
                file.execute("PRAGMA synchronous = EXTRA")  # the folder is flushed as well
                yield file
        except sqlite3.Error as error:
            raise RunFolderError(
                f"{self.path}: expected the decisions of the explorer, got: {error}; {do}"
            ) from error

    def _recognised(self, file: sqlite3.Connection) -> bool:
        """Whether our tables are there; False for a file that is still empty.

        Raises:
            RunFolderError: anything else, which could run code of somebody else.
        """
        version = file.execute("PRAGMA user_version").fetchone()[0]
        kept = {
            (kind, " ".join((sql or "").split()))
            for kind, name, sql in file.execute("SELECT type, name, sql FROM sqlite_master")
            if not name.startswith("sqlite_")
        }
        if (version, kept) == (0, set()):
            return False
        ours = {("table", " ".join(sql.split())) for sql in (_STATE, _HISTORY)}
        if version != VERSION or kept != ours:
            what = "other tables" if version == VERSION else f"version {version}"
            raise RunFolderError(
                f"{self.path}: expected the decisions of this version of the explorer, got {what}; "
                "move the file away, or open it with the version that wrote it"
            )
        return True
