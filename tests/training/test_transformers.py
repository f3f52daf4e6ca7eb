"""The monitor in a real Hugging Face Trainer: same bits, a dict of inputs, half precision."""

import copy

import pytest
import torch
from torch.utils.data import Dataset

import kinsight as ks

for package in ("accelerate", "transformers"):
    pytest.importorskip(
        package, reason=f"{package} is not installed: pip install 'kinsight[transformers]'"
    )
import transformers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Sentences(Dataset):
    """Random words; the label is whether word 7 is among them."""

    def __init__(self, count: int = 16):
        generator = torch.Generator().manual_seed(0)
        self.words = torch.randint(8, 30, (count, 6), generator=generator)
        self.words[::2, 2] = 7

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> dict:
        words = self.words[index]
        return {
            "input_ids": words,
            "attention_mask": torch.ones_like(words),
            "labels": int((words == 7).any()),
        }


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=8, num_labels=2,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(sizes)


def fit(folder, model, callbacks, **more) -> dict:
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 4, "learning_rate": 1e-2}
    arguments = transformers.TrainingArguments(
        str(folder), use_cpu=True, report_to=[], save_strategy="no", seed=3, disable_tqdm=True,
        **{**settings, **more},
    )  # fmt: skip
    trainer = transformers.Trainer(model, arguments, train_dataset=Sentences(), callbacks=callbacks)
    trainer.train()
    return model.state_dict()


@pytest.mark.parametrize("bf16", [False, True])
def test_training_is_the_same_with_and_without(tmp_path, bf16) -> None:
    callback = ks.training.TransformersMonitor(
        Sentences(), every=4, share=None, folder=tmp_path / "looks", at_end=True
    )
    assert isinstance(callback, transformers.TrainerCallback)
    model = network()
    first = ks.TangentKernel(copy.deepcopy(model).eval(), normalization="trace")
    probe = Sentences()
    expected = first.similarity([probe[i] for i in range(len(probe))])
    watched = fit(tmp_path, model, [callback], bf16=bf16)
    alone = fit(tmp_path, network(), [], bf16=bf16)
    torch.testing.assert_close(watched, alone, rtol=0, atol=0)
    table = callback.monitor.table()
    assert table["step"].to_pylist() == [0, 4, 8, 12]
    # In full precision, whatever the Trainer casts to.
    assert table["density_mean"][0].as_py() == pytest.approx(
        float(expected.sum(1).mean()), rel=1e-5
    )
    assert table["similarity_within"][-1].is_valid


def test_accumulated_batches_are_one_step_and_a_second_fit_begins_again(tmp_path) -> None:
    def watching() -> "ks.training.TransformersMonitor":
        return ks.training.TransformersMonitor(
            Sentences(), every=1, share=None, folder=tmp_path / "looks"
        )

    for _ in range(2):
        callback = watching()
        fit(tmp_path, network(), [callback], gradient_accumulation_steps=2, num_train_epochs=1)
        assert callback.monitor.table()["step"].to_pylist() == [0, 1, 2]
