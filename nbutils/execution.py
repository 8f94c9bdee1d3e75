"""One notebook through papermill, with our own engine."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill

from nbutils import errors
from nbutils.artifacts import write_bytes
from nbutils.endings import describe_full_disk, is_disk_full
from nbutils.private_folders import private_folder
from nbutils.progress import Limits, OnProgress

NO_SPACE = os.strerror(errno.ENOSPC)
OUT_OF_MEMORY = {
    "MemoryError": "the kernel ran out of memory: try a smaller batch_tokens or max_length"
}
ENGINE = "nbutils"  # registered by its entry point; see nbutils.engine
REFUSALS: dict[str, type[errors.NbutilsError]] = {
    refusal.__name__: refusal
    for refusal in (errors.DataError, errors.ParameterError, errors.CheckpointError)
}


def run_notebook(
    source: Path,
    destination: Path,
    *,
    parameters: Mapping[str, Any],
    on_progress: OnProgress | None = None,
    limits: Limits | None = None,
) -> None:
    """Execute a notebook with papermill in the present working folder.

    Parameters
    ----------
    source
        The notebook.
    destination
        Where the executed notebook is kept, also when it fails.
    parameters
        Injected after its `parameters` cell.
    on_progress
        Told of each cell and of each step of a training.
    limits
        How long it may take; None: as long as it likes.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        A cell refused its input, with the message of the refusal.
    NotebookFailedError
        A cell failed otherwise, or the kernel died.
    """
    # its errors are raised as well: one line says it
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    settings = {"parameters": dict(parameters), "on_progress": on_progress, "limits": limits}
    try:
        _execute(source, destination, settings)
    except papermill.PapermillExecutionError as error:
        place = f"{source.name}, cell {error.exec_count}"
        if error.ename in REFUSALS:
            raise REFUSALS[error.ename](f"{source.name}: {error.evalue}") from None
        if NO_SPACE in error.evalue:
            full = describe_full_disk(destination.parent)
            raise errors.NotebookFailedError(f"{place}: {full}; {error.evalue}") from None
        reason = error.evalue or OUT_OF_MEMORY.get(error.ename, "no message")
        raise errors.NotebookFailedError(f"{place}: {error.ename}: {reason}") from None
    except errors.NotebookFailedError as error:  # a dead kernel, a time limit
        raise errors.NotebookFailedError(f"{source.name}: {error}") from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        full = describe_full_disk(destination.parent)
        raise errors.NotebookFailedError(f"{source.name}: {full}") from None


def _execute(source: Path, destination: Path, settings: Mapping[str, Any]) -> None:
    # Papermill writes the notebook in place, so that a full disk would tear it: it gets a place of
    # its own, and what it wrote is put at the destination whole.
    with private_folder() as place:
        written = place / destination.name
        try:
            papermill.execute_notebook(
                _literal(source),
                _literal(written),
                engine_name=ENGINE,
                progress_bar=False,
                save_to=destination,
                **settings,
            )
        finally:
            if written.is_file():
                write_bytes(destination, written.read_bytes())


def _literal(path: Path) -> str:
    # papermill formats paths as templates: braces in a folder's name are doubled to stay.
    return str(path).replace("{", "{{").replace("}", "}}")
