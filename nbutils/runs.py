"""A run of a study: its stages, their keys, and the folders they are in."""

from __future__ import annotations

import importlib.metadata
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import nbutils
from nbutils.artifacts import NOTEBOOKS, digest, project_dir
from nbutils.code_fingerprints import code_fingerprint
from nbutils.described import Described
from nbutils.errors import DataError
from nbutils.outside import READS, Fingerprints
from nbutils.params.base import StageParameters, is_plumbing
from nbutils.params.study import Study
from nbutils.processor import describe_processor
from nbutils.report_folders import SUMMARY

if TYPE_CHECKING:
    from nbutils.progress import Limits, Progress

DECISIVE = ("torch", "transformers", "tokenizers", "datasets", "scikit-learn", "numpy")
TRAINER = "accelerate"  # what transformers.Trainer stands on
DECISIVE_OF = {"error_analysis": ("captum", "cleanlab")}
LORA = "peft"  # decides too, where it is used
NOTEBOOK = "notebook.ipynb"


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


@dataclass(frozen=True)
class RunOptions:
    """Where a run puts what it makes, and how it goes about it.

    Attributes
    ----------
    runs_dir, reports_dir
        Where stage folders and HTML pages go.
    fresh
        Run every stage, whatever is there.
    limits
        How long it may take; None: as long as it likes.
    """

    runs_dir: Path = Path("runs")
    reports_dir: Path = Path("reports")
    fresh: bool = False
    limits: Limits | None = None


@dataclass(repr=False)
class StudyRun(Described):
    """A run of a study: its stages so far, and how it ended."""

    study: Study
    command: str
    options: RunOptions = field(default_factory=RunOptions)
    stages: list[StageRun] = field(default_factory=list)
    fingerprints: Fingerprints = field(default_factory=dict)
    status: Literal["completed", "failed", "interrupted"] = "completed"
    problem: str = ""
    failed_stage: str | None = None
    last_completed: bool = False  # whether a report of an earlier, completed run is kept
    made: list[Path] = field(default_factory=list)  # folders that were not there before
    in_use: ExitStack = field(default_factory=ExitStack)  # holds the stages that it reads

    _title = "Run of a study"

    def _facts(self) -> dict[str, Any]:
        done = [f"{run.stage}{' (was there)' if run.reused else ''}" for run in self.stages]
        return {
            "study": self.study.name,
            "status": self.status,
            **({"problem": self.problem} if self.problem else {}),
            "stages": done or "none yet",
            "seconds": round(sum(run.seconds for run in self.stages), 1),
            "report": self.report_dir / SUMMARY,
            "command": self.command,
        }

    @property
    def runs_dir(self) -> Path:
        """Where stage folders go."""
        return self.options.runs_dir

    @property
    def reports_dir(self) -> Path:
        """Where the reports of all studies go."""
        return self.options.reports_dir

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

    def stage_waits(self, stage: str) -> None:
        """Be told that another run is at this very stage, whose end is waited for."""

    def stage_started(self, stage: str) -> None:
        """Be told that a stage's kernel is about to start."""

    def stage_progress(self, stage: str, progress: Progress) -> None:
        """Be told of a cell or of a step of a training."""

    def stage_done(self, run: StageRun) -> None:
        """Be told that a stage is finished, or was there already."""


def stage_folder(run: StudyRun, stage: str) -> Path:
    """Return the folder of a stage, reached or not; the stages before it must be done."""
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
    code = code_fingerprint(find_notebook(stage))
    return digest([stage, code, parameters, upstream, _inputs(run, stage), _versions(section)])


def _inputs(run: StudyRun, stage: str) -> list[Any]:
    """Return what a stage depends on beside its notebook, its parameters and earlier stages."""
    found: list[Any] = [list(run.fingerprints[what]) for what in READS.get(stage, ())]
    if stage == "benchmark":  # what another machine measured is no answer
        found.append(describe_processor())
    return found


def _versions(section: StageParameters) -> list[str]:
    """Return the versions of the libraries that a stage's result depends on."""
    names = [*DECISIVE, *DECISIVE_OF.get(section.section, ())]
    if getattr(section, "lora_rank", None) is not None and find_spec(LORA) is not None:
        names.append(LORA)  # where it is missing the study is refused
    if section.section == "benchmark" and find_spec(TRAINER) is not None:
        names.append(TRAINER)
    return [f"{name} {importlib.metadata.version(name)}" for name in names]


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
