"""A report run again from what it carries, in a folder of its own."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbutils.artifacts import STAGES, digest, read_json
from nbutils.errors import CheckpointError, DataError, NotebookFailedError, ParameterError
from nbutils.locks import Waiting, locked
from nbutils.params.study import Study
from nbutils.publishing import fingerprint_predictions
from nbutils.report.carried import read_test_rows, unpack_predictions
from nbutils.report.page import read_manifest
from nbutils.report_folders import MANIFEST, find_page
from nbutils.reproduce.checking import Check, check_checkpoint, check_data, check_seals
from nbutils.reproduce.comparing import Comparison, compare_manifests
from nbutils.reproduce.rebuilding import rebuild_study
from nbutils.reproduction_folders import (
    REPORTS,
    begin_reproduction,
    end_reproduction,
    name_reproduction,
)
from nbutils.runs import RunOptions, StudyRun, StudyWatcher
from nbutils.study import REFUSED, check_study, run_study

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Reproduction:
    """A report run again, or why it was not.

    Parameters
    ----------
    report
        The page.
    inputs
        What was looked at before training: the seals, the data, the checkpoint.
    comparison
        The two runs side by side; None: it was not run, as an input is not that of the report.
    folder
        Where the new run is kept; None: it was reproduced, and its folder removed.
    page
        The new run's own report; None: it was removed too.
    """

    report: Path
    inputs: tuple[Check, ...]
    comparison: Comparison | None = None
    folder: Path | None = None
    page: Path | None = None

    @property
    def verdict(self) -> Literal["bit-identical", "within tolerance", "different", "not run"]:
        """What it comes to."""
        if self.comparison is None:
            return "not run"
        if self.comparison.verdict == "identical":
            return "bit-identical"
        return "within tolerance" if self.comparison.verdict != "different" else "different"

    @property
    def reproduced(self) -> bool:
        """Whether it is bit-identical or within tolerance."""
        return self.verdict in {"bit-identical", "within tolerance"}


@dataclass(frozen=True)
class ReproduceOptions:
    """What stands in for a report's inputs, where the new run goes, and what is allowed.

    Attributes
    ----------
    data, model
        Stand in for the recorded dataset and checkpoint; see `rebuild_study`.
    runs_dir
        The run gets a folder in it, ``reproduce-<name>-<digest>``, by the report's manifest and
        the inputs given. It is removed when the report was reproduced; the same reproduction goes
        on in it after an interruption or a failed notebook. No other folder is written to.
    reports_dir
        Where the new run's report goes, as ``<name>-reproduced``; None: into that new folder.
    anyway
        Train even though the data, the checkpoint or the report is not what was published.
    trust_remote_code
        Run Python code that comes with the checkpoint, where the report did.
    """

    data: str | None = None
    model: str | None = None
    runs_dir: Path = Path("runs")
    reports_dir: Path | None = None
    anyway: bool = False
    trust_remote_code: bool = False


def reproduce_report(
    report: Path,
    *,
    options: ReproduceOptions | None = None,
    watcher: StudyWatcher | None = None,
) -> Reproduction:
    """Run a report's study again without the cache, and compare.

    A reproduction that was interrupted goes on from its own stages and checkpoints; one that ended
    starts from nothing.

    Parameters
    ----------
    report
        Any page of a finished study, or the folder of its report.
    options
        Other inputs, folders and permissions than usual; None: none.
    watcher
        Told of the progress; None: nobody looks.

    Raises
    ------
    DataError, ParameterError, CheckpointError
        It cannot be run: an input is missing, the page is not that of a finished study, or its
        checkpoint runs code that is not trusted.
    NotebookFailedError
        A notebook failed; its report says where and why.
    """
    options = options or ReproduceOptions()
    report = find_page(report)
    manifest = _finished_manifest(report)
    study = rebuild_study(manifest, data=options.data, model=options.model)
    trusting = study.fine_tune.trust_remote_code
    if trusting and not options.trust_remote_code:
        raise ParameterError(_untrusted(report, study))
    inputs = (*check_seals(report), *_inputs_here(study, manifest))
    if not options.anyway and any(check.outcome == "bad" for check in inputs):
        return Reproduction(report, inputs)
    check_study(study)
    folder = _folder(study.name, manifest, options)
    reports = folder / REPORTS if options.reports_dir is None else options.reports_dir
    study = study.model_copy(update={"name": f"{study.name}-reproduced"})
    command = _command(report, options) + " --trust-remote-code" * trusting
    with _own(folder, watcher):
        run = _run(study, command, folder=folder, reports_dir=reports, watcher=watcher)
        comparison = _compare(run, manifest, report)
        end_reproduction(folder)
        if comparison.verdict != "different":
            shutil.rmtree(folder, ignore_errors=True)
    page = run.report_dir / "index.html"
    if comparison.verdict == "different":
        return Reproduction(report, inputs, comparison, folder, page)
    return Reproduction(report, inputs, comparison, None, page if options.reports_dir else None)


def _folder(name: str, manifest: Mapping[str, Any], options: ReproduceOptions) -> Path:
    """Return where a reproduction runs: the same for the same report and inputs."""
    given = [_place(options.data), _place(options.model)]
    return options.runs_dir / name_reproduction(name, digest([manifest, given]))


def _place(given: str | None) -> str | None:
    here = None if given is None else Path(given).expanduser()
    return given if here is None or not here.exists() else str(here.resolve())


@contextmanager
def _own(folder: Path, watcher: StudyWatcher | None) -> Iterator[None]:
    """Hold a folder ready for its run, and leave nothing of it if the run is refused."""
    waits = None if watcher is None else lambda: watcher.stage_waits(STAGES[0])
    made = not folder.parent.exists()
    try:
        with locked(folder.parent, folder.name, waiting=Waiting(waits)), _begun(folder):
            yield
    except REFUSED:
        with suppress(OSError):  # there is something in it
            if made:
                folder.parent.rmdir()
        raise


@contextmanager
def _begun(folder: Path) -> Iterator[None]:
    begin_reproduction(folder)
    try:
        yield
    except REFUSED:
        if not any(folder.glob("fine_tune/*")):  # a training is worth more than a tidy folder
            end_reproduction(folder)
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _untrusted(report: Path, study: Study) -> str:
    # whoever wrote the page chose the model, and with it the code that would run here
    return (
        f"{report}: was made with fine_tune.trust_remote_code, so that Python code that comes with "
        f"{study.fine_tune.model} would run here; read that code, then add --trust-remote-code"
    )


def _finished_manifest(report: Path) -> dict[str, Any]:
    manifest = read_manifest(report)
    if "stage_keys" not in manifest:
        raise DataError(f"{report}: expected a page of a study, found one of something else")
    if manifest.get("status") != "completed" or not manifest.get("metrics"):
        raise DataError(
            f"{report}: expected a study that completed, found one that {manifest.get('status')}; "
            "there is nothing to compare with"
        )
    for name in ("stage_keys", "metrics", "environment", "code"):
        if not isinstance(manifest.get(name), Mapping):
            raise DataError(f"{report}: expected {name} in its manifest, found none that is one")
    if "benchmark" in manifest["stage_keys"]:
        raise DataError(
            f"{report}: expected a study that trains a model, found a benchmark, whose times are "
            f"never the same; measure again with: {manifest.get('command')}"
        )
    unpack_predictions(manifest)  # refused now rather than after training
    return manifest


def _inputs_here(study: Study, manifest: Mapping[str, Any]) -> tuple[Check, Check]:
    try:
        data = check_data(study, manifest)
    except DataError as error:
        raise DataError(f"{error}; say where the data is with --data PATH") from None
    try:
        return data, check_checkpoint(study, manifest)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; say where the model is with --model PATH") from None


def _command(report: Path, options: ReproduceOptions) -> str:
    given = {"--data": options.data, "--model": options.model}
    words = [word for name, value in given.items() if value for word in (name, value)]
    return shlex.join(["nbutils", "reproduce", str(report), *words])


def _run(
    study: Study,
    command: str,
    *,
    folder: Path,
    reports_dir: Path,
    watcher: StudyWatcher | None,
) -> StudyRun:
    try:
        return run_study(
            study,
            command=command,
            options=RunOptions(folder, reports_dir),
            watcher=watcher,
        )
    except NotebookFailedError as error:
        page = reports_dir / study.name / "index.html"
        raise NotebookFailedError(f"{error}; report: {page}") from None


def _compare(run: StudyRun, manifest: Mapping[str, Any], report: Path) -> Comparison:
    now = read_json(run.report_dir / MANIFEST)
    original, tuned = _original_predictions(manifest, report), run.folder("fine_tune")
    rows: tuple[pd.DataFrame, pd.DataFrame] | None = None
    if original is not None and tuned is not None:
        rows = read_test_rows(original), read_test_rows(tuned / PREDICTIONS)
    return compare_manifests(manifest, now, rows=rows)


def _original_predictions(manifest: Mapping[str, Any], report: Path) -> Path | None:
    """Return the predictions file of the reported run, if it is still where runs usually are."""
    key = str(manifest["stage_keys"].get("fine_tune", ""))
    for runs in (Path("runs"), report.resolve().parent.parent.parent / "runs"):
        path = runs / "fine_tune" / key / PREDICTIONS
        if path.is_file() and fingerprint_predictions(path) == manifest.get("predictions_sha256"):
            return path
    return None
