"""Keys that change with the code that a result depends on, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import nbutils
from nbutils import code_fingerprints
from nbutils.code_fingerprints import code_fingerprint
from nbutils.errors import DataError
from nbutils.imports import all_imported

PACKAGE = Path(nbutils.__file__).parent


def notebook(folder: Path, *cells: tuple[str, str], outputs: list[object] | None = None) -> Path:
    path = folder / "n.ipynb"
    made = [
        {"cell_type": kind, "source": source, "outputs": outputs or [], "execution_count": 1}
        for kind, source in cells
    ]
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        ([("code", "x = 1  # why")], True),
        ([("code", "x   =  1\n\n")], True),
        ([("markdown", "# Title"), ("code", "x = 1")], True),
        ([("code", "x = 2")], False),
        ([("code", "from nbutils.metrics import proportion\nx = 1")], False),
    ],
)
def test_key_of_a_notebook_follows_its_statements(
    tmp_path: Path, cells: list[tuple[str, str]], same: bool
) -> None:
    before = code_fingerprint(notebook(tmp_path, ("code", "x = 1")))
    after = code_fingerprint(notebook(tmp_path, *cells, outputs=[{"text": "1"}]))
    assert (before == after) == same


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts an edited copy in the place of one module of the library."""
    place = code_fingerprints._module_path

    def put(module: str) -> None:
        original = place(module)
        assert original is not None
        edited = tmp_path / "edited.py"
        edited.write_text(original.read_text(encoding="utf-8") + "\nX = 1\n", encoding="utf-8")
        monkeypatch.setattr(
            code_fingerprints,
            "_module_path",
            lambda name: edited if name == module else place(name),
        )

    return put


@pytest.mark.parametrize(
    ("module", "counts"), [("nbutils.console", False), ("nbutils.training.pitfalls", True)]
)
def test_key_of_a_notebook_follows_the_library_below_it(
    tmp_path: Path, edit: Callable[[str], None], module: str, counts: bool
) -> None:
    path = notebook(tmp_path, ("code", "%time\nfrom nbutils.training.api import fine_tune"))
    before = code_fingerprint(path)
    edit(module)
    assert (code_fingerprint(path) != before) == counts


@pytest.mark.parametrize("line", ["import nbutils as nb", "from nbutils import *"])
def test_key_follows_a_notebook_that_takes_the_whole_library(
    tmp_path: Path, edit: Callable[[str], None], line: str
) -> None:
    path = notebook(tmp_path, ("code", line))
    before = code_fingerprint(path)
    edit("nbutils.training.rate_range")
    assert code_fingerprint(path) != before


def is_module(name: str) -> bool:
    return code_fingerprints._module_path(name) is not None


def test_imports_of_the_library_are_found_as_a_parser_finds_them() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parsed = {n for n in all_imported(text) if n.startswith("nbutils")}
        found = code_fingerprints._library_imports(text)
        there = [
            frozenset(filter(code_fingerprints._module_path, names)) for names in (parsed, found)
        ]
        assert there[0] == there[1], path


def test_key_follows_modules_beside_the_notebook(tmp_path: Path) -> None:
    path = notebook(tmp_path, ("code", "%time\nfrom mine import clean"))
    keys = []
    for number in ("1", "1  # why", "2"):
        (tmp_path / "mine.py").write_text("import deeper.inner\nclean = str\n", encoding="utf-8")
        (tmp_path / "deeper").mkdir(exist_ok=True)
        (tmp_path / "deeper" / "inner.py").write_text(f"x = {number}\n", encoding="utf-8")
        keys.append(code_fingerprint(path))
    assert keys[0] == keys[1] != keys[2]


def test_comment_beside_a_magic_does_not_change_the_key(tmp_path: Path) -> None:
    keys = [
        code_fingerprint(notebook(tmp_path, ("code", f"%matplotlib inline\nx = {end}")))
        for end in ("1", "1  # why", "2")
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "cell",
    [
        "from package.tool import y",
        "import package.tool",
        "import package.tool\nfiles = !ls",
        "%time import package.tool",
        "%%time\nimport package.tool",
        "import package.tool\npackage?",
        "import around",
    ],
)
@pytest.mark.parametrize("changed", ["__init__.py", "tool.py", "deeper/inner.py"])
def test_key_follows_packages_however_they_are_reached(
    tmp_path: Path, cell: str, changed: str
) -> None:
    texts = {"__init__.py": "x = 0\n", "tool.py": "from .deeper import inner\ny = 0\n"}
    texts |= {"deeper/__init__.py": "", "deeper/inner.py": "from ..tool import y\n"}
    (tmp_path / "package" / "deeper").mkdir(parents=True)
    (tmp_path / "around.py").write_text("import package.tool\n", encoding="utf-8")
    for name, text in texts.items():
        (tmp_path / "package" / name).write_text(text, encoding="utf-8")
    path = notebook(tmp_path, ("code", cell))
    before = code_fingerprint(path)
    (tmp_path / "package" / changed).write_text(texts[changed] + "z = 1\n", encoding="utf-8")
    assert code_fingerprint(path) != before


@pytest.mark.parametrize("place", ["lib.py", "../lib.py", "{folder}/lib.py", "-t '../lib'"])
@pytest.mark.parametrize("start", [".", "{folder}"])
def test_key_follows_scripts_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, start: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    scripts = [tmp_path / "lib.py", work / "lib.py"]
    run = scripts[1] if place[0] in "l{" else scripts[0]
    cell = f"%run {place.format(folder=work)}"
    path = notebook(Path(start.format(folder=work)), ("code", cell))
    keys = []
    for edited in (None, *scripts):
        for script in scripts:
            script.write_text(f"x = {int(script == edited)}\n", encoding="utf-8")
        keys.append(code_fingerprint(path))
    assert [key != keys[0] for key in keys[1:]] == [script == run for script in scripts]


@pytest.mark.parametrize(
    "cell",
    [
        "%run /nowhere/x.py",
        "%run /.py",
        "%run .",
        "%run",
        "%%bash\npython x.py > /tmp/out.py",
        "from . import x",
        "from ... import x",
    ],
)
def test_what_names_no_file_of_ones_own_changes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = notebook(Path(), ("code", cell))
    before = code_fingerprint(path)
    (tmp_path / "x.py").write_text("x = 1\n", encoding="utf-8")
    assert code_fingerprint(path) == before


@pytest.mark.parametrize("line", ["import nbutils", "from nbutils.widgets import DataBrowser"])
def test_key_follows_what_a_module_beside_the_notebook_takes_of_the_library(
    tmp_path: Path, edit: Callable[[str], None], line: str
) -> None:
    (tmp_path / "mine.py").write_text(f"{line}\n", encoding="utf-8")
    path = notebook(tmp_path, ("code", "import mine"))
    before = code_fingerprint(path)
    edit("nbutils.training.api" if line == "import nbutils" else "nbutils.widgets.data_browser")
    assert code_fingerprint(path) != before


def test_module_in_an_encoding_that_it_does_not_name_is_refused_by_name(tmp_path: Path) -> None:
    path = notebook(tmp_path, ("code", "import mine"))
    for declared in ("# coding: latin-1\n", ""):
        (tmp_path / "mine.py").write_bytes(f"{declared}x = '\xe9'\n".encode("latin-1"))
        if declared:
            code_fingerprint(path)
        else:
            with pytest.raises(DataError, match=r"mine\.py: expected Python in UTF-8"):
                code_fingerprint(path)
