"""A study from its file to its reports: stages in order, each run only when something changed."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import nbutils
from nbutils.artifacts import (
    NOTEBOOKS,
    STAGE_FILE,
    STAGES,
    code_fingerprint,
    digest,
    project_dir,
    read_json,
    write_json,
)
from nbutils.checkpoints import check_checkpoint, fingerprint_checkpoint
from nbutils.data.sources import check_source, fingerprint_source
from nbutils.endings import describe_full_disk, is_disk_full, read_ending
from nbutils.errors import (
    CheckpointError,
    DataError,
    NbutilsError,
    NotebookFailedError,
    ParameterError,
)
from nbutils.params.base import StageParameters
from nbutils.params.study import Study, is_plumbing

if TYPE_CHECKING:
    from nbutils.progress import Limits, Progress

DECISIVE = ("torch", "transformers", "tokenizers", "datasets", "scikit-learn", "numpy")
NOTEBOOK = "notebook.ipynb"
CHECKPOINTS = "checkpoints"  # in a fine_tune folder, while it is running
REFUSED = (DataError, ParameterError, CheckpointError)


@dataclass(frozen=True)
class StageRun:
    """One stage of a run: where it is, and whether it was there already."""

    stage: str
    key: str
    folder: Path
    reused: bool
    seconds: float = 0.0
    kernel_peak_mib: float | None = None

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / NOTEBOOK


@dataclass
class StudyRun:
    """A run of a study: its stages so far, and how it ended."""

    study: Study
    command: str
    reports_dir: Path
    runs_dir: Path
    fresh: bool = False
    limits: Limits | None = None
    stages: list[StageRun] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)
    status: Literal["completed", "failed", "interrupted"] = "completed"
    problem: str = ""
    failed_stage: str | None = None

    @property
    def report_dir(self) -> Path:
        """The folder of the study's HTML pages."""
        return self.reports_dir / self.study.name

    def folder(self, stage: str) -> Path | None:
        """Return a stage's folder; None: the run did not get there."""
        return next((run.folder for run in self.stages if run.stage == stage), None)

    @property
    def reused(self) -> bool:
        """Whether every stage was there already."""
        return bool(self.stages) and all(run.reused for run in self.stages)


class StudyWatcher(Protocol):
    """Somebody who looks on while a study runs."""

    def stage_started(self, stage: str) -> None:
        """Be told that a stage's kernel is about to start."""

    def stage_progress(self, stage: str, progress: Progress) -> None:
        """Be told of a cell or of a step of a training."""

    def stage_done(self, run: StageRun) -> None:
        """Be told that a stage is finished, or was there already."""


def check_study(study: Study) -> None:
    """Refuse, before any kernel starts, what can be seen to be wrong.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        A file, a column or a checkpoint is missing, or contradicts a parameter.
    """
    check_source(study.data_prep)
    check_checkpoint(study.fine_tune.model, max_length=study.fine_tune.max_length)
    check_checkpoint(study.data_prep.tokenizer, max_length=study.data_prep.max_length)


