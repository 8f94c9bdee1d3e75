"""Locks between processes that work on the same folder of runs.

A lock ends with the process that holds it, however it ends. Its file is removed on the way out
while it is still held; who waited on the removed file sees that and starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCKS = ".locks"
SUFFIX = ".lock"
READER = ".reader-"


@contextmanager
def locked(
    runs_dir: Path, name: str, *, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the lock of that name.

    Parameters
    ----------
    runs_dir
        The folder that the lock guards something in.
    name
        A file name.
    on_wait
        Called once, before waiting, if another process holds it.
    """
    from filelock import Timeout

    lock = _lock_at(runs_dir, name)
    try:
        _acquire(lock, blocking=False)
    except Timeout:
        if on_wait is not None:
            on_wait()
        _acquire(lock, blocking=True)
    try:
        yield
    finally:
        _leave(lock)


@contextmanager
def locked_if_free(runs_dir: Path, name: str) -> Iterator[bool]:
    """Yield whether nobody holds the lock of that name, and hold it meanwhile if so."""
    from filelock import Timeout

    lock = _lock_at(runs_dir, name)
    try:
        _acquire(lock, blocking=False)
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


def is_held(runs_dir: Path, name: str) -> bool:
    """Return whether a living process holds the lock of that name; what a dead one left goes."""
    if not (runs_dir / LOCKS / f"{name}{SUFFIX}").is_file():  # to look must not leave a file
        return False
    with locked_if_free(runs_dir, name) as free:
        return not free


def _lock_at(runs_dir: Path, name: str) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(runs_dir / LOCKS / f"{name}{SUFFIX}")


def _acquire(lock: BaseFileLock, *, blocking: bool) -> None:
    while True:
        folder = Path(lock.lock_file).parent
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=blocking)
        except FileNotFoundError:  # the last one out has just removed the folder
            continue
        return


def _leave(lock: BaseFileLock) -> None:
    path = Path(lock.lock_file)
    with suppress(OSError):  # Windows does not remove what is open
        path.unlink()
    lock.release()
    with suppress(OSError):  # others are in it
        path.parent.rmdir()
