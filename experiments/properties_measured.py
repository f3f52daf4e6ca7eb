"""Theorems of similarity on trained networks, and how much of it depends on the seed.

    python experiments/properties_measured.py [--data FOLDER] [--quick] [--threads 1]

Perceptrons on scikit-learn's digits, with --data on Fashion-MNIST too. Writes
experiments/results/properties.json, docs/experiments/properties.md and two figures.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parent))
import properties_theorems as theorems
import properties_widths as widths
from pages import environment, write
from properties_figures import figure, widths_figure
from properties_page import page, text
from properties_widths import Pictures, Scale
from stability import pictures


def main() -> None:
    """Train, measure, write."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--data", type=Path, help="folder with fashion_mnist")
    options.add_argument("--quick", action="store_true", help="narrow networks, digits alone")
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    began = time.perf_counter()
    if asked.quick:
        scales = {"digits": Scale([16, 64, 256], 3, 200, 200, 8)}
    else:
        scales = {"digits": Scale([16, 64, 256, 1024, 4096], 4, 200, 200, 16)}
        if asked.data is not None:
            scales["Fashion-MNIST"] = Scale([16, 64, 256, 1024], 4, 400, 200, 16)
    report = measured(scales, asked.data)
    report["environment"] = environment(asked, time.perf_counter() - began)
    report["environment"]["core_minutes"] = round(time.process_time() / 60, 1)
    print(text(report))
    figure(report)
    widths_figure(report)
    write("properties", report, page(report))


def measured(scales: dict[str, Scale], folder: Path | None) -> dict:
    """Theorems on the digits, and the seeds of every data set."""
    x = digits()
    sizes = {"network": 32, "narrow": 8}
    before = {name: widths.network(x.x.shape[1], width, 0) for name, width in sizes.items()}
    after = {name: widths.train(each, x, 400, 0, [400])[400] for name, each in before.items()}
    return {
        "theorems": theorems.measured(
            after["network"], before["network"], x.asked[:200], after["narrow"]
        ),
        "accuracy": widths.accuracy(after["network"], x),
        "scales": {name: scale._asdict() for name, scale in scales.items()},
        "seeds": {
            name: widths.measured(x if name == "digits" else fashion(folder), scale)
            for name, scale in scales.items()
        },
    }


def digits() -> Pictures:
    """1,500 digits to train on, 297 to ask about, values from 0 to 1."""
    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16).float(), torch.tensor(labels)
    return Pictures("digits", x[:1500], y[:1500], x[1500:], y[1500:])


def fashion(folder: Path | None) -> Pictures:
    """10,000 pictures of Fashion-MNIST to train on, 1,000 to ask about."""
    if folder is None:
        raise SystemExit("Fashion-MNIST needs --data")
    x, y = pictures(folder, "train", 10_000)
    asked, asked_y = pictures(folder, "t10k", 1000)
    return Pictures("Fashion-MNIST", x.flatten(1), y, asked.flatten(1), asked_y)


if __name__ == "__main__":
    main()
