"""Which code a result depends on: of a notebook, of the library and of modules beside it.

A digest of it is a part of each stage's key, so that other code makes the stage anew. Code that a
person edits, in cells and in modules beside a notebook, counts by its statements; a module of this
library counts by its text, which is read many times faster than it is parsed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import nbutils
from nbutils.artifacts import digest, project_dir
from nbutils.errors import DataError

REMEMBERED = 1024  # texts, of which keys of all stages are made: they reach nearly the same modules
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(nbutils[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.M
)


def code_fingerprint(notebook: Path) -> str:
    """Return a digest of the code of a notebook and of the modules that it reaches.

    In code cells, and in modules beside the notebook, comments and white space do not count; nor
    do markdown, outputs and execution counts. A changed statement does, and any change of an
    imported `nbutils` module.

    Parameters
    ----------
    notebook
        An `.ipynb` file.

    Raises
    ------
    DataError
        It is not one.
    """
    try:
        found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        cells = ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{notebook}: expected a notebook (nbformat 4); {error!r}") from None
    reached = _library_sources(set().union(*map(_modules_of_cell, cells)))
    sources = {"": "\n".join(_normal_form(cell) for cell in cells), **reached}
    folders = (Path.cwd(), notebook.parent, project_dir())
    own = sorted(frozenset().union(*map(_all_imported, cells)))
    while own:
        name = own.pop()
        path = _own_module(name, folders)
        if name not in sources and path is not None:
            text = path.read_text(encoding="utf-8")
            sources[name] = _normal_form(text)
            own.extend(sorted(_all_imported(text)))
    return digest(sorted(sources.items()))


def library_fingerprint(*modules: str) -> str:
    """Return a digest of the text of `nbutils` modules, and of those that they reach."""
    return digest(sorted(_library_sources(set(modules)).items()))


def _library_sources(modules: set[str]) -> dict[str, str]:
    sources: dict[str, str] = {}
    waiting = sorted(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in sources else _module_path(name)
        if path is not None:
            sources[name] = path.read_text(encoding="utf-8")
            waiting.extend(sorted(_library_imports(sources[name])))
    return sources


def _own_module(name: str, folders: Iterable[Path]) -> Path | None:
    if name.split(".")[0] == "nbutils":
        return None
    for place in (folder.joinpath(*name.split(".")) for folder in folders):
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=REMEMBERED)
def _normal_form(source: str) -> str:
    for spell in (str, _without_magics):
        try:
            return ast.dump(ast.parse(spell(source)))
        except SyntaxError:  # a magic or a shell line
            continue
    return source.strip()


def _without_magics(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # slow, and seldom needed

    return str(TransformerManager().transform_cell(source))


def _modules_of_cell(source: str) -> set[str]:
    found = {name for name in _all_imported(source) if name.startswith("nbutils.")}
    whole = re.search(r"^\s*(import nbutils\b|from nbutils import \*)", source, re.MULTILINE)
    return found | set(nbutils.HOMES.values()) if whole else found


@lru_cache(maxsize=REMEMBERED)
def _all_imported(source: str) -> frozenset[str]:
    """Return what a source may import: of `from a import b` both `a` and `a.b`."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        lines = (line for line in source.splitlines() if not line.lstrip().startswith(("%", "!")))
        try:
            tree = ast.parse("\n".join(lines))
        except SyntaxError:
            return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update(_names_from(node.module, (alias.name for alias in node.names)))
    return frozenset(found)


@lru_cache(maxsize=REMEMBERED)
def _library_imports(text: str) -> frozenset[str]:
    """Return what a module of this library may import of it, as `_all_imported` would."""
    found: set[str] = set()
    for module, names, whole in IMPORT.findall(text):
        if module:
            found.update(_names_from(module, re.findall(r"\w+", names)))
        found.update(re.findall(r"\bnbutils\.[\w.]+", whole))
    return frozenset(found)


def _names_from(module: str, names: Iterable[str]) -> set[str]:
    names = set(names)
    found = {module} | {f"{module}.{name}" for name in names}
    if module == "nbutils":  # public names live elsewhere, loaded at first use
        found |= {nbutils.HOMES[name] for name in names & set(nbutils.HOMES)}
    return found


@cache
def _module_path(name: str) -> Path | None:
    """Return the file of a module below `nbutils`; None: no module has this name."""
    parts = name.split(".")[1:]
    if not parts:
        return None
    place = Path(nbutils.__file__).parent.joinpath(*parts)
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None
