"""A papermill engine that says how a notebook ended: `papermill --engine nbutils IN OUT`.

Papermill's own engine marks every cell of a notebook whose kernel died as completed, also those
that never ran, and saves in place. This one marks the cell that failed, leaves the rest pending,
writes the cause into the notebook, and replaces the file whole at each save.

Papermill imports this module by its entry point while it is being imported itself: import
`papermill` first, never this module.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

from nbutils.bookkeeping import Bookkeeping
from nbutils.errors import NotebookFailedError
from nbutils.kernels import (
    KernelWatch,
    describe_death,
    end_in_order,
    launch_code,
    memory_limit_mib,
)
from nbutils.private_folders import private_folder
from nbutils.progress import Limits, OnProgress
from nbutils.widgets.base import PROGRESS_MIME, WIDGET_MIME

KERNEL_LOG = "kernel.log"
LAST_WORDS = 4000  # characters of the kernel's own output that are kept when it dies


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Runs the cells on this very Python, and passes training progress on."""

    private_dir: Path | None = None
    limits: Limits

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        if self.private_dir is not None and os.name == "posix":
            # Files in a private folder, not TCP ports: no two kernels race for one, and nobody
            # else on the machine can listen.
            manager.transport = "ipc"
            manager.connection_file = str(self.private_dir / "kernel.json")
        if self.nb.metadata.get("kernelspec", {}).get("language", "python") == "python":
            # The kernelspec named python3 may belong to another environment of the user's.
            manager._kernel_spec = KernelSpec(
                argv=[sys.executable, "-c", launch_code(), "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )
        return manager

    def papermill_execute_cells(self) -> None:
        with KernelWatch(self._process().pid) as self.watch:
            try:
                for index, cell in enumerate(self.nb.cells):
                    self._run_cell(index, cell)
            except CellExecutionError:
                pass  # papermill raises it from what stands in the cell
            finally:
                self.nb_man.note_memory(self.watch.peak_mib)

    def _run_cell(self, index: int, cell: Any) -> None:
        try:
            self.nb_man.cell_start(cell, index)
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            raise
        except BaseException as error:
            reason = self._end_of(error)
            name, words = type(error).__name__.lstrip("_"), self.last_words()
            self.nb_man.fail(cell, index, reason, name=name, last_words=words)
            raise reason from error
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)

    def _process(self) -> Any:
        return self.km.provisioner.process

    def _end_of(self, error: BaseException) -> BaseException:
        """Return what ended a cell from outside, and see to it that the kernel is gone."""
        process = self._process()
        if isinstance(error, DeadKernelError):
            return NotebookFailedError(
                describe_death(
                    process.poll(), peak_mib=self.watch.peak_mib, limit_mib=memory_limit_mib()
                )
            )
        end_in_order(process.pid)
        if isinstance(error, CellTimeoutError):
            return NotebookFailedError(f"{self.limits.describe()}")
        return error

    def log_output_message(self, output: Any) -> None:
        super().log_output_message(self.nb_man.redactor.redact_tree(output))

    def end_unstarted(self, error: Exception) -> NotebookFailedError:
        """Return why there was no kernel to run a cell, with what its process said."""
        words = self.last_words()
        reason = NotebookFailedError(f"the kernel did not start: {error}")
        self.nb_man.fail_to_start(reason, last_words=words)
        last = f"; its last words: {words.splitlines()[-1]}" if words else ""
        return NotebookFailedError(f"{reason}{last}")

    def end_process(self) -> None:
        """End the kernel's process by force, if it is still there."""
        process = None if self.km is None else getattr(self.km.provisioner, "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        """Return the end of what the kernel's process itself wrote."""
        log = None if self.private_dir is None else self.private_dir / KERNEL_LOG
        if log is None or not log.is_file():
            return ""
        return log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip()

    def process_message(self, msg: Any, *rest: Any, **named: Any) -> Any:
        data = msg.get("content", {}).get("data", {})
        values = data.pop(PROGRESS_MIME, None) if isinstance(data, dict) else None
        if values is not None:
            self.nb_man.tell(values)
        if isinstance(data, dict) and "text/html" in data:
            # Nobody can click in a notebook whose kernel is gone: its static twin stays.
            data.pop(WIDGET_MIME, None)
        return super().process_message(msg, *rest, **named)


class NbutilsEngine(NBClientEngine):  # type: ignore[misc]
    """Papermill engine `nbutils`: `papermill --engine nbutils IN OUT`."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        on_progress: OnProgress | None = None,
        save_to: Path | None = None,
        **settings: Any,
    ) -> Any:
        """Execute `nb`, save it to `output_path` as it goes, and return it.

        Parameters
        ----------
        nb
            Parameterized notebook.
        kernel_name
            Name of its kernel.
        output_path
            Where it is saved; None: nowhere.
        on_progress
            Told of each cell and of each step of a training.
        save_to
            Saved there instead of `output_path`, to which papermill itself writes, not atomically.
        **settings
            What papermill passes to every engine.
        """
        looks = {
            name: settings.pop(name)
            for name in ("log_output", "progress_bar", "autosave_cell_every")
            if name in settings
        }
        if save_to is not None:
            output_path = nb.metadata.papermill["output_path"] = str(save_to)
        manager = Bookkeeping(nb, output_path=output_path, on_progress=on_progress, **looks)
        manager.notebook_start()
        try:
            with _terminated_as_interrupted():
                cls.execute_managed_notebook(manager, kernel_name, **settings)
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
        # Papermill writes it once more, and raises errors from what stands in it.
        return manager.redactor.redact_notebook(manager.nb)

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        limits: Limits | None = None,
        stdout_file: Any = None,
        stderr_file: Any = None,
        **settings: Any,
    ) -> Any:
        """Run the cells; see `papermill.engines.NBClientEngine` for the settings."""
        settings.pop("input_path", None)
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=_start_timeout(start_timeout, limits),
            log=logging.getLogger("papermill"),
            log_output=nb_man.log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            **settings,
        )
        client.store_widget_state = False
        client.limits = limits or Limits(cell_seconds=execution_timeout)
        client.timeout_func = lambda _: client.limits.next_timeout()
        with private_folder() as private:
            client.private_dir = private
            # What the kernel's process itself writes (a crash in C++, say) is kept for the report
            # and does not mix with the lines of this process.
            with (client.private_dir / KERNEL_LOG).open("wb") as log, _no_orphan(client):
                return client.execute(stdout=log, stderr=log)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Make of SIGTERM an exception, where nobody has: it would leave no word in the notebook."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt("terminated (SIGTERM)")

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _start_timeout(seconds: int, limits: Limits | None) -> int:
    left = None if limits is None else limits.next_timeout()
    return seconds if left is None else min(seconds, math.ceil(left))


@contextlib.contextmanager
def _no_orphan(client: _Client) -> Iterator[None]:
    """See to it that a kernel which did not start is told of, and that none outlives its run."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if client.nb_man.begun:
            raise
        client.end_process()
        raise client.end_unstarted(error) from error
    finally:
        client.end_process()
