"""A study from its file to its reports: stages in order, each run only when something changed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nbutils
from nbutils.artifacts import STAGE_FILE, STAGES, read_json, write_json
from nbutils.checkpoints.checks import check_checkpoint, check_lora, check_own_code
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.data.fingerprints import fingerprint_source
from nbutils.data.sources import check_source
from nbutils.endings import describe_full_disk, is_disk_full, read_ending
from nbutils.errors import (
    CheckpointError,
    DataError,
    NbutilsError,
    NotebookFailedError,
    ParameterError,
)
from nbutils.locks import locked, read_lock
from nbutils.params.base import StageParameters
from nbutils.params.study import Study
from nbutils.pinning import pin_study
from nbutils.runs import (
    NOTEBOOK,
    RunOptions,
    StageRun,
    StudyRun,
    StudyWatcher,
    find_notebook,
    stage_folder,
    stage_key,
)

CHECKPOINTS = "checkpoints"  # in a fine_tune folder, while it is running
REFUSED = (DataError, ParameterError, CheckpointError)


def check_study(study: Study) -> None:
    """Refuse, before any kernel starts, what can be seen to be wrong.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        A file, a column or a checkpoint is missing, or contradicts a parameter.
    """
    check_source(study.data_prep)
    check_checkpoint(study.fine_tune.model, max_length=study.fine_tune.max_length)
    check_own_code(study.fine_tune)
    check_lora(study.fine_tune)
    check_checkpoint(study.data_prep.tokenizer, max_length=study.data_prep.max_length)


def run_study(
    study: Study,
    *,
    command: str,
    options: RunOptions | None = None,
    watcher: StudyWatcher | None = None,
) -> StudyRun:
    """Run the stages of a study that are not there yet, and write its reports.

    Parameters
    ----------
    study
        Validated parameters.
    command
        The command that runs it again, for the reports.
    options
        Where things go, and how; None: into `runs/` and `reports/`, using what is there.
    watcher
        Told of the progress; None: nobody looks.

    Returns
    -------
    StudyRun
        With the stages and the report folder.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        The input was refused; reports of earlier runs stay as they were.
    NotebookFailedError
        A notebook failed; its report says where and why.
    """
    study = pin_study(study)
    run = StudyRun(study, command, options or RunOptions())
    places = (run.report_dir, run.reports_dir, run.runs_dir)
    run.made = [place for place in places if not place.exists()]
    for folder in (run.runs_dir, run.report_dir):
        _make_folder(folder)
    run.fingerprints = {
        "data": fingerprint_source(study.data_prep),
        "checkpoint": fingerprint_checkpoint(
            study.fine_tune.model, revision=study.fine_tune.revision
        ),
    }
    with run.in_use:  # no pruning takes a finished stage before the report is made of it
        _run_stages(run, watcher)
    return run


def _run_stages(run: StudyRun, watcher: StudyWatcher | None) -> None:
    from nbutils.publishing import publish

    try:
        for stage in STAGES:
            run.failed_stage = stage
            run.stages.append(_run_stage(run, stage, watcher))
        run.failed_stage = None
    except REFUSED:
        _leave_nothing(run)
        raise
    except (NbutilsError, KeyboardInterrupt, OSError) as error:
        raise _end_early(run, error) from error
    publish(run)


def _leave_nothing(run: StudyRun) -> None:
    """Remove what a refused input made: its stage, and folders that are empty but for it."""
    folder = stage_folder(run, run.failed_stage or STAGES[0])
    shutil.rmtree(folder, ignore_errors=True)
    for place in (folder.parent, *run.made):
        with suppress(OSError):  # there is something in it
            place.rmdir()


def _end_early(run: StudyRun, error: BaseException) -> BaseException:
    """Publish how a run ended before its end, and return what is to be raised."""
    from nbutils.publishing import publish

    folder = stage_folder(run, run.failed_stage or STAGES[0])
    full = is_disk_full(error)
    if full:
        error = NotebookFailedError(f"{run.failed_stage}: {describe_full_disk(folder)}")
    run.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    ending = read_ending(folder / NOTEBOOK)
    details = "" if ending is None else ending.describe()
    run.problem = f"{str(error) or 'interrupted (Ctrl-C)'}\n{details}".strip()
    if folder.is_dir():  # what was half made is of no use, and may fill the disk
        with suppress(OSError):
            _clear(folder, keep={CHECKPOINTS, NOTEBOOK})
    try:
        publish(run, failed_folder=folder)
    except OSError as second:
        if not is_disk_full(second):
            raise
    return error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if is_disk_full(error):
            raise
        reason = error.strerror or str(error)
        raise ParameterError(f"{folder}: cannot be written to ({reason}); choose another") from None


def _run_stage(run: StudyRun, stage: str, watcher: StudyWatcher | None) -> StageRun:
    key = stage_key(run, stage)
    folder = run.runs_dir / stage / key
    waits = None if watcher is None else lambda: watcher.stage_waits(stage)
    with locked(run.runs_dir, key, on_wait=waits):  # then what the other process made is used
        if (folder / STAGE_FILE).is_file() and not run.options.fresh:
            done = _reuse_stage(stage, key, folder)
        else:
            done = _execute_stage(run, stage, key, folder, watcher)
        run.in_use.enter_context(read_lock(run.runs_dir, key))
    if watcher is not None:
        watcher.stage_done(done)
    return done


def _reuse_stage(stage: str, key: str, folder: Path) -> StageRun:
    noted = read_json(folder / STAGE_FILE)
    with suppress(OSError):
        os.utime(folder / STAGE_FILE)  # used now, as the list of the cache shows it
    seconds, peak = float(noted.get("seconds", 0.0)), noted.get("kernel_peak_mib")
    return StageRun(stage, key, folder, reused=True, seconds=seconds, kernel_peak_mib=peak)


def _clear(folder: Path, *, keep: Set[str]) -> None:
    """Make a stage folder empty, but for what is to be kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _execute_stage(
    run: StudyRun, stage: str, key: str, folder: Path, watcher: StudyWatcher | None
) -> StageRun:
    from nbutils.execution import run_notebook

    if watcher is not None:
        watcher.stage_started(stage)
    # a killed training goes on from its states
    _clear(folder, keep=set() if run.options.fresh else {CHECKPOINTS})
    started, begin = datetime.now(timezone.utc), time.perf_counter()
    run_notebook(
        find_notebook(stage),
        folder / NOTEBOOK,
        parameters=_cell_parameters(run, stage, folder),
        on_progress=None if watcher is None else lambda p: watcher.stage_progress(stage, p),
        limits=run.options.limits,
    )
    seconds = time.perf_counter() - begin
    ending = read_ending(folder / NOTEBOOK)
    peak = None if ending is None else ending.kernel_peak_mib
    done = StageRun(stage, key, folder, reused=False, seconds=seconds, kernel_peak_mib=peak)
    _mark_finished(done, started, upstream={before.stage: before.key for before in run.stages})
    return done


def _mark_finished(done: StageRun, started: datetime, *, upstream: Mapping[str, str]) -> None:
    write_json(
        done.folder / STAGE_FILE,
        {
            "stage": done.stage,
            "key": done.key,
            "upstream": dict(upstream),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(done.seconds, 2),
            "kernel_peak_mib": done.kernel_peak_mib,
            "nbutils": nbutils.__version__,
        },
    )


def _cell_parameters(run: StudyRun, stage: str, folder: Path) -> Mapping[str, Any]:
    section: StageParameters = getattr(run.study, stage)
    places = {
        "output_dir": folder,
        "data_dir": run.folder("data_prep"),
        "model_dir": run.folder("fine_tune"),
    }
    values = section.model_dump(mode="json")
    return values | {
        name: place.as_posix() for name, place in places.items() if place and name in values
    }
