"""The floors of CONTRIBUTING.md, whose table is the one source of them.

Every import counts: at the top, inside functions, and for annotations alone. Only circles are
looked for without the last kind, as Python never follows it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nbutils"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
PARTS = sorted({name.split(".")[1] for name in FILES if name != "nbutils"})
HIGHEST_OF_NOTEBOOKS = 4


def read_floors() -> dict[str, int]:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.MULTILINE)
    listed = [
        (name.rstrip("/"), int(floor))
        for floor, names in rows
        for name in re.findall("`(.+?)`", names)
    ]
    assert len(dict(listed)) == len(listed), "a module stands on two floors"
    return dict(listed)


FLOORS = read_floors()


def find_imports(source: str, *, with_annotations: bool = True) -> set[str]:
    """Return the modules of the package that a source text imports, wherever it does."""
    return {
        found
        for node in _walk(ast.parse(source), with_annotations)
        for name in _names(node)
        if (found := _module_of(name)) is not None
    }


def _walk(node: ast.AST, with_annotations: bool) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        skipped = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if with_annotations or not skipped:
            yield from _walk(child, with_annotations)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _module_of(name: str) -> str | None:
    """Return the module that holds a name; None: it is of another package, or the package's own."""
    while name.startswith("nbutils."):
        if name in FILES:
            return name
        name = name.rpartition(".")[0]
    return None


def floor_of(module: str) -> int:
    return FLOORS[module.split(".")[1]]


def test_every_module_stands_on_a_floor_and_every_floor_holds_modules_that_exist() -> None:
    assert sorted(FLOORS) == PARTS


@pytest.mark.parametrize("module", [name for name in FILES if name != "nbutils"])
def test_module_imports_from_its_own_floor_or_below(module: str) -> None:
    found = find_imports(FILES[module].read_text(encoding="utf-8"))
    above = sorted(name for name in found if floor_of(name) > floor_of(module))
    assert above == [], f"{module} is on floor {floor_of(module)}"


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {
        name: find_imports(path.read_text(encoding="utf-8"), with_annotations=False)
        for name, path in FILES.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert set(order) == set(FILES)


@pytest.mark.parametrize(
    "notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_notebook_imports_what_people_look_at_or_what_lies_below(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    found = set().union(*map(find_imports, code))
    assert found
    assert sorted(name for name in found if floor_of(name) > HIGHEST_OF_NOTEBOOKS) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nbutils.cli", {"nbutils.cli"}),
        ("from nbutils.cli import app", {"nbutils.cli"}),
        ("from nbutils import cli, __version__", {"nbutils.cli"}),
        ("from nbutils.data import sources", {"nbutils.data.sources"}),
        ("def f():\n    if True:\n        from nbutils import study as s", {"nbutils.study"}),
        ("if TYPE_CHECKING:\n    from nbutils.runs import StudyRun", {"nbutils.runs"}),
        ("import json, pandas as pd\nfrom pathlib import Path", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: set[str]) -> None:
    assert find_imports(source) == expected


def test_imports_for_annotations_alone_can_be_left_out() -> None:
    source = "import nbutils.cli\nif TYPE_CHECKING:\n    from nbutils.runs import StudyRun"
    assert find_imports(source, with_annotations=False) == {"nbutils.cli"}
