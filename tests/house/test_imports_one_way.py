"""Imports go one way: a room may use what lies below it, never what lies above or beside it.

The map is the list below, lowest floor first. A room is a module or package directly in
src/kinsight. New room: give it a floor here, as low as what it uses allows.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "kinsight"

FLOORS: list[set[str]] = [
    {"errors"},
    {"checks", "progress", "files", "drawing"},
    {"network"},
    {"provenance"},
    {"tangent"},
    {"kernel"},
    {"search", "engines", "baselines", "subject"},
    {"store", "metrics"},
    {"testing", "losses", "analysis"},
    {"sketching", "training"},
    {"run"},
    {"report"},
    {"explorer"},
    {"demo", "exports", "alignment"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# The public API (`import kinsight`) gathers the rooms up to the analyses: for rooms above only.
FACADE_FLOOR = FLOOR_OF["analysis"]


def module_name(path: Path) -> str:
    """`src/kinsight/kernel/gram.py` -> `kinsight.kernel.gram`."""
    parts = ("kinsight", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imported(code: str, module: str, is_package: bool, known: set[str]) -> set[str]:
    """The modules of kinsight that `code`, the text of `module`, imports anywhere in it.

    `from a import b` counts as `a.b` where that is a module, otherwise as `a`.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(above + (node.module.split(".") if node.module else []))
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in known else base for name in names}
    return {name for name in found if name.split(".")[0] == "kinsight"}


def room_of(module: str) -> str | None:
    """The room of a module; None for the facade `kinsight` itself."""
    return module.split(".")[1] if "." in module else None


def complaints(module: str, imports: set[str]) -> list[str]:
    """What is wrong with the imports of one module: one sentence for each."""
    room, found = room_of(module), []
    if room is None:
        return []
    if room not in FLOOR_OF:
        return [f"{module}: the room '{room}' is not on the map of test_imports_one_way.py"]
    for target in sorted(imports):
        other = room_of(target)
        if other is None and FLOOR_OF[room] <= FACADE_FLOOR:
            found.append(f"{module} imports the facade 'kinsight'; name the module that is meant")
        elif other is not None and other != room and FLOOR_OF.get(other, 99) >= FLOOR_OF[room]:
            found.append(f"{module} imports {target}, which does not lie below '{room}'")
    return found


def imports_of(module: str) -> set[str]:
    """The modules of kinsight that a module of src/kinsight imports."""
    path = MODULES[module]
    return imported(path.read_text(), module, path.name == "__init__.py", set(MODULES))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_uses_only_what_lies_below(module: str) -> None:
    assert complaints(module, imports_of(module)) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imports_of(module) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize(
    ("module", "code", "count"),
    [
        ("kinsight.tangent.plan", "from kinsight.network.batches import Batch", 0),
        ("kinsight.tangent.plan", "from . import rules\nfrom .rules import linear", 0),
        ("kinsight.tangent.plan", "import torch\nfrom kinsight_extra import thing", 0),
        ("kinsight.cli.main", "import kinsight as ks", 0),
        ("kinsight.tangent.plan", "from kinsight.kernel import TangentKernel", 1),  # upward
        ("kinsight.tangent.plan", "from ..kernel import TangentKernel", 1),
        ("kinsight.tangent.plan", "import kinsight.kernel.gram", 1),
        ("kinsight.tangent.plan", "def late():\n    from kinsight import report", 1),
        ("kinsight.checks", "from kinsight import progress", 1),  # sideways
        ("kinsight.kernel.gram", "from kinsight import TangentKernel", 1),  # the facade
        ("kinsight.attic.box", "import torch", 1),  # a room that is not on the map
    ],
)
def test_the_test_sees_a_wrong_import(module: str, code: str, count: int) -> None:
    known = {f"kinsight.{room}" for room in FLOOR_OF} | {"kinsight.tangent.rules"}
    assert len(complaints(module, imported(code, module, False, known))) == count
