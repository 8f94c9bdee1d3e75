"""Stage folders, atomic files and the keys that name them.

A file is written whole or not at all: to a temporary neighbour, flushed to the disk, then renamed.
A stage folder counts as finished once its `stage.json` exists, which is written last.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

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
MODEL = "model"  # the folder of the classifier in that of a fine_tune stage
PREPROCESSING_FILE = "nbutils.json"  # beside the weights of a saved model: how it reads texts
CHECKPOINTS = "checkpoints"  # in a fine_tune folder, until its training is safe: states of it
KEY_LENGTH = 16  # hex digits, 64 bits
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


def free_name(path: Path, end: str) -> Path:
    """Return a path beside `path` that nothing has: its stem with `end`, or with ``-2`` and on."""
    ends = (end if number == 1 else f"{end}-{number}" for number in count(1))
    names = (path.with_name(f"{path.stem}{own}{path.suffix}") for own in ends)
    return next(name for name in names if not name.exists())


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


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None
