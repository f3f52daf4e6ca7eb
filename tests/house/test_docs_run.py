"""Documentation tells the truth: its Python blocks run, its links lead somewhere.

The blocks marked ```python of a page run in order and share their names, as a reader would type
them. A block marked otherwise (```python no-run, ```console, ...) is only shown.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")


def blocks(text: str) -> list[tuple[int, str]]:
    """The Python blocks of a page that run, each with the number of its first line."""
    return [(text[: match.start(1)].count("\n"), match[1]) for match in BLOCK.finditer(text)]


def page_name(path: Path) -> str:
    """The page's path in the project, as the name of its test."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page.read_text())], ids=page_name
)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__docs__"}
    for line, code in blocks(page.read_text()):
        # Blank lines in front make a traceback show the line of the page.
        exec(compile("\n" * line + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_readme_has_examples_that_run_and_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert blocks(readme)
    assert "make demo" in readme
    assert "make test" in readme


def test_only_blocks_marked_python_alone_run() -> None:
    kinds = [("python", "x = 1"), ("python no-run", "y"), ("console", "z"), ("python", "w")]
    page = "a\n" + "".join(f"```{kind}\n{code}\n```\n" for kind, code in kinds)
    assert blocks(page) == [(2, "x = 1\n"), (11, "w\n")]


def test_links_to_files_are_found_and_others_left_alone() -> None:
    page = "[a](docs/a.md#part) ![b](b.png) [c](https://c.org/c) [d](#d)"
    assert LINK.findall(page) == ["docs/a.md", "b.png"]
