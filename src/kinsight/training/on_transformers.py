"""The monitor as a callback of the Hugging Face Trainer: made as training begins, told of steps."""

from typing import Any

from kinsight.search.extras import optional
from kinsight.training.monitor import Monitor


class TransformersHooks:
    """What ``ks.training.TransformersMonitor`` adds to ``transformers.TrainerCallback``.

    Args:
        probe: as for :class:`~kinsight.training.Monitor`: a dict of tensors, or a data set of
            dicts, with the names of ``model.forward``'s arguments.
        settings: further arguments of :class:`~kinsight.training.Monitor`; steps are those of
            the optimiser (``state.global_step``).

    ``monitor`` is the Monitor, from the beginning of training on.
    """

    monitor: Monitor | None = None

    def __init__(self, probe: Any, **settings: Any):
        super().__init__()
        self._probe, self._settings = probe, settings

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Look for the first time, or go on in the folder."""
        settings = {"first_step": state.global_step, **self._settings}
        self.monitor = Monitor(given["model"], self._probe, **settings)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """One step of the optimiser more."""
        if self.monitor is not None:
            self.monitor.after_step(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Close."""
        if self.monitor is not None:
            self.monitor.close()


def transformers_monitor() -> type:
    """The class, made when it is asked for: its base is a class of transformers.

    Raises:
        MissingExtraError: transformers or accelerate is not installed.
    """
    optional("accelerate", "transformers", "the Trainer")
    library = optional("transformers", "transformers", "TransformersMonitor")
    members = {"__module__": "kinsight.training", "__doc__": TransformersHooks.__doc__}
    return type("TransformersMonitor", (TransformersHooks, library.TrainerCallback), members)
