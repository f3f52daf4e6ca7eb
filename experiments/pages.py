"""What every experiment leaves: numbers as JSON with their environment, tables for its page."""

import argparse
import json
import platform
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
IMAGES = ROOT / "docs" / "images"
PAGES = ROOT / "docs" / "experiments"


def environment(asked: argparse.Namespace, seconds: float) -> dict:
    """What the numbers depend on: machine, versions, arguments; the data folder left out."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    arguments = {name: value for name, value in vars(asked).items() if name != "data"}
    return {
        "processor": models[0] if models else platform.processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "arguments": arguments,
        "minutes": round(seconds / 60, 1),
    }


def write(name: str, report: dict, page: str) -> None:
    """``report`` to results/NAME.json, ``page`` to docs/experiments/NAME.md."""
    for folder in (RESULTS, PAGES):
        folder.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    (PAGES / f"{name}.md").write_text(page)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table of a page; bars inside a cell are escaped."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
