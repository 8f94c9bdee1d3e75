"""A stage's folder: emptied, marked as finished, and checked before it is used again.

`stage.json` is written last and removed first: its existence means that the stage completed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import nbutils
from nbutils.artifacts import (
    CHECKPOINTS,
    LAST_ARTIFACT,
    STAGE_FILE,
    free_name,
    read_json,
    write_json,
)
from nbutils.errors import DataError
from nbutils.runs import StageRun

FILLED_IN = {"label_suspects.csv"}  # by hand, and not to be lost by running the study again
BEFORE = ".before"  # in the name of what somebody filled in before the stage was made anew


def clear(folder: Path, *, keep: Set[str]) -> None:
    """Make a stage folder, empty but for what is to be kept; what says that it is whole goes first.

    What somebody filled in by hand stays under another name: `label_suspects.before.csv`.

    Parameters
    ----------
    folder
        Its lock is held.
    keep
        Names in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILLED_IN - keep:
        if _is_edited(folder / name):
            (folder / name).rename(free_name(folder / name, BEFORE))
    for name in (STAGE_FILE, *LAST_ARTIFACT.values()):
        if name not in keep:
            (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name not in keep and not _is_set_aside(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def mark_finished(done: StageRun, started: datetime, *, upstream: Mapping[str, str]) -> None:
    """Write `stage.json`, once all else is on the disk, and remove what a resumption would need.

    Parameters
    ----------
    done
        The stage.
    started
        When.
    upstream
        Keys of the stages that it was made from.
    """
    sizes = _sizes(done.folder)
    _flush(done.folder, sizes)
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
            "files": sizes,
        },
    )
    _remove_states(done.folder)


def reuse_stage(stage: str, folder: Path) -> StageRun | None:
    """Return a stage that is finished and whole; None: it must be run.

    Parameters
    ----------
    stage
        One of `STAGES`.
    folder
        Where it would be; its lock is held.
    """
    try:
        noted = read_json(folder / STAGE_FILE)
    except DataError:  # missing, or torn with the disk
        return None
    sizes = noted.get("files")
    if not isinstance(sizes, dict) or not all(
        _is_whole(folder / name, size) for name, size in sizes.items()
    ):
        return None
    with suppress(OSError):
        os.utime(folder / STAGE_FILE)  # used now, as the list of the cache shows it
    _remove_states(folder)  # a kill may have come between its end and this
    seconds, peak = float(noted.get("seconds", 0.0)), noted.get("kernel_peak_mib")
    return StageRun(stage, folder.name, folder, reused=True, seconds=seconds, kernel_peak_mib=peak)


def _is_whole(path: Path, size: int) -> bool:
    if not path.is_file():
        return False
    found = path.stat().st_size
    return found == size or (path.name in FILLED_IN and found > 0)


def _is_edited(path: Path) -> bool:
    """Return whether a file of a finished stage may be another than the stage wrote, and not torn.

    A stage that never finished has no file that somebody would have filled in.
    """
    stage = path.parent / STAGE_FILE
    if not stage.is_file() or not path.is_file() or not path.stat().st_size:
        return False
    if path.stat().st_mtime_ns > stage.stat().st_mtime_ns:  # which is written last
        return True
    try:
        sizes = read_json(stage).get("files")
    except DataError:
        return True
    return not isinstance(sizes, dict) or sizes.get(path.name) != path.stat().st_size


def _is_set_aside(name: str) -> bool:
    return any(name.startswith(f"{Path(own).stem}{BEFORE}") for own in FILLED_IN)


def _remove_states(folder: Path) -> None:
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of all files in a folder, by their path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    found.pop(STAGE_FILE, None)
    own = {name: size for name, size in found.items() if not name.startswith(f"{CHECKPOINTS}/")}
    return {name: size for name, size in own.items() if not _is_set_aside(name)}


def _flush(folder: Path, names: Mapping[str, int]) -> None:
    """Wait until files and the folders that name them are on the disk."""
    folders = {(folder / name).parent for name in names}
    for path in (*(folder / name for name in names), *sorted(folders)):
        with suppress(OSError):  # a file system that cannot
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
