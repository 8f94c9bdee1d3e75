"""Which code a result depends on: of a notebook, of the library and of modules beside it.

A digest of it is a part of each stage's key, so that other code makes the stage anew. Code that a
person edits, in cells and in modules beside a notebook, counts by its statements; a module of this
library counts by its text, which is read many times faster than it is parsed.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import nbutils
from nbutils.artifacts import digest, project_dir
from nbutils.errors import DataError
from nbutils.imports import REMEMBERED, all_imported, find_scripts, names_from, parse_cell, resolve

LAZY = re.compile(r"^HOMES\b.*=", re.M)  # of a package that loads its modules at first use
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
    own = dict(_own_sources(cells, (Path.cwd(), notebook.parent, project_dir())))
    texts = [*cells, *own.values()]
    reached = _library_sources(set().union(*map(_library_names, texts)))
    sources = {"": "\n".join(_normal_form(cell) for cell in cells), **reached}
    sources |= {name: _normal_form(text) for name, text in own.items()}
    return digest(sorted(sources.items()))


def _own_sources(cells: list[str], folders: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each script and module of a person's own that cells reach."""
    texts = list(cells)
    for script in sorted({script for cell in cells for script in find_scripts(cell)}):
        path = next((folder / script for folder in folders if (folder / script).is_file()), None)
        if path is not None:
            texts.append(_read(path))
            yield script, texts[-1]
    waiting, seen = sorted(set().union(*map(all_imported, texts))), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name.split(".")[0] in ("", "nbutils"):
            continue
        seen.add(name)
        if "." in name:  # a package is run before what is in it
            waiting.append(name.rpartition(".")[0])
        path = _own_module(name, folders)
        if path is not None:
            text = _read(path)
            yield name, text
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            waiting.extend(sorted(resolve(found, package) for found in all_imported(text)))


def _read(path: Path) -> str:
    try:
        with tokenize.open(path) as file:  # in the encoding that it declares
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected Python in UTF-8; {error}") from None


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
            text = sources[name] = path.read_text(encoding="utf-8")
            waiting.extend(sorted(_library_imports(text)))
            if LAZY.search(text):
                waiting.extend(re.findall(r'"(nbutils\.[\w.]+)"', text))
    return sources


def _own_module(name: str, folders: tuple[Path, ...]) -> Path | None:
    for place in (folder.joinpath(*name.split(".")) for folder in folders):
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=REMEMBERED)
def _normal_form(source: str) -> str:
    tree = parse_cell(source)
    return source.strip() if tree is None else ast.dump(tree)


def _library_names(source: str) -> set[str]:
    """Return the modules of this library that a cell, or a module beside it, may import."""
    found = {name for name in all_imported(source) if name.startswith("nbutils.")}
    whole = re.search(r"^\s*(import nbutils\b|from nbutils import \*)", source, re.MULTILINE)
    return found | set(nbutils.HOMES.values()) if whole else found


@lru_cache(maxsize=REMEMBERED)
def _library_imports(text: str) -> frozenset[str]:
    """Return what a module of this library may import of it, as `all_imported` would."""
    found: set[str] = set()
    for module, names, whole in IMPORT.findall(text):
        if module:
            found.update(names_from(module, re.findall(r"\w+", names)))
        found.update(re.findall(r"\bnbutils\.[\w.]+", whole))
    return frozenset(found)


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
