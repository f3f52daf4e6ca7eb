"""scikit-learn's digits with some labels flipped, and a network trained on them in seconds."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from kinsight.network import outputs
from kinsight.progress import bar
from kinsight.subject.subject import Subject

FLIPPED = 72  # of 1,797 labels, 4 %
_EPOCHS = 30
_BATCH = 64
_SEED = 0


def digits(progress: bool | None = None) -> Subject:
    """1,797 handwritten digits of 8×8 pixels, their labels, 72 of them changed on purpose.

    The network never sees which; the report can therefore say how many were found. Same bits
    on every run of one machine. Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten
    Digits", UCI Machine Learning Repository 1998; test part, as it ships with scikit-learn.

    Cost: about six seconds of training on two cores.
    """
    pixels, target = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    right = torch.tensor(target)
    generator = torch.Generator().manual_seed(_SEED)
    flipped = torch.randperm(len(right), generator=generator)[:FLIPPED]
    labels = right.clone()
    labels[flipped] = (right[flipped] + torch.randint(1, 10, (FLIPPED,), generator=generator)) % 10
    return Subject(
        model=_trained(images, labels, generator, progress),
        data=images,
        labels=labels,
        classes=[str(digit) for digit in range(10)],
        output=outputs.Fisher(),
        normalization="trace",
        planted={int(i): int(right[i]) for i in flipped},
        title="Handwritten digits, 4 % of the labels flipped on purpose",
    )


def _network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def _trained(
    images: Tensor, labels: Tensor, generator: torch.Generator, progress: bool | None
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = _network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    with bar("training", _EPOCHS, "epochs", progress) as shown:
        for _ in range(_EPOCHS):
            for chosen in torch.randperm(len(images), generator=generator).split(_BATCH):
                loss = functional.cross_entropy(model(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            shown.advance(1)
    return model.eval()
