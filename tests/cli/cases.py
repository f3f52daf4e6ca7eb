"""The command inside this process, and a module as a person writes it, for stores of sketches."""

import re
from pathlib import Path

from typer.testing import CliRunner, Result

from kinsight.cli.commands import app

OWN = '''
import os
import torch
from torch import nn

def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 3)).eval()

def data(count=60, seed=0):
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))

def trained():
    labels = [None] * 20 + [i % 2 for i in range(40)]  # a whole shard without any
    return {
        "model": network(), "data": data(), "labels": labels, "classes": ["cat", "dog"],
        "names": [f"n{i}" for i in range(60)], "columns": {"weight": [None] * 20 + [0.5] * 40},
    }

def plain():
    return network(), data(30, 1)

def plain_too():
    return network(), data(25, 2)

def other():
    return network(7), data()

def batched():
    return {"model": network(), "data": (data(), torch.arange(60) % 2), "classes": ["a", "b"]}

def broken():
    inputs = data()
    inputs[3] = float("nan")
    return network(), inputs

def first(outputs, batch):
    return outputs[:, :1]

def custom():
    return {"model": network(), "data": data(), "output": first}

def crowded():
    return {"model": network(), "data": data(), "columns": {"density": [0.0] * 60}}

def nameless():
    return {"model": network(), "data": data(), "names": ["only one"]}

def large():
    return network(), data(640)

def told():
    """Leaves a trace of every process that calls it."""
    with open("called", "a") as file:
        file.write(f"{os.getpid()}\\n")
    return network(), data(64)

text = "no function"
'''
PLAN = ("--dim", "64", "--shard-rows", "16", "--micro-batch", "8", "--threads", "1")


def kinsight(*words: object) -> Result:
    """The command inside this process; a new one would spend seconds on importing torch."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="kinsight")


def done(*words: object) -> Result:
    """The same, which must succeed."""
    result = kinsight(*words)
    assert result.exit_code == 0, result.output
    return result


def refused(said: str, *words: object) -> None:
    """The same, which must end with one readable message and status 2."""
    result = kinsight(*words)
    assert result.exit_code == 2, result.output
    assert re.search(said, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def flip(path: Path, at: int | None = None) -> None:
    """Alter one byte, by default in the middle."""
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2 if at is None else at] ^= 0x10
    path.write_bytes(bytes(altered))
