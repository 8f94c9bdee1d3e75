"""What papermill notes of a run cell by cell, saved whole, redacted, and told to who looks."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from papermill.engines import NotebookExecutionManager

from nbutils.artifacts import write_text
from nbutils.endings import MEMORY, find_headings
from nbutils.kernels import memory_limit_mib
from nbutils.progress import OnProgress, Progress
from nbutils.redaction import Redactor


class Bookkeeping(NotebookExecutionManager):  # type: ignore[misc]
    """Papermill's bookkeeping of a run, with whole saves and progress for the caller.

    Parameters
    ----------
    nb
        Parameterized notebook.
    on_progress
        Told of each cell and of each step of a training; None: nobody looks.
    **settings
        What papermill's own bookkeeping takes.
    """

    nb: Any

    def __init__(self, nb: Any, *, on_progress: OnProgress | None = None, **settings: Any) -> None:
        super().__init__(nb, **settings)
        self.on_progress = on_progress
        code = [index for index, cell in enumerate(nb.cells) if cell.cell_type == "code"]
        self.numbers = {index: number for number, index in enumerate(code, start=1)}
        self.headings = find_headings([(cell.cell_type, cell.source) for cell in nb.cells])
        self.running = 0
        self.begun = False
        self.is_quiet = False
        parameters = nb.metadata.get("papermill", {}).get("parameters") or {}
        self.redactor = Redactor.from_environment().knowing(parameters)
        self.cells: dict[str, str] = {}  # as they are written, by what they were made of

    def save(self, **changes: Any) -> None:
        """Replace the notebook's file by what is known now, without secrets."""
        self.nb = changes.get("nb") or self.nb
        if self.output_path and not self.is_quiet:
            is_last = self.end_time is not None
            text = self._as_it_stays() if is_last else self._as_it_is_now()
            write_text(Path(self.output_path), text + "\n", durable=is_last)
        self.last_save_time = self.now()

    def _as_it_stays(self) -> str:
        # The kernel goes on with the true values: only what is written is redacted.
        return str(nbformat.writes(self.redactor.redact_notebook(self.nb)))

    def _as_it_is_now(self) -> str:
        """Return the same in one line, for which only cells that changed are searched again."""
        made = [json.dumps(cell) for cell in self.nb.cells]
        self.cells = {
            key: self.cells.get(key) or json.dumps(self.redactor.redact_cell(cell))
            for key, cell in zip(made, self.nb.cells, strict=True)
        }
        cells = ", ".join(self.cells[key] for key in made)
        return f'{{"cells": [{cells}], {json.dumps(self.redactor.redact_notes(self.nb))[1:]}'

    def cell_start(self, cell: Any, cell_index: int | None = None, **changes: Any) -> None:
        """Note that a cell begins, and tell who looks."""
        self.begun = True
        with self._quiet_if(cell.cell_type != "code"):  # nothing happens in it
            super().cell_start(cell, cell_index, **changes)
        if cell_index in self.numbers:
            self.running = cell_index or 0
            self.tell({})

    def cell_complete(self, cell: Any, cell_index: int | None = None, **changes: Any) -> None:
        """Note that a cell has ended; what it put out is saved when the next begins, or now."""
        is_failed = cell.metadata.papermill["status"] == self.FAILED
        is_last = cell_index == max(self.numbers, default=None)
        with self._quiet_if(not (is_failed or is_last)):
            super().cell_complete(cell, cell_index, **changes)

    @contextmanager
    def _quiet_if(self, is_quiet: bool) -> Iterator[None]:
        self.is_quiet = is_quiet
        try:
            yield
        finally:
            self.is_quiet = False

    def tell(self, training: Mapping[str, Any]) -> None:
        """Tell who looks of the running cell, and of the step of its training, if it trains."""
        if self.on_progress is not None:
            number, heading = self.numbers[self.running], self.headings[self.running]
            self.on_progress(Progress(number, len(self.numbers), heading, training))

    def fail(
        self, cell: Any, cell_index: int, error: BaseException, *, name: str, last_words: str
    ) -> None:
        """Mark a cell failed for a reason that the kernel could not write down itself."""
        self.cell_exception(cell, cell_index=cell_index)
        if cell.cell_type != "code":  # stopped between two code cells: text has no outputs
            return
        message = str(error) or "stopped from outside"
        cell.setdefault("outputs", []).append(
            nbformat.v4.new_output(
                "error",
                ename=name,
                evalue=message,
                traceback=[
                    *traceback.format_exception_only(type(error), error),
                    *(["The kernel's last words:", last_words] if last_words else []),
                ],
            )
        )

    def fail_to_start(self, error: BaseException, *, last_words: str) -> None:
        """Mark the first code cell failed: there was no kernel to run it."""
        index = next(iter(self.numbers), None)
        if index is not None:
            cell, name = self.nb.cells[index], type(error).__name__
            self.fail(cell, index, error, name=name, last_words=last_words)

    def note_memory(self, peak_mib: float) -> None:
        """Keep in the notebook what its kernel needed."""
        self.nb.metadata[MEMORY] = {
            "kernel_peak_mib": round(peak_mib, 1),
            "memory_limit_mib": round(memory_limit_mib(), 1),
        }

    def notebook_complete(self, **changes: Any) -> None:
        """Note the end; papermill's own marks cells that never ran as completed."""
        self.end_time = self.now()
        papermill = self.nb.metadata.papermill
        papermill["end_time"] = self.end_time.isoformat()
        papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        for cell in self.nb.cells:
            if cell.metadata.papermill["status"] == self.RUNNING:  # stopped while being stopped
                self.cell_exception(cell)
        self.cleanup_pbar()
        self.save()
