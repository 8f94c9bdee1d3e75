"""Locks between processes that work on the same folder of runs, or change the same file.

A lock ends with the process that holds it, however it ends. Its file is removed on the way out
while it is still held; who waited on the removed file sees that and starts over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from nbutils.errors import DataError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCKS = ".locks"
SUFFIX = ".lock"
READER = ".reader-"
POLL = 0.1  # seconds
PATIENCE = 10.0  # seconds for a file that is read, changed and written in some milliseconds


class WaitedTooLongError(Exception):
    """The time that there was for waiting is over."""


@dataclass(frozen=True)
class Waiting:
    """What to do where something is in use.

    Attributes
    ----------
    tell
        Called once, before waiting.
    deadline
        A time of `time.monotonic` up to which it is waited; None: for ever.
    """

    tell: Callable[[], None] | None = None
    deadline: float | None = None

    def begin(self) -> float:
        """Tell of it, and return how many seconds there are; -1: for ever."""
        if self.tell is not None:
            self.tell()
        return -1 if self.deadline is None else max(0.0, self.deadline - time.monotonic())


NO_END = Waiting()


@contextmanager
def locked(runs_dir: Path, name: str, *, waiting: Waiting = NO_END) -> Iterator[None]:
    """Hold the lock of that name.

    Parameters
    ----------
    runs_dir
        The folder that the lock guards something in.
    name
        A file name.
    waiting
        What to do if another process holds it.

    Raises
    ------
    WaitedTooLongError
        The other process still holds it at the deadline.
    """
    from filelock import Timeout

    lock = _lock_at(runs_dir, name)
    try:
        _acquire(lock, seconds=0)
    except Timeout:
        try:
            _acquire(lock, seconds=waiting.begin())
        except Timeout:
            raise WaitedTooLongError from None
    try:
        yield
    finally:
        _leave(lock)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Be the only one that changes a file, of all threads and processes: read it, then write it.

    Parameters
    ----------
    path
        It need not exist.

    Raises
    ------
    DataError
        Another one does not end.
    """
    own = path.resolve()
    waiting = Waiting(deadline=time.monotonic() + PATIENCE)
    try:
        held = ExitStack()
        held.enter_context(locked(own.parent, own.name, waiting=waiting))
    except WaitedTooLongError:
        raise DataError(
            f"{path}: another program has been changing it for {PATIENCE:.0f} seconds; end that "
            "one, or try again"
        ) from None
    with held:
        yield


@contextmanager
def locked_if_free(runs_dir: Path, name: str) -> Iterator[bool]:
    """Yield whether nobody holds the lock of that name, and hold it meanwhile if so."""
    from filelock import Timeout

    lock = _lock_at(runs_dir, name)
    try:
        _acquire(lock, seconds=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        _leave(lock)


@contextmanager
def read_lock(runs_dir: Path, name: str) -> Iterator[None]:
    """Say that this process reads what `name` guards; any number of processes may.

    To be entered while the lock `name` itself is held, as `has_readers` is to be called: so that
    nobody removes what somebody is about to read.
    """
    has_readers(runs_dir, name)  # removes what killed ones left
    with locked(runs_dir, f"{name}{READER}{uuid4().hex[:12]}"):
        yield


def has_readers(runs_dir: Path, name: str) -> bool:
    """Return whether a living process reads what `name` guards."""
    found = (runs_dir / LOCKS).glob(f"{name}{READER}*{SUFFIX}")
    return any([is_held(runs_dir, path.name.removesuffix(SUFFIX)) for path in found])


def wait_for_readers(runs_dir: Path, name: str, *, waiting: Waiting = NO_END) -> None:
    """Return once nobody reads what `name` guards, whose lock is held.

    Raises
    ------
    WaitedTooLongError
        Somebody still does at the deadline.
    """
    if not has_readers(runs_dir, name):
        return
    seconds, begin = waiting.begin(), time.monotonic()
    while has_readers(runs_dir, name):
        if 0 <= seconds <= time.monotonic() - begin:
            raise WaitedTooLongError
        time.sleep(POLL)


def is_held(runs_dir: Path, name: str) -> bool:
    """Return whether a living process holds the lock of that name; what a dead one left goes."""
    if not (runs_dir / LOCKS / f"{name}{SUFFIX}").is_file():  # to look must not leave a file
        return False
    with locked_if_free(runs_dir, name) as free:
        return not free


def _lock_at(runs_dir: Path, name: str) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(runs_dir / LOCKS / f"{name}{SUFFIX}")


def _acquire(lock: BaseFileLock, *, seconds: float) -> None:
    while True:
        folder = Path(lock.lock_file).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=seconds)
        except FileNotFoundError:  # the last one out has just removed the folder
            continue
        except FileExistsError:  # so it has, between making the folder and looking what is there
            if folder.is_file():
                raise
            continue
        return


def _leave(lock: BaseFileLock) -> None:
    path = Path(lock.lock_file)
    with suppress(OSError):  # Windows does not remove what is open
        path.unlink()
    lock.release()
    with suppress(OSError):  # others are in it
        path.parent.rmdir()
