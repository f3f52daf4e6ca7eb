"""The monitor in a real Lightning Trainer: same bits, steps of the optimiser, a restart."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import kinsight as ks
from training.cases import data, network

lightning = pytest.importorskip(
    "lightning.pytorch", reason="lightning is not installed: pip install 'kinsight[lightning]'"
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)

    def training_step(self, batch, index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, index: int) -> None:
        self.log("loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.02)


def fit(folder, callbacks, epochs: int = 3, module: Module | None = None, **more) -> Module:
    torch.manual_seed(1)
    module = module or Module()
    torch.manual_seed(2)
    checkpoint = more.pop("ckpt_path", None)
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=callbacks, logger=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        enable_checkpointing=False, **more,
    )  # fmt: skip
    loader = DataLoader(TensorDataset(*data()), batch_size=8, shuffle=True)
    trainer.fit(module, loader, loader, ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / "last.ckpt")
    return module


def watching(folder, **more) -> "ks.training.LightningMonitor":
    settings = {"every": 2, "share": None, "folder": folder / "looks", **more}
    return ks.training.LightningMonitor(data(), **settings)


def test_training_is_the_same_with_and_without(tmp_path) -> None:
    callback = watching(tmp_path, at_end=True)
    watched, alone = fit(tmp_path, [callback]), fit(tmp_path, [])
    torch.testing.assert_close(watched.state_dict(), alone.state_dict(), rtol=0, atol=0)
    assert isinstance(callback, lightning.Callback)
    table = callback.monitor.table()
    assert table["step"].to_pylist() == [0, 2, 4, 6, 8, 9]
    assert table["change_since_start"][-1].as_py() > 0


def test_steps_are_those_of_the_optimiser_and_a_part_may_be_named(tmp_path) -> None:
    callback = watching(tmp_path, every=1, network="network")
    fit(tmp_path, [callback], accumulate_grad_batches=3, precision="bf16-mixed")
    assert callback.monitor.table()["step"].to_pylist() == [0, 1, 2, 3]
    alone = ks.training.Monitor(Module().network, data(), folder=tmp_path / "b", share=None)
    assert callback.monitor._folder.record["parameters"] == alone._folder.record["parameters"]


def test_a_fit_from_a_checkpoint_goes_on(tmp_path) -> None:
    module = fit(tmp_path, [watching(tmp_path)], epochs=2)
    again = watching(tmp_path)
    fit(tmp_path, [again], epochs=3, module=module, ckpt_path=tmp_path / "last.ckpt")
    assert again.monitor.table()["step"].to_pylist() == [0, 2, 4, 6, 8]
