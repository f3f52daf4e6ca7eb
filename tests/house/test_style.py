"""The house rules that a machine can check: one idea a file, short, documented, portable."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
# Places of one machine: pages and code must be right on everybody's.
MACHINE_PATH = re.compile(r"(?<![\w.*/-])/(?:work|tmp|root|home)(?=/|\b)")


def files() -> list[Path]:
    """Every file of the project: what git tracks or would track, or all without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        found = {ROOT / name for name in listed.split("\0") if name}
    except (OSError, subprocess.CalledProcessError):
        rooms = ("src", "tests", "docs", "benchmarks", "experiments", ".ci")
        found = {path for room in rooms for path in (ROOT / room).rglob("*")} | set(
            ROOT.glob("*.*")
        )
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def named(paths: list[Path]) -> list:
    """Parameters of a test, with readable names."""
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


FILES = files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
LIBRARY = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def file_complaints(code: str) -> Iterator[str]:
    """What holds for every Python file."""
    if code.count("\n") > LONGEST_FILE:
        yield f"{code.count(chr(10))} lines, at most {LONGEST_FILE}: two ideas share this file"
    first_line = code.lstrip("r").split("\n", 1)[0]
    if not (first_line.startswith('"""') and len(first_line.strip('"').strip()) > 10):
        yield "the first line is not a docstring that says what the file is for"


def library_complaints(code: str) -> Iterator[str]:
    """What holds for the files of the library besides."""
    for node in ast.walk(ast.parse(code)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Assert):
            yield f"line {line}: assert; raise an error of kinsight.errors"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
            yield f"line {line}: print; the command line uses typer.echo"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or line) - line
            if length > LONGEST_FUNCTION:
                yield f"line {line}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}"
    yield from undocumented(ast.parse(code))


def undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Public functions, classes and methods without a docstring; overrides inherit theirs."""
    for node in scope.body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        inherits = isinstance(scope, ast.ClassDef) and bool(scope.bases)
        if not ast.get_docstring(node) and not inherits:
            yield f"line {node.lineno}: {node.name} is public and has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node)


@pytest.mark.parametrize("path", named(PYTHON))
def test_a_file_is_one_idea_and_says_which(path: Path) -> None:
    assert list(file_complaints(path.read_text())) == []


@pytest.mark.parametrize("path", named(LIBRARY))
def test_library_code_keeps_the_house_rules(path: Path) -> None:
    assert list(library_complaints(path.read_text())) == []


@pytest.mark.parametrize("path", named([path for path in FILES if path != Path(__file__)]))
def test_no_file_names_a_place_of_one_machine(path: Path) -> None:
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return  # a picture
    lines = text.split("\n")
    assert [line for line in lines if MACHINE_PATH.search(line)] == []


@pytest.mark.parametrize(
    "code",
    [
        "assert True\n",
        "print(1)\n",
        "def public():\n    pass\n",
        "class Public:\n    '''Doc.'''\n    def method(self):\n        pass\n",
        "def _long():\n" + "    pass\n" * (LONGEST_FUNCTION + 1),
    ],
)
def test_the_test_sees_a_broken_house_rule(code: str) -> None:
    assert len(list(library_complaints(code))) == 1


@pytest.mark.parametrize("code", ["import os\n", '"""Long."""\n' + "\n" * LONGEST_FILE, '""""""\n'])
def test_the_test_sees_a_broken_file(code: str) -> None:
    assert list(file_complaints(code)) != []


def test_the_test_sees_a_place_of_one_machine() -> None:
    assert MACHINE_PATH.search("open('/work/x')")
    assert MACHINE_PATH.search("in /tmp it lies")
    assert not MACHINE_PATH.search("docs/work/x, ../home/y, https://a.b/tmp/x")
