"""Stage folders, atomic files and the fingerprints that name them.

A file is written whole or not at all: to a temporary neighbour, flushed to the disk, then renamed.
A stage folder counts as finished once its `stage.json` exists, which is written last.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbutils
from nbutils.errors import DataError

STAGES = ("data_prep", "fine_tune", "error_analysis")  # of an ordinary study, in their order
NOTEBOOKS = {
    "data_prep": "01_data_prep.ipynb",
    "fine_tune": "02_fine_tune.ipynb",
    "error_analysis": "03_error_analysis.ipynb",
    "benchmark": "benchmark.ipynb",
}
# What each notebook writes last: its presence marks a folder that later notebooks can read.
LAST_ARTIFACT = {
    "data_prep": "data_card.json",
    "fine_tune": "metrics.json",
    "error_analysis": "findings.json",
    "benchmark": "metrics.json",
}
STAGE_FILE = "stage.json"
CHECKPOINTS = "checkpoints"  # in a fine_tune folder, until its training is safe: states of it
KEY_LENGTH = 16  # hex digits, 64 bits
MODULES = 1024  # of which the code is remembered: keys of all stages are of nearly the same ones
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")  # of a stage
INTERACTIVE = "interactive"  # where a notebook writes that was opened in JupyterLab


def stages_with(stage: str) -> tuple[str, ...]:
    """Return the stages of the studies that have this one: all of `STAGES`, or itself alone."""
    return STAGES if stage in STAGES else (stage,)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write `content` to `path` whole or not at all; the parent folder must exist.

    Parameters
    ----------
    path, content
        What goes where.
    durable
        Wait until it is on the disk, so that it outlives a power cut; off for what is soon
        written again.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write that fails does not know where it was
        raise


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DataError
        The file is missing or does not hold a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a JSON object; {error}") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def project_dir() -> Path:
    """Return the nearest folder at or above the working folder that holds `notebooks/`.

    A notebook opened in JupyterLab works in `notebooks/`; its artifacts belong beside it, where
    the command line puts them too. Without such a folder it is the working folder itself.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks" / NOTEBOOKS["data_prep"]).is_file():
            return folder
    return here


def open_output(stage: str, output_dir: str | None) -> Path:
    """Make and return the folder that a notebook writes to.

    Parameters
    ----------
    stage
        One of `NOTEBOOKS`.
    output_dir
        The notebook's parameter; none: `runs/<stage>/interactive` of the project. A folder that an
        earlier interactive run completed is no longer complete from here on.
    """
    folder = Path(output_dir) if output_dir else project_dir() / "runs" / stage / INTERACTIVE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LAST_ARTIFACT[stage]).unlink(missing_ok=True)
    return folder


def find_finished(stage: str, given: str | None) -> Path | None:
    """Return the finished folder of an earlier stage.

    Parameters
    ----------
    stage
        The stage whose artifacts are wanted.
    given
        The folder, where a parameter names one; none: the newest finished one of the project.

    Returns
    -------
    Path or None
        None: none was given and there is none.

    Raises
    ------
    DataError
        The given folder is not finished.
    """
    last = LAST_ARTIFACT[stage]
    if given is not None:
        if not (Path(given) / last).is_file():
            raise DataError(
                f"{given}: expected a folder finished by {NOTEBOOKS[stage]}, found no {last} in it"
            )
        return Path(given)
    finished = sorted(
        (project_dir() / "runs" / stage).glob(f"*/{last}"), key=lambda path: path.stat().st_mtime
    )
    return finished[-1].parent if finished else None


def digest(parts: Iterable[Any]) -> str:
    """Return a key of `KEY_LENGTH` hex digits for JSON-able parts; equal parts, equal key."""
    text = json.dumps(list(parts), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def code_fingerprint(notebook: Path) -> str:
    """Return a digest of the code of a notebook and of the library modules that it reaches.

    Comments, white space, markdown, outputs and execution counts do not count; a changed statement
    in a code cell or in an imported `nbutils` module does.

    Parameters
    ----------
    notebook
        An `.ipynb` file.
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
    """Return a digest of the code of `nbutils` modules, and of those that they reach."""
    return digest(sorted(_library_sources(set(modules)).items()))


def _library_sources(modules: set[str]) -> dict[str, str]:
    sources: dict[str, str] = {}
    waiting = sorted(modules)
    while waiting:
        name = waiting.pop()
        path = _module_path(name)
        if name not in sources and path is not None:
            text = path.read_text(encoding="utf-8")
            sources[name] = _normal_form(text)
            sources.update(_package_data(path))
            waiting.extend(sorted(_imported_modules(text, name)))
    return sources


def _own_module(name: str, folders: Iterable[Path]) -> Path | None:
    if name.split(".")[0] == "nbutils":
        return None
    for place in (folder.joinpath(*name.split(".")) for folder in folders):
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=MODULES)
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
    found = _imported_modules(source, "nbutils")
    whole = re.search(r"^\s*(import nbutils\b|from nbutils import \*)", source, re.MULTILINE)
    return found | set(nbutils.HOMES.values()) if whole else found


def _imported_modules(source: str, importer: str) -> set[str]:
    return {name for name in _all_imported(source) if name.startswith("nbutils.")}


@lru_cache(maxsize=MODULES)
def _all_imported(source: str) -> frozenset[str]:
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
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            if node.module == "nbutils":  # public names live elsewhere, loaded at first use
                found.update(nbutils.HOMES.get(alias.name, "") for alias in node.names)
    return frozenset(found)


def _module_path(name: str) -> Path | None:
    place = Path(nbutils.__file__).parent.joinpath(*name.split(".")[1:])
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _package_data(path: Path) -> dict[str, str]:
    if path.name != "__init__.py":
        return {}
    others = (p for p in path.parent.iterdir() if p.suffix in {".css", ".js", ".j2"})
    return {other.name: other.read_text(encoding="utf-8") for other in others}


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None
