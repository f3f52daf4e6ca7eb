"""Follows on a fixed probe set what a network takes for the same, while it is trained."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, distributed, nn

from kinsight.checks import positive
from kinsight.errors import ArgumentError
from kinsight.network.batches import Batch
from kinsight.network.function import OutputFunction, unwrap
from kinsight.network.parameters import ParameterChoice, select_parameters
from kinsight.training.clock import Clock
from kinsight.training.folder import Folder
from kinsight.training.look import Look, Streaks, add_drift, look_at
from kinsight.training.looks import Looks
from kinsight.training.probe import Probe, Question
from kinsight.training.schema import samples_table
from kinsight.training.undisturbed import undisturbed


class Monitor(Looks):
    """Looks at a network now and then while it is trained, within a share of the time.

    Looks once when it is made, before the first step, then every ``every`` steps as far as the
    share allows. Each look computes K(x, x') of all pairs of the probe, in evaluation mode, and
    writes a row to one table and a table of the samples. Training goes on as if nothing had
    happened: mode, random states, buffers and gradients are put back, bit by bit.

    Args:
        model: the network that is trained, on its device, as it is or wrapped.
        probe: N samples, the same throughout, as data for the kernel; N² numbers are kept.
        every: steps from one look to the next, at least.
        folder: for the tables; the folder of the same probe and question goes on.
        labels: of the probe; whole numbers are classes, real ones values, −1 and NaN missing.
            None takes whole numbers that come with the samples. Without any the figures that
            need labels are null.
        share: of the training time that looks may take; a look that is due and would go beyond
            waits. The one at the start, and those asked for, count but do not wait. None: no limit.
        at_end: one more look when the monitor is closed after further steps.
        stays: looks in a row from which a suspected label is persistent.
        first_step: the step that training begins at; looks after it, from a run that was
            stopped later than its checkpoint, are taken back; 0 begins anew. None: that of the
            last look, or 0.
        output, parameters, forward, dtype, batch_size, memory_budget: as for
            :class:`~kinsight.TangentKernel`. D outputs cost D backward passes.
        tensorboard: write scalars and pictures as event files, too (``kinsight[tensorboard]``).

    In a process group only rank 0 looks.

    Cost of a look: one sweep over the probe, N² products, O(N³) in float64 for spectrum and
    suspects; memory of about 110 N² bytes, and a copy of the network's buffers.

    Raises:
        ArgumentError: a share outside (0, 1], ``every`` or ``stays`` below 1, a single sample,
            labels that do not fit.
        DataError: no samples. ParameterError: no parameters.
        RunFolderError: the folder holds something else.
        MissingExtraError: TensorBoard was asked for and is not installed.

    Example:
        >>> import tempfile, torch, kinsight as ks
        >>> model, x = torch.nn.Linear(2, 1), torch.randn(5, 2)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> folder = tempfile.mkdtemp() + "/monitor"
        >>> with ks.training.Monitor(model, x, every=2, folder=folder, share=None) as monitor:
        ...     for _ in range(4):
        ...         model(x).square().mean().backward()
        ...         optimizer.step()
        ...         looked = monitor.step()
        >>> monitor.table()["step"].to_pylist()
        [0, 2, 4]

        A linear network is as lazy as can be: its kernel stays.

        >>> monitor.table()["change_since_start"].to_pylist()
        [None, 0.0, 0.0]
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Any,
        *,
        folder: str | Path,
        every: int = 100,
        labels: Sequence[Any] | Tensor | None = None,
        share: float | None = 0.05,
        at_end: bool = False,
        stays: int = 3,
        first_step: int | None = None,
        output: OutputFunction | None = None,
        parameters: ParameterChoice = None,
        forward: Callable[[nn.Module, Batch], Any] | None = None,
        dtype: torch.dtype | None = None,
        batch_size: int | None = None,
        memory_budget: int | None = None,
        tensorboard: bool = False,
    ):
        self.every, self._stays = positive("every", every), positive("stays", stays)
        self._model, self.at_end = unwrap(model), at_end
        self._question = Question(output, parameters, forward, dtype, batch_size, memory_budget)
        self._names = list(select_parameters(self._model, parameters).chosen)
        self._clock = Clock(share)
        self._probe = Probe(probe, labels)
        self._leads, self._open = _leads(), True
        self._writer: Any = None
        self._step = self._looked_at = first_step or 0
        said = {**self._probe.said(), **self._question.said(), "parameters": self._names}
        if self._leads:
            self._begin(folder, said, first_step, tensorboard)
        else:
            self._folder = Folder(Path(folder), said, [])

    def step(self) -> bool:
        """To be called after each step of the optimiser; whether it looked."""
        return self.after_step(self._step + 1)

    def after_step(self, step: int) -> bool:
        """The same where the caller counts: ``step`` steps were made, over all epochs.

        Raises:
            ArgumentError: fewer than before, or the monitor is closed.
        """
        if not self._open:
            raise ArgumentError("expected an open monitor, got a closed one; make another")
        if step < self._step:
            raise ArgumentError(
                f"step: expected at least {self._step} as before, got {step}; count steps over "
                "all epochs, and say first_step= when training begins from a checkpoint"
            )
        self._step = step
        due = self._leads and step - self._looked_at >= self.every and self._clock.allows()
        if due:
            self.look()
        return due

    def look(self) -> None:
        """Look now, whatever the share."""
        if not self._leads:
            return
        began = time.time()
        _wait_for(self._model)
        with self._clock.looking():
            self._look(began)
        self._looked_at = self._step

    def close(self) -> None:
        """End; with ``at_end`` after one more look, if there were steps since the last."""
        if self._open and self._leads and self.at_end and self._step > self._looked_at:
            self.look()
        self._open = False
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.at_end = False
        self.close()

    def _begin(
        self, folder: str | Path, said: dict[str, Any], first_step: int | None, tensorboard: bool
    ) -> None:
        """Open the folder, go on from its last look, or look for the first time."""
        if tensorboard:  # before anything is written: it may not be installed
            from kinsight.training.events import Events, require

            require()
        self._folder = Folder.open(folder, said)
        if first_step is not None:
            self._folder.back_to(first_step)
        self._streaks = Streaks.none(len(self._probe), self._stays)
        self._start = self._last = None
        rows = self._folder.rows
        if rows:
            self._go_on(rows[-1], first_step)
        if tensorboard:
            self._writer = Events(self.path / "tensorboard", self._step if rows else -1)
        if not rows:
            self.look()

    def _go_on(self, row: dict[str, Any], first_step: int | None) -> None:
        number, count = len(self) - 1, len(self._probe)
        self._start = self._folder.kernel(0, count)
        self._last = self._folder.kernel(number, count)
        self._step = row["step"] if first_step is None else first_step
        self._looked_at = row["step"]
        self._clock = Clock(
            self._clock.share, row["seconds"], row["spent_seconds"], row["look_seconds"]
        )
        if self._probe.targets is not None:
            table = self._folder.samples(number)
            total, row_ = (
                torch.tensor(table[name].to_pylist()) for name in ("looks_suspected", "in_a_row")
            )
            self._streaks = Streaks(total, row_, self._stays)

    def _look(self, began: float) -> None:
        probe = self._probe
        with undisturbed(self._model):
            kernel = self._question.kernel(self._model, self._names)
            gram = kernel.inner(probe.data)
            predicted = probe.predicted(kernel.function, kernel.engine.batch_size)
        found = look_at(gram, probe.targets, predicted, self._streaks)
        add_drift(found, self._start, self._last)
        samples = self._columns(found)
        row = {
            "look": len(self),
            "step": self._step,
            **self._clock.said(),
            **found.figures,
        }
        self._folder.add(row, samples_table(samples, len(probe)), found.gram)
        self._keep(found)
        if self._writer is not None:
            self._writer.write(self._folder.rows[-1], found, probe.classes, began)

    def _columns(self, found: Look) -> dict[str, Tensor]:
        targets = self._probe.targets
        if targets is None:
            return found.samples
        one = targets.index if targets.kind == "classes" else targets.values[:, 0]
        known = targets.present & (targets.values.shape[1] == 1 or targets.kind == "classes")
        return {"label": one.double().masked_fill(~known, torch.nan), **found.samples}

    def _keep(self, found: Look) -> None:
        self._start = found.gram if self._start is None else self._start
        self._last = found.gram
        if "in_a_row" in found.samples:
            seen = found.samples["looks_suspected"], found.samples["in_a_row"]
            self._streaks = Streaks(*seen, self._stays)


def _leads() -> bool:
    """Whether this process writes: the first of a group, or one without."""
    ready = distributed.is_available() and distributed.is_initialized()
    return not ready or distributed.get_rank() == 0


def _wait_for(model: nn.Module) -> None:
    """Let the device finish training's work, which is not the look's."""
    device = next(model.parameters()).device
    if device.type not in ("cpu", "meta"):
        torch.get_device_module(device.type).synchronize()
