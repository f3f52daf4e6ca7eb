"""An environment of its own for every package: installed by one command, outside the repository."""

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
DEFAULT = Path.home() / ".cache" / "kinsight-peers"
OURS = ("kinsight", "torch_func")  # what the environment that runs the benchmark has already
PATIENCE = 400.0  # seconds for one installation


def packages() -> tuple[str, ...]:
    """Packages with a file of requirements."""
    return tuple(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))


def python_of(package: str, folder: Path) -> Path | None:
    """The interpreter that has the package; None where it is not installed."""
    if package in OURS:
        return Path(sys.executable)
    python = folder / package / "bin" / "python"
    return python if python.exists() and (folder / package / "ready").exists() else None


def install(package: str, folder: Path) -> str:
    """Install one package; "" or why it could not be. Requirements marked ``# --no-deps`` alone."""
    place = folder / package
    place.mkdir(parents=True, exist_ok=True)
    text = (REQUIREMENTS / f"{package}.txt").read_text().splitlines()
    alone = [line.split("#")[0].strip() for line in text if "--no-deps" in line]
    whole = [line.strip() for line in text if line.strip() and not line.startswith("#")
             and "--no-deps" not in line]  # fmt: skip
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    steps = [[sys.executable, "-m", "venv", str(place)], [*pip, *whole]]
    if alone:
        steps.append([*pip, "--no-deps", *alone])
    for step in steps:
        wrong = _failure(step)
        if wrong:
            (place / "refused").write_text(wrong + "\n")
            return wrong
    (place / "ready").write_text(json.dumps(versions(package, folder)) + "\n")
    return ""


def versions(package: str, folder: Path) -> dict[str, str]:
    """Name -> version of everything installed beside the package."""
    python = folder / package / "bin" / "python"
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    return {entry["name"]: entry["version"] for entry in json.loads(listed.stdout)}


def why_not(package: str, folder: Path) -> str:
    """Why a package is not there."""
    refused = folder / package / "refused"
    return refused.read_text().strip() if refused.exists() else "not installed (--install)"


def _failure(step: list[str]) -> str:
    try:
        done = subprocess.run(step, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"did not install within {PATIENCE:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (lines or done.stderr.splitlines() or ["failed without a word"])[-1][:300]
