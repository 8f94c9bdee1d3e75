"""Private temporary folders, also those that killed commands left.

A process that is killed cannot remove its folder, so whoever makes the next one does. Each folder
names its owner. It is removed if this very system can tell that the owner is dead; what is
foreign, unreadable or unnamed stays, and so does everything where there is no /proc.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PREFIX = "nbutils-"
NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")  # as `tempfile` names them
OWNER = "owner.json"
OWNER_SIZE = 4096  # bytes at most
PROC = Path("/proc")
NAMESPACES = ("pid", "time")  # a process's number and start mean the same within these alone
DEAD = {b"Z", b"X"}  # states of processes that nobody has collected yet


@dataclass(frozen=True)
class Owner:
    """A process, told from all others that ever have its number.

    Attributes
    ----------
    host, namespaces
        Where `pid` and `start_ticks` count.
    pid
        Its number.
    start_ticks
        When it began, in clock ticks since the system did.
    """

    host: str
    namespaces: str
    pid: int
    start_ticks: int


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder for this user alone, and remove it at the end, with what killed ones left."""
    owner = _this_process()
    if owner is not None:
        _sweep(Path(tempfile.gettempdir()), owner)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as place:
        if owner is not None:
            with suppress(OSError):  # a full disk: whoever writes here what matters tells of it
                (Path(place) / OWNER).write_text(json.dumps(asdict(owner)), encoding="utf-8")
        yield Path(place)


def _this_process() -> Owner | None:
    """Return what names this process; None: there is no /proc, or that of another namespace."""
    try:
        if str((PROC / "self").readlink()) != str(os.getpid()):
            return None
        started = _start_ticks(os.getpid())
    except OSError:
        return None
    if started is None:
        return None
    return Owner(socket.gethostname(), _namespaces(), os.getpid(), started)


def _namespaces() -> str:
    found = []
    for kind in NAMESPACES:
        with suppress(OSError):  # a system that has none of that kind
            found.append(str((PROC / "self" / "ns" / kind).readlink()))
    return " ".join(found)


def _start_ticks(pid: int) -> int | None:
    """Return when a process began; None: no such process lives."""
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(b")")[2].split()  # its name may hold anything
    return None if state in DEAD else int(fields[18])  # the 22nd of all, see proc(5)


def _sweep(parent: Path, here: Owner) -> None:
    """Remove the folders of processes that are dead, as seen by this one."""
    if not shutil.rmtree.avoids_symlink_attacks:
        return
    with suppress(OSError):  # a folder of temporary files that is not to be listed
        for path in sorted(parent.iterdir()):
            if NAME.fullmatch(path.name) and _is_left(path, here):
                shutil.rmtree(path, ignore_errors=True)


def _is_left(folder: Path, here: Owner) -> bool:
    """Return whether a folder is surely one of a dead process of this user."""
    try:
        owner = _read_owner(folder)
        is_here = (owner.host, owner.namespaces) == (here.host, here.namespaces)
        return is_here and _start_ticks(owner.pid) != owner.start_ticks
    except (OSError, ValueError, TypeError):
        return False


def _read_owner(folder: Path) -> Owner:
    """Return who made a folder; it must be a real one and this user's, and its note too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # it waits for nobody, were it a pipe
        note = os.open(OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
        with os.fdopen(note, "rb") as stream:
            is_file = stat.S_ISREG(os.fstat(note).st_mode)
            users = {os.fstat(handle).st_uid, os.fstat(note).st_uid}
            content = stream.read(OWNER_SIZE) if is_file and users == {os.geteuid()} else b""
    finally:
        os.close(handle)
    owner = Owner(**json.loads(content))
    if type(owner.pid) is not int or type(owner.start_ticks) is not int:
        raise ValueError(f"{folder / OWNER}: expected two whole numbers, found {owner}")
    return owner
