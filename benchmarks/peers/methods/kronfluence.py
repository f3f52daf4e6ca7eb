"""kronfluence: pairwise scores with the strategy "identity": inner products of gradients."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task as Asked
from torch import Tensor
from torch.utils.data import TensorDataset

from peers.methods.base import TorchMethod, Ways
from peers.networks import own_class
from peers.tasks import WithOutput


class Output(Asked):
    """The output of the task as training loss and as measurement: both sides are its gradients."""

    def compute_train_loss(
        self, batch: Any, model: torch.nn.Module, sample: bool = False
    ) -> Tensor:
        """Σ f."""
        return model(*batch).sum()

    def compute_measurement(self, batch: Any, model: torch.nn.Module) -> Tensor:
        """Σ f."""
        return model(*batch).sum()


class Method(TorchMethod):
    """Linear and convolutional layers; parameters of others are left out by the package."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._place = tempfile.TemporaryDirectory()
        asked = Output()
        model = prepare_model(copy.deepcopy(WithOutput(self.task)), asked)
        self.analyzer = Analyzer(
            "benchmark", model, asked, cpu=True, disable_tqdm=True, output_dir=self._place.name
        )
        self.ours = TensorDataset(self.task.x, self.task.own)
        self.theirs = TensorDataset(self.task.y, self.task.own_y)
        self.analyzer.fit_all_factors(
            "identity", self.ours, per_device_batch_size=10,
            factor_args=FactorArguments(strategy="identity"), overwrite_output_dir=True,
        )  # fmt: skip

    def gram(self) -> Ways:
        """All samples against all."""
        return {f"batches of {a} and {b}": lambda a=a, b=b: self._scores(self.ours, a, b)
                for a, b in self.sizes}  # fmt: skip

    def cross(self) -> Ways:
        """x against y."""
        return {f"batches of {a} and {b}": lambda a=a, b=b: self._scores(self.theirs, a, b)
                for a, b in self.sizes}  # fmt: skip

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Batch sizes of queries and of training samples."""
        if self.task.name == "transformer":
            return (8, 8), (32, 8)
        return (50, 50), (100, 100), (len(self.ours), 100)

    def _scores(self, theirs: TensorDataset, queries: int, size: int) -> Tensor:
        self.analyzer.compute_pairwise_scores(
            "scores", "identity", self.ours, theirs, per_device_query_batch_size=queries,
            per_device_train_batch_size=size, score_args=ScoreArguments(damping_factor=0.0),
            overwrite_output_dir=True,
        )  # fmt: skip
        return self.analyzer.load_pairwise_scores("scores")["all_modules"]


def pairwise(
    model: torch.nn.Module, queries: tuple[Tensor, Tensor], samples: tuple[Tensor, Tensor],
    device: torch.device, dtype: torch.dtype | None,
) -> Tensor:  # fmt: skip
    """Inner products of inputs with their own classes, on a device: (Q, N)."""

    class OwnClass(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def forward(self, x: Tensor, own: Tensor) -> Tensor:
            return own_class(self.network(x), own)

    asked = Output()
    half = {} if dtype is None else {"amp_dtype": dtype, "per_sample_gradient_dtype": dtype,
                                     "precondition_dtype": dtype, "score_dtype": dtype}  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        analyzer = Analyzer(
            "gpu", prepare_model(copy.deepcopy(OwnClass()), asked), asked,
            cpu=device.type == "cpu", disable_tqdm=True, output_dir=place,
        )  # fmt: skip
        ours, theirs = TensorDataset(*samples), TensorDataset(*queries)
        analyzer.fit_all_factors(
            "identity", ours, per_device_batch_size=100,
            factor_args=FactorArguments(strategy="identity"), overwrite_output_dir=True,
        )  # fmt: skip
        analyzer.compute_pairwise_scores(
            "scores", "identity", theirs, ours, per_device_query_batch_size=1000,
            per_device_train_batch_size=200, overwrite_output_dir=True,
            score_args=ScoreArguments(damping_factor=0.0, **half),
        )  # fmt: skip
        return analyzer.load_pairwise_scores("scores")["all_modules"]