def run_study(
    study: Study,
    *,
    command: str,
    runs_dir: Path = Path("runs"),
    reports_dir: Path = Path("reports"),
    fresh: bool = False,
    limits: Limits | None = None,
    watcher: StudyWatcher | None = None,
) -> StudyRun:
    """Run the stages of a study that are not there yet, and write its reports.

    Parameters
    ----------
    study
        Validated parameters.
    command
        The command that runs it again, for the reports.
    runs_dir, reports_dir
        Where stage folders and HTML pages go.
    fresh
        Run every stage, whatever is there.
    limits
        How long it may take; None: as long as it likes.
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
    from nbutils.publishing import publish

    run = StudyRun(study, command, reports_dir, runs_dir, fresh=fresh, limits=limits)
    for folder in (runs_dir, run.report_dir):
        _make_folder(folder)
    run.fingerprints = {
        "data": fingerprint_source(study.data_prep),
        "checkpoint": fingerprint_checkpoint(
            study.fine_tune.model, revision=study.fine_tune.revision
        ),
    }
    try:
        for stage in STAGES:
            run.failed_stage = stage
            run.stages.append(_run_stage(run, stage, watcher))
        run.failed_stage = None
    except REFUSED:  # nothing of a refused input stays
        shutil.rmtree(_stage_folder(run, run.failed_stage or STAGES[0]), ignore_errors=True)
        if not any(run.report_dir.iterdir()):
            run.report_dir.rmdir()
        raise
    except (NbutilsError, KeyboardInterrupt, OSError) as error:
        raise _end_early(run, error) from error
    publish(run)
    return run


def _end_early(run: StudyRun, error: BaseException) -> BaseException:
    """Publish how a run ended before its end, and return what is to be raised."""
    from nbutils.publishing import publish

    folder = _stage_folder(run, run.failed_stage or STAGES[0])
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


@contextmanager
def locked(runs_dir: Path, name: str) -> Iterator[None]:
    """Hold the lock of that name, which ends with the process that holds it, however it ends."""
    from filelock import FileLock

    folder = runs_dir / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        yield


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


def _stage_folder(run: StudyRun, stage: str) -> Path:
    return run.runs_dir / stage / stage_key(run, stage)


def stage_key(run: StudyRun, stage: str) -> str:
    """Return the key of a stage: equal when nothing that its result depends on has changed."""
    section: StageParameters = getattr(run.study, stage)
    parameters = {
        name: value
        for name, value in section.model_dump(mode="json").items()
        if not is_plumbing(type(section), name)
    }
    upstream = [done.key for done in run.stages]
    inputs = {
        "data_prep": [run.fingerprints["data"], _tokenizer_fingerprint(run.study)],
        "fine_tune": [run.fingerprints["checkpoint"]],
    }.get(stage, [])
    code = code_fingerprint(find_notebook(stage))
    return digest([stage, code, parameters, upstream, inputs, _versions()])


def _versions() -> list[str]:
    """Return the versions of the libraries that results depend on."""
    return [f"{name} {importlib.metadata.version(name)}" for name in DECISIVE]


def _tokenizer_fingerprint(study: Study) -> str:
    return fingerprint_checkpoint(study.data_prep.tokenizer)


def find_notebook(stage: str) -> Path:
    """Return the notebook of a stage: the project's own, else the one that came with nbutils.

    Raises
    ------
    DataError
        There is neither.
    """
    library = Path(nbutils.__file__).parent
    places = (project_dir() / "notebooks", library / "notebooks", library.parent / "notebooks")
    for place in places:
        if (place / NOTEBOOKS[stage]).is_file():
            return place / NOTEBOOKS[stage]
    raise DataError(
        f"{NOTEBOOKS[stage]}: expected in {places[0]}, found neither there nor installed"
    )


def _run_stage(run: StudyRun, stage: str, watcher: StudyWatcher | None) -> StageRun:
    key = stage_key(run, stage)
    folder = run.runs_dir / stage / key
    with locked(run.runs_dir, key):  # the same stage in another process: wait, then use its result
        if (folder / STAGE_FILE).is_file() and not run.fresh:
            done = _reuse_stage(stage, key, folder)
        else:
            done = _execute_stage(run, stage, key, folder, watcher)
    if watcher is not None:
        watcher.stage_done(done)
    return done


def _reuse_stage(stage: str, key: str, folder: Path) -> StageRun:
    noted = read_json(folder / STAGE_FILE)
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
    _clear(folder, keep=set() if run.fresh else {CHECKPOINTS})
    started, begin = datetime.now(timezone.utc), time.perf_counter()
    run_notebook(
        find_notebook(stage),
        folder / NOTEBOOK,
        parameters=_cell_parameters(run, stage, folder),
        on_progress=None if watcher is None else lambda p: watcher.stage_progress(stage, p),
        limits=run.limits,
    )
    seconds = time.perf_counter() - begin
    ending = read_ending(folder / NOTEBOOK)
    peak = None if ending is None else ending.kernel_peak_mib
    write_json(
        folder / STAGE_FILE,
        {
            "stage": stage,
            "key": key,
            "upstream": {done.stage: done.key for done in run.stages},
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "kernel_peak_mib": peak,
            "nbutils": nbutils.__version__,
        },
    )
    return StageRun(stage, key, folder, reused=False, seconds=seconds, kernel_peak_mib=peak)


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
