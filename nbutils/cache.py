"""What earlier runs left to be used again: listed, and removed where nothing needs it.

That is stage folders, and whole folders of reproductions, unfinished or kept.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from nbutils.artifacts import (
    CHECKPOINTS,
    INTERACTIVE,
    KEY,
    LAST_ARTIFACT,
    NOTEBOOKS,
    STAGE_FILE,
)
from nbutils.errors import DataError, ParameterError
from nbutils.locks import has_readers, is_held, locked_if_free
from nbutils.report_folders import find_uses
from nbutils.reproduction_folders import end_reproduction, find_reproductions, is_unfinished

REPRODUCE = "reproduce"  # stands for a stage where a folder is that of a reproduction
MIB = 2**20  # bytes
FORGOTTEN = 24 * 3600.0  # seconds after which nobody comes back to what is unfinished
STEP = re.compile(r"step-(\d+)")

State = Literal["finished", "unfinished", "running"]


@dataclass(frozen=True)
class CachedFolder:
    """One stage folder of earlier runs, or one folder of a reproduction.

    Attributes
    ----------
    stage, key, folder
        What it is, and where; the key of JupyterLab's own folder is ``"interactive"``. The stage
        of a reproduction is ``"reproduce"``, its key the folder's name.
    state
        ``"running"`` while a process makes it or reads it. A reproduction is ``"finished"`` if it
        ended and was kept, as it differed.
    step
        Of the newest checkpoint that a killed training goes on from; None: there is none.
    size
        Bytes.
    used
        When it was made or went into a report, the later of both, in seconds since 1970.
    reports
        Names of the studies whose reports are made of it.
    """

    stage: str
    key: str
    folder: Path
    state: State
    step: int | None
    size: int
    used: float
    reports: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it is in the folder of runs."""
        return self.key if self.stage == REPRODUCE else f"{self.stage}/{self.key}"


@dataclass(frozen=True)
class Pruned:
    """What a pruning removed, or would remove, and what it left because a run needs it."""

    removed: tuple[CachedFolder, ...]
    in_use: tuple[CachedFolder, ...]

    @property
    def freed(self) -> int:
        """Bytes of the folders that were removed."""
        return sum(entry.size for entry in self.removed)


def list_cache(
    runs_dir: Path = Path("runs"), *, reports_dir: Path = Path("reports")
) -> tuple[CachedFolder, ...]:
    """Return all stage folders in the order of the stages, then reproductions; latest used first.

    Parameters
    ----------
    runs_dir
        Folder of the runs; one that is not there holds no stages.
    reports_dir
        Folder of the reports that may be made of them; one whose manifest is torn uses nothing.
    """
    reports, _ = find_uses(reports_dir)
    found = [
        _describe(stage, folder, runs_dir=runs_dir, reports=reports)
        for stage in NOTEBOOKS
        for folder in _stage_folders(runs_dir / stage)
    ]
    found += [_describe_reproduction(folder) for folder in find_reproductions(runs_dir)]
    order = (*NOTEBOOKS, REPRODUCE)
    # one that was reproduced meanwhile is gone
    left = (entry for entry in found if entry.folder.is_dir())
    return tuple(sorted(left, key=lambda entry: (order.index(entry.stage), -entry.used)))


