"""A study from its file to its reports: stages in order, each run only when something changed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nbutils.artifacts import CHECKPOINTS, NOTEBOOKS, is_installed
from nbutils.checkpoints.checks import (
    check_checkpoint,
    check_layers,
    check_lora,
    check_own_code,
)
from nbutils.code_fingerprints import code_fingerprint
from nbutils.data.corrections import find_corrections
from nbutils.data.sources import check_source
from nbutils.endings import describe_full_disk, is_disk_full, read_ending
from nbutils.errors import (
    CheckpointError,
    DataError,
    NbutilsError,
    NotebookFailedError,
    ParameterError,
)
from nbutils.locks import WaitedTooLongError, Waiting, locked, read_lock, wait_for_readers
from nbutils.outside import refuse_changed, take_fingerprints
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
)
from nbutils.stage_folders import clear, mark_finished, reuse_stage

REFUSED = (DataError, ParameterError, CheckpointError)


def check_study(study: Study) -> None:
    """Refuse, before any kernel starts, what can be seen to be wrong.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        A file, a column or a checkpoint is missing, or contradicts a parameter.
    """
    for stage in study.stages:
        code_fingerprint(find_notebook(stage))
    if study.benchmark is not None and not is_installed("accelerate"):
        raise ParameterError(
            "benchmark: transformers.Trainer needs accelerate, found none; "
            'run: pip install "nbutils[benchmark]"'
        )
    for source in study.sources:
        check_source(source)
        find_corrections(source)
    prep, tune = study.data_prep, study.fine_tune
    check_checkpoint(tune.model, max_length=tune.max_length, revision=tune.revision)
    check_own_code(study.fine_tune)
    check_lora(study.fine_tune)
    check_layers(study.fine_tune)
    check_checkpoint(prep.tokenizer, max_length=prep.max_length, revision=prep.tokenizer_revision)


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
    run.fingerprints = take_fingerprints(study)
    with run.in_use:  # no pruning takes a finished stage before the report is made of it
        _run_stages(run, watcher)
    return run


def _run_stages(run: StudyRun, watcher: StudyWatcher | None) -> None:
    from nbutils.publishing import publish

    try:
        for stage in run.study.stages:
            run.stages.append(_run_stage(run, stage, watcher))
        publish(run)
    except REFUSED:
        _remove_empty(run)
        raise
    except (NbutilsError, KeyboardInterrupt, OSError) as error:
        if run.status != "completed":  # the stage that it was at has told of it
            raise
        raise _end_early(run, error, folder=None) from error


def _remove_empty(run: StudyRun) -> None:
    """Remove the folders that a refused run made, if nothing is in them."""
    for place in (*(run.runs_dir / stage for stage in NOTEBOOKS), *run.made):
        with suppress(OSError):  # there is something in it, or it is not there
            place.rmdir()


def _end_early(run: StudyRun, error: BaseException, *, folder: Path | None) -> BaseException:
    """Publish how a run ended before its end, and return what is to be raised.

    Parameters
    ----------
    run
        What was done so far.
    error
        What ended it.
    folder
        Of the stage that was being made, whose lock is held; None: none was.
    """
    from nbutils.publishing import publish

    if is_disk_full(error):
        place = folder or getattr(error, "filename", None) or run.report_dir
        stage = "writing the report" if folder is None else run.failed_stage
        error = NotebookFailedError(f"{stage}: {describe_full_disk(place)}")
    run.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    ending = None if folder is None else read_ending(folder / NOTEBOOK)
    details = "" if ending is None else ending.describe()
    run.problem = f"{str(error) or 'interrupted (Ctrl-C)'}\n{details}".strip()
    if folder is not None and folder.is_dir():  # half made is of no use, and may fill the disk
        with suppress(OSError):
            clear(folder, keep={CHECKPOINTS, NOTEBOOK})
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
    folder, limits = stage_folder(run, stage), run.options.limits
    waiting = Waiting(
        None if watcher is None else lambda: watcher.stage_waits(stage),
        deadline=None if limits is None else limits.deadline,
    )
    try:
        with locked(run.runs_dir, folder.name, waiting=waiting):
            done = None if run.options.fresh else reuse_stage(stage, folder)
            if done is None:
                wait_for_readers(run.runs_dir, folder.name, waiting=waiting)
                done = _make_stage(run, stage, folder, watcher)
            run.in_use.enter_context(read_lock(run.runs_dir, folder.name))
    except WaitedTooLongError:
        limit = "" if limits is None else limits.describe()
        raise NotebookFailedError(f"{stage}: {limit} while another run was at this stage") from None
    if watcher is not None:
        watcher.stage_done(done)
    return done


def _make_stage(run: StudyRun, stage: str, folder: Path, watcher: StudyWatcher | None) -> StageRun:
    """Run a stage whose lock is held; whatever ends it, nobody else meets a folder half made."""
    run.failed_stage = stage
    _refuse_changed(run, stage)  # before what an earlier run has made here is cleared
    try:
        done = _execute_stage(run, stage, folder, watcher)
    except REFUSED:
        _discard(folder)
        raise
    except (NbutilsError, KeyboardInterrupt, OSError) as error:
        raise _end_early(run, error, folder=folder) from error
    run.failed_stage = None
    return done


def _refuse_changed(run: StudyRun, stage: str) -> None:
    refuse_changed(run.study, stage, run.fingerprints, command=run.command)


def _discard(folder: Path) -> None:
    """Leave nothing of a refused stage but states of its training and what somebody filled in."""
    with suppress(OSError):
        clear(folder, keep={CHECKPOINTS})
        folder.rmdir()  # unless there is something of these in it


def _execute_stage(
    run: StudyRun, stage: str, folder: Path, watcher: StudyWatcher | None
) -> StageRun:
    from nbutils.execution import run_notebook

    if watcher is not None:
        watcher.stage_started(stage)
    # a killed training goes on from its states
    clear(folder, keep=set() if run.options.fresh else {CHECKPOINTS})
    started, begin = datetime.now(timezone.utc), time.perf_counter()
    run_notebook(
        find_notebook(stage),
        folder / NOTEBOOK,
        parameters=_cell_parameters(run, stage, folder),
        on_progress=None if watcher is None else lambda p: watcher.stage_progress(stage, p),
        limits=run.options.limits,
    )
    _refuse_changed(run, stage)
    seconds = time.perf_counter() - begin
    ending = read_ending(folder / NOTEBOOK)
    peak = None if ending is None else ending.kernel_peak_mib
    done = StageRun(stage, folder.name, folder, False, seconds=seconds, kernel_peak_mib=peak)
    mark_finished(done, started, upstream={before.stage: before.key for before in run.stages})
    return done


def _cell_parameters(run: StudyRun, stage: str, folder: Path) -> Mapping[str, Any]:
    section: StageParameters = getattr(run.study, stage)
    places = {
        "output_dir": folder,
        "data_dir": run.folder("data_prep"),
        "model_dir": run.folder("fine_tune"),
    }
    plumbing: dict[str, Any] = {name: p.as_posix() for name, p in places.items() if p}
    plumbing["keep_states"] = True  # they go once `stage.json` is written
    values = section.model_dump(mode="json")
    return values | {name: value for name, value in plumbing.items() if name in values}
