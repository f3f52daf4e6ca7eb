"""A small Transformer on text, trained here in a minute: what does it take for the same sentence?

    export KINSIGHT_DATA=FOLDER
    kinsight doctor  examples/text_transformer.py:trained
    kinsight analyze examples/text_transformer.py:trained --out runs/text

FOLDER holds ``text_sst2/train.tsv``: one sentence, a tab, 0 or 1 a line (any two classes will do).
"""

import os
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import kinsight as ks

LONGEST = 32  # words of a sentence
WORDS = 6000  # of the vocabulary; 0 = padding, 1 = unknown
SHOWN = 2000  # sentences that are compared
EPOCHS = 4


class TextTransformer(nn.Module):
    """Words and positions embedded, two Transformer layers, the mean over words, two scores."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.words = nn.Embedding(WORDS, width, padding_idx=0)
        self.positions = nn.Parameter(0.02 * torch.randn(LONGEST, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.3, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        there = tokens != 0  # (N, T)
        x = self.layers(self.words(tokens) + self.positions, src_key_padding_mask=~there)
        mean = (x * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return self.head(mean)


def trained() -> dict:
    """The network trained on all sentences, and the first of them to look at."""
    sentences, labels = _read()
    tokens = _tokens(sentences)
    return {
        "model": _fit(tokens, labels),
        "data": tokens[:SHOWN],
        "labels": labels[:SHOWN],
        "classes": ["negative", "positive"],
        "texts": sentences[:SHOWN],
        "output": ks.outputs.OwnClass(),
        "title": "A small Transformer on sentences from film reviews",
    }


def _read() -> tuple[list[str], Tensor]:
    path = Path(os.environ.get("KINSIGHT_DATA", "")) / "text_sst2" / "train.tsv"
    if not path.is_file():
        raise FileNotFoundError("set KINSIGHT_DATA to the folder that holds text_sst2/train.tsv")
    rows = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [text for text, _ in rows], torch.tensor([int(label) for _, label in rows])


def _tokens(sentences: list[str]) -> Tensor:
    count = Counter(word for text in sentences for word in text.split())
    place = {word: i + 2 for i, (word, _) in enumerate(count.most_common(WORDS - 2))}
    tokens = torch.zeros(len(sentences), LONGEST, dtype=torch.long)
    for row, text in enumerate(sentences):
        found = [place.get(word, 1) for word in text.split()[:LONGEST]] or [1]
        tokens[row, : len(found)] = torch.tensor(found)
    return tokens


def _fit(tokens: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(0)
    model = TextTransformer().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(tokens)).split(64):
            loss = functional.cross_entropy(model(tokens[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()