def prune_cache(
    runs_dir: Path = Path("runs"),
    *,
    reports_dir: Path = Path("reports"),
    everything: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Remove finished stages that no report uses, and what else nobody has used for a day.

    That is unfinished stages, and reproductions. What a running process works on or reads from
    stays, whatever is asked for. Nothing but stage folders and folders of reproductions is removed,
    and no link is followed.

    Parameters
    ----------
    runs_dir, reports_dir
        As for `list_cache`.
    everything
        Remove all of them, stages in reports and those of JupyterLab too.
    dry_run
        Remove nothing, and return what would be removed.

    Raises
    ------
    ParameterError
        There is no such folder of reports, so that every stage would seem to be unused.
    DataError
        A report's manifest cannot be read, so that a stage which it uses would seem to be unused.
    """
    if not everything:
        _refuse_unknown_uses(reports_dir)
    removed: list[CachedFolder] = []
    in_use: list[CachedFolder] = []
    for entry in list_cache(runs_dir, reports_dir=reports_dir):
        if not everything and not _is_unneeded(entry):
            continue
        with _unused(entry, runs_dir, dry_run=dry_run) as unused:
            if not entry.folder.is_dir():  # its own command has just removed it
                continue
            if unused and not dry_run:
                _remove(entry)
        (removed if unused else in_use).append(entry)
    return Pruned(tuple(removed), tuple(in_use))


def _refuse_unknown_uses(reports_dir: Path) -> None:
    everything = "or remove every stage with --prune --all"
    if not reports_dir.is_dir():
        raise ParameterError(
            f"--reports-dir {reports_dir}: no such folder, so it is not known which stages reports "
            f"use; name the folder, {everything}"
        )
    _, torn = find_uses(reports_dir)
    if torn:
        raise DataError(
            f"{torn[0]}: expected a JSON object, found none, so it is not known which stages the "
            f"report uses; run its study again, remove the report, {everything}"
        )


def describe_cache(entries: Sequence[CachedFolder]) -> str:
    """Return the list of folders as a table of text, with their total below."""
    if not entries:
        return "no stage folders"
    rows = [("stage", "key", "state", "MiB", "last used", "reports")]
    for entry in entries:
        step = "" if entry.step is None else f", at step {entry.step}"
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        users = ", ".join(entry.reports) or "-"
        size = f"{entry.size / MIB:.1f}"
        rows.append((entry.stage, entry.key, f"{entry.state}{step}", size, used, users))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"{_count(entries)}, {_mebibytes(entries)}"])


def describe_pruned(pruned: Pruned, *, dry_run: bool) -> str:
    """Return which folders went, which stayed because a run needs them, and what was freed."""
    done = "would remove" if dry_run else "removed"
    lines = [f"{done} {entry.place}" for entry in pruned.removed]
    lines += [f"kept {entry.place}: a run is using it" for entry in pruned.in_use]
    freed = f"{'would free' if dry_run else 'freed'} {_mebibytes(pruned.removed)}"
    return "\n".join([*lines, f"{freed} ({_count(pruned.removed)})"])


def _count(entries: Sequence[CachedFolder]) -> str:
    reproductions = sum(entry.stage == REPRODUCE for entry in entries)
    counts = {"stage folder": len(entries) - reproductions, "reproduction": reproductions}
    told = [(count, noun) for noun, count in counts.items() if count] or [(0, "stage folder")]
    return ", ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in told)


def _mebibytes(entries: Sequence[CachedFolder]) -> str:
    return f"{sum(entry.size for entry in entries) / MIB:.1f} MiB"


def _is_unneeded(entry: CachedFolder) -> bool:
    if entry.key == INTERACTIVE:
        return False
    if entry.state == "finished" and entry.stage != REPRODUCE:
        return not entry.reports
    return time.time() - entry.used > FORGOTTEN


def _stage_folders(parent: Path) -> list[Path]:
    if parent.is_symlink() or not parent.is_dir():
        return []
    return [
        folder
        for folder in sorted(parent.iterdir())
        if (KEY.fullmatch(folder.name) or folder.name == INTERACTIVE)
        and folder.is_dir()
        and not folder.is_symlink()
    ]


def _describe(
    stage: str, folder: Path, *, runs_dir: Path, reports: Mapping[str, Mapping[str, float]]
) -> CachedFolder:
    last = LAST_ARTIFACT[stage] if folder.name == INTERACTIVE else STAGE_FILE
    finished = (folder / last).is_file()
    users = reports.get(folder.name, {})
    size, changed = _measure(folder)
    state: State = "finished" if finished else "unfinished"
    return CachedFolder(
        stage=stage,
        key=folder.name,
        folder=folder,
        state="running" if _is_running(runs_dir, folder.name) else state,
        step=_last_step((folder / CHECKPOINTS).glob("step-*")),
        size=size,
        used=max([changed, *users.values()]),
        reports=tuple(sorted(users)),
    )


def _describe_reproduction(folder: Path) -> CachedFolder:
    size, changed = _measure(folder)
    state: State = "unfinished" if is_unfinished(folder) else "finished"
    return CachedFolder(
        stage=REPRODUCE,
        key=folder.name,
        folder=folder,
        state="running" if _is_running(folder.parent, folder.name) else state,
        step=_last_step(folder.glob(f"fine_tune/*/{CHECKPOINTS}/step-*")),
        size=size,
        used=changed,
        reports=(),
    )


def _measure(folder: Path) -> tuple[int, float]:
    """Return the bytes in a folder, and when something in it last changed."""
    size, changed = 0, 0.0
    for place, folders, files in os.walk(folder):  # unlike `rglob` it bears that a folder goes
        for name in (".", *folders, *files):
            with suppress(FileNotFoundError):  # a run is at work in it
                status = Path(place, name).lstat()
                size += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
                changed = max(changed, status.st_mtime)
    return size, changed


def _last_step(states: Iterable[Path]) -> int | None:
    names = [path.name for path in states]
    return max((int(match[1]) for match in map(STEP.fullmatch, names) if match), default=None)


def _is_running(runs_dir: Path, key: str) -> bool:
    return is_held(runs_dir, key) or has_readers(runs_dir, key)


@contextmanager
def _unused(entry: CachedFolder, runs_dir: Path, *, dry_run: bool) -> Iterator[bool]:
    """Yield whether no run needs the folder, and hold its lock meanwhile, so that none begins."""
    if dry_run:
        yield not _is_running(runs_dir, entry.key)
        return
    with locked_if_free(runs_dir, entry.key) as free:
        yield free and not has_readers(runs_dir, entry.key)


def _remove(entry: CachedFolder) -> None:
    # What says that it is finished, or can be gone on with, goes first: half a folder must never
    # be taken for a whole one.
    if entry.stage == REPRODUCE:
        end_reproduction(entry.folder)
        shutil.rmtree(entry.folder)
        return
    for name in (STAGE_FILE, LAST_ARTIFACT[entry.stage]):
        (entry.folder / name).unlink(missing_ok=True)
    shutil.rmtree(entry.folder)
