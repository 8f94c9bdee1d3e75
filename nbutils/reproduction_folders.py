"""A reproduction's folder among the runs: named, begun, ended, and found again.

It is `reproduce-<name>-<digest>`, guarded by the lock of that name, and holds what a run makes:
stage folders and, unless they go elsewhere, reports. The mark in it says that it can be gone on
with.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from nbutils.artifacts import KEY, KEY_LENGTH, STAGE_FILE, STAGES, write_json
from nbutils.locks import LOCKS

MARK = "reproduction.json"
REPORTS = "reports"
NAME = re.compile(rf"reproduce-.+-[0-9a-f]{{{KEY_LENGTH}}}")


def name_reproduction(study_name: str, inputs: str) -> str:
    """Return the name of a folder, equal for the same study of the same inputs.

    Parameters
    ----------
    study_name
        Of the study that is reproduced.
    inputs
        A `digest` of the report and of what stands in for its inputs.
    """
    return f"reproduce-{study_name}-{inputs}"


def begin_reproduction(folder: Path) -> None:
    """Make a folder empty, unless it is that of a reproduction that has not ended.

    Parameters
    ----------
    folder
        Its lock is held.
    """
    if is_unfinished(folder):
        # Were all stages there, a page in --reports-dir of an earlier reproduction, made of stages
        # of the same keys, would be taken for the page of this one.
        for finished in (folder / STAGES[-1]).glob(f"*/{STAGE_FILE}"):
            finished.unlink()
        return
    if folder.exists():  # of a reproduction that ended: "without the cache" means its stages too
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_json(folder / MARK, {"status": "unfinished"})


def end_reproduction(folder: Path) -> None:
    """Say that a reproduction is not to be gone on with.

    It comes before any removal, too: what is half removed must not be gone on with.
    """
    (folder / MARK).unlink(missing_ok=True)


def is_unfinished(folder: Path) -> bool:
    """Return whether a reproduction was begun in a folder and has not ended."""
    return (folder / MARK).is_file()


def find_reproductions(runs_dir: Path) -> list[Path]:
    """Return the folders of reproductions, running, unfinished or kept.

    A folder of somebody's own may be named like one: it counts only if there is a mark or a stage
    folder in it, and nothing that a reproduction does not make. No link is followed.
    """
    if not runs_dir.is_dir():
        return []
    found = sorted(path for path in runs_dir.iterdir() if NAME.fullmatch(path.name))
    return [folder for folder in found if _is_reproduction(folder)]


def _is_reproduction(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        inside = list(folder.iterdir())
        return all(map(_is_made, inside)) and any(p.name in {MARK, *STAGES} for p in inside)
    except OSError:  # it has just been reproduced and its folder goes, or is not to be read
        return False


def _is_made(path: Path) -> bool:
    """Return whether a reproduction makes something of that name, and this kind."""
    if path.is_symlink():
        return False
    if path.name == MARK:
        return path.is_file()
    if path.name in STAGES:
        stages = list(path.iterdir())
        return all(KEY.fullmatch(stage.name) and not stage.is_symlink() for stage in stages)
    return path.name in {REPORTS, LOCKS} and path.is_dir()
