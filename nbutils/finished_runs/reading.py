"""Finished runs read from disk: from reports, and from stage folders that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nbutils.artifacts import (
    INTERACTIVE,
    KEY,
    LAST_ARTIFACT,
    NOTEBOOKS,
    STAGE_FILE,
    STAGES,
    read_json,
)
from nbutils.errors import DataError
from nbutils.finished_runs.run import FinishedRun
from nbutils.report_folders import LAST_COMPLETED, MANIFEST

TOLD = ("parameters", "metrics", "command", "stage_keys", "finished", "status")


def read_report(folder: Path, *, runs_dirs: Sequence[Path]) -> FinishedRun | None:
    """Return the run that a report tells of, or the one before it, if that is the last completed.

    Parameters
    ----------
    folder
        Of the report.
    runs_dirs
        Where its stage folders may be, at least one.

    Returns
    -------
    FinishedRun or None
        None: there is no report of a completed run.
    """
    for place in (folder, folder / LAST_COMPLETED):
        told = read_manifest(place)
        if told is not None and told["status"] == "completed":
            when = _read_time(told["finished"]) or _changed(place / MANIFEST)
            folders = _find_folders(told["stage_keys"], runs_dirs)
            return FinishedRun(folder.name, when, folders, place, told)
    return None


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a report's manifest says of its run; None: there is none of nbutils."""
    try:
        values = read_json(folder / MANIFEST)
    except DataError:
        return None
    told = {name: values.get(name) for name in TOLD}
    known = all(isinstance(told[name], Mapping) for name in ("parameters", "stage_keys"))
    return told if known else None


def read_interactive(runs_dir: Path) -> FinishedRun | None:
    """Return what the notebooks wrote in JupyterLab, as far as they came; None: nothing."""
    own = {stage: runs_dir / stage / INTERACTIVE for stage in STAGES}
    finished = [stage for stage in STAGES if (own[stage] / LAST_ARTIFACT[stage]).is_file()]
    if not {"data_prep", "fine_tune"}.intersection(finished):
        return None
    when = max(_changed(own[stage] / LAST_ARTIFACT[stage]) for stage in finished)
    if "fine_tune" in finished:
        own["data_prep"] = _trained_on(own["fine_tune"], runs_dir) or own["data_prep"]
    return FinishedRun(INTERACTIVE, when, own)


def read_stage(stage: str, folder: Path) -> FinishedRun:
    """Return what a finished stage folder belongs to: itself and the stages that it was made from.

    Parameters
    ----------
    stage
        Of the folder, one of `STAGES`.
    folder
        Anywhere.
    """
    runs_dir, folders = folder.parent.parent, {stage: folder}
    try:
        upstream = read_json(folder / STAGE_FILE).get("upstream")
    except DataError:  # not made by a study
        upstream = None
    if isinstance(upstream, Mapping):
        folders |= _find_folders(upstream, [runs_dir])
    if stage == "fine_tune" and "data_prep" not in folders:
        data_dir = _trained_on(folder, runs_dir)
        folders |= {} if data_dir is None else {"data_prep": data_dir}
    ordered = {name: folders[name] for name in STAGES if name in folders}
    return FinishedRun(folder.name, _changed(folder / LAST_ARTIFACT[stage]), ordered)


def stage_of(folder: Path) -> str | None:
    """Return the stage that finished a folder, by what is in it; None: it is no stage folder."""
    if (folder / LAST_ARTIFACT["fine_tune"]).is_file() and (folder / "history.json").is_file():
        return "fine_tune"
    for stage in ("data_prep", "error_analysis"):
        if (folder / LAST_ARTIFACT[stage]).is_file():
            return stage
    return None


def _find_folders(keys: Mapping[str, Any], runs_dirs: Sequence[Path]) -> dict[str, Path]:
    """Return the folder of each stage; where it is in none of the places, that in the first."""
    found = {}
    for stage in NOTEBOOKS:
        key = keys.get(stage)
        if not isinstance(key, str) or not KEY.fullmatch(key):
            continue
        places = [runs_dir / stage / key for runs_dir in runs_dirs]
        found[stage] = next((place for place in places if place.is_dir()), places[0])
    return found


def _trained_on(model_dir: Path, runs_dir: Path) -> Path | None:
    """Return the data_prep folder of a training; the project may have been moved since."""
    try:
        noted = read_json(model_dir / "history.json").get("data_dir")
    except DataError:
        return None
    if not isinstance(noted, str):
        return None
    moved = runs_dir / "data_prep" / Path(noted).name
    return moved if moved.is_dir() and not Path(noted).is_dir() else Path(noted)


def _read_time(text: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
