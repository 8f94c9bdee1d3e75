"""`nbutils.open_run`: from the name of a run to all that it left behind."""

from __future__ import annotations

from pathlib import Path

from nbutils.artifacts import INTERACTIVE, project_dir
from nbutils.errors import DataError, suggest
from nbutils.finished_runs.listing import HOW_TO_MAKE_ONE, Places, list_runs
from nbutils.finished_runs.reading import (
    read_interactive,
    read_manifest,
    read_report,
    read_stage,
    stage_of,
)
from nbutils.finished_runs.run import FinishedRun

MOST_KNOWN = 20  # names in a message


def open_run(
    run: str | Path, *, runs_dir: str | Path | None = None, reports_dir: str | Path | None = None
) -> FinishedRun:
    """Open a finished run: its parameters, scores, predictions, data and model, each when asked.

    Parameters
    ----------
    run
        The name of a study, ``"interactive"`` for what notebooks wrote in JupyterLab, a report
        folder or one of its pages, or a stage folder.
    runs_dir, reports_dir
        Where stage folders and reports are; none: those of the project, also from `notebooks/`.

    Returns
    -------
    FinishedRun
        With `metrics, params, predictions, errors, data, model, findings, report` and more.

    Raises
    ------
    DataError
        There is no such run, or it did not finish.
    """
    places = Places.of(runs_dir, reports_dir)
    name = str(run)
    if isinstance(run, str) and _is_name(name):
        if (places.reports_dir / name).is_dir():
            return _open_report(places.reports_dir / name, [places.runs_dir])
        if name == INTERACTIVE and (found := read_interactive(places.runs_dir)) is not None:
            return found
    path = _find_path(Path(run).expanduser())
    if path is None:
        raise DataError(_say_unknown(name, places))
    return _open_path(path, places, given=runs_dir is not None)


def _is_name(text: str) -> bool:
    return bool(text.strip(". ")) and Path(text).name == text


def _find_path(path: Path) -> Path | None:
    """Return the folder of a path as typed here, or in the project's folder."""
    for place in (path, project_dir() / path):
        if place.exists():
            return (place if place.is_dir() else place.parent).resolve()
    return None


def _open_path(folder: Path, places: Places, *, given: bool) -> FinishedRun:
    if read_manifest(folder) is not None:
        beside = [] if given else [folder.parent.parent / "runs", folder.parent.parent]
        return _open_report(folder, [*beside, places.runs_dir])
    stage = stage_of(folder)
    if stage is None:
        raise DataError(
            f"{folder}: expected the name of a run, a report or a stage folder, found a folder "
            f"that is none of them, or unfinished{_say_known('', places)}"
        )
    runs_dir = folder.parent.parent
    if folder.name == INTERACTIVE and folder.parent.name == stage:
        found = read_interactive(runs_dir)
        return found or read_stage(stage, folder)
    listed = list_runs(runs_dir=runs_dir, reports_dir=places.reports_dir)
    reported = (run for run in listed if run.folders.get(stage) == folder)
    return next(reported, None) or read_stage(stage, folder)


def _open_report(folder: Path, runs_dirs: list[Path]) -> FinishedRun:
    found = read_report(folder, runs_dirs=runs_dirs)
    if found is not None:
        return found
    told = read_manifest(folder)
    if told is None:
        raise DataError(f"{folder}: expected a report of nbutils, found no manifest of one in it")
    again = f"; run it again: {told['command']}" if told["command"] else ""
    raise DataError(
        f"{folder.name}: expected a finished run, found one that {told['status']}{again}"
    )


def _say_unknown(name: str, places: Places) -> str:
    return f"{name}: no such run in {places.reports_dir}{_say_known(name, places)}"


def _say_known(name: str, places: Places) -> str:
    known = {run.name for run in list_runs(places.runs_dir, places.reports_dir)}
    if not known:
        return f"; {HOW_TO_MAKE_ONE}"
    hint = suggest(name, known)
    if len(known) > MOST_KNOWN and "did you mean" not in hint:
        return f"; nbutils.list_runs() lists the {len(known):,} that there are"
    return hint
