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
    """Install one package; "" or why it could not be.

    A requirement with ``# --no-deps`` is installed alone, one with ``# --uninstall`` is taken away
    in the end: what the package asks for and cannot be used here.
    """
    place = folder / package
    place.mkdir(parents=True, exist_ok=True)
    marked: dict[str, list[str]] = {"": [], "--no-deps": [], "--uninstall": []}
    for line in (REQUIREMENTS / f"{package}.txt").read_text().splitlines():
        name, _, mark = line.partition("#")
        marked[mark.strip()].append(name.strip())
    pip = [str(place / "bin" / "python"), "-m", "pip"]
    steps = [
        [sys.executable, "-m", "venv", str(place)],
        [*pip, "install", "--quiet", *marked[""]],
        [*pip, "install", "--quiet", "--no-deps", *marked["--no-deps"]],
        [*pip, "uninstall", "--quiet", "--yes", *marked["--uninstall"]],
    ]
    needed = [True, *(bool(names) for names in marked.values())]
    for step in [step for step, wanted in zip(steps, needed, strict=True) if wanted]:
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
