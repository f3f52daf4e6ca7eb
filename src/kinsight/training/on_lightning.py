"""The monitor as a callback of Lightning: made when the fit begins, told of every batch."""

from typing import TYPE_CHECKING, Any

from kinsight.search.extras import optional
from kinsight.training.monitor import Monitor

if TYPE_CHECKING:
    from torch import nn


class LightningHooks:
    """What ``ks.training.LightningMonitor`` adds to ``lightning.pytorch.Callback``.

    Args:
        probe: as for :class:`~kinsight.training.Monitor`.
        network: where in the LightningModule the network is, a name such as ``"model"``; None
            takes the LightningModule itself, whose ``forward`` is then asked.
        settings: further arguments of :class:`~kinsight.training.Monitor`; steps are those of
            the optimiser (``trainer.global_step``).

    ``monitor`` is the Monitor, from the beginning of the fit on.
    """

    monitor: Monitor | None = None

    def __init__(self, probe: Any, *, network: str | None = None, **settings: Any):
        super().__init__()
        self._probe, self._network, self._settings = probe, network, settings

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look for the first time, or go on in the folder."""
        model = pl_module if self._network is None else pl_module.get_submodule(self._network)
        settings = {"first_step": trainer.global_step, **self._settings}
        self.monitor = Monitor(model, self._probe, **settings)

    def on_train_batch_end(
        self, trainer: Any, pl_module: "nn.Module", outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One batch more; a step more unless gradients are accumulated."""
        if self.monitor is not None:
            self.monitor.after_step(trainer.global_step)

    def on_train_end(self, trainer: Any, pl_module: "nn.Module") -> None:
        """Close."""
        if self.monitor is not None:
            self.monitor.close()


def lightning_monitor() -> type:
    """The class, made when it is asked for: its base is a class of Lightning.

    Raises:
        MissingExtraError: lightning is not installed.
    """
    callbacks = optional("lightning.pytorch.callbacks", "lightning", "LightningMonitor")
    members = {"__module__": "kinsight.training", "__doc__": LightningHooks.__doc__}
    return type("LightningMonitor", (LightningHooks, callbacks.Callback), members)
