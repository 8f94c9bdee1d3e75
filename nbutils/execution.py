"""One notebook through papermill, with our own engine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill

from nbutils import errors
from nbutils.progress import Limits, OnProgress

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
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            _literal(source),
            _literal(destination),
            parameters=dict(parameters),
            engine_name=ENGINE,
            progress_bar=False,
            on_progress=on_progress,
            limits=limits,
        )
    except papermill.PapermillExecutionError as error:
        place = f"{source.name}, cell {error.exec_count}"
        if error.ename in REFUSALS:
            raise REFUSALS[error.ename](f"{source.name}: {error.evalue}") from None
        raise errors.NotebookFailedError(f"{place}: {error.ename}: {error.evalue}") from None
    except errors.NotebookFailedError as error:  # a dead kernel, a time limit
        raise errors.NotebookFailedError(f"{source.name}: {error}") from None
    except RuntimeError as error:  # a kernel that does not start
        raise errors.NotebookFailedError(f"{source.name}: {error}") from None


def _literal(path: Path) -> str:
    # papermill formats paths as templates: braces in a folder's name are doubled to stay.
    return str(path).replace("{", "{{").replace("}", "}}")
