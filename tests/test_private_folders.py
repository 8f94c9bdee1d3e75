"""Private temporary folders: which of those that others left go, and which never do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nbutils import private_folders
from nbutils.private_folders import private_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells who lives")

STAYS_IN_ONE = """\
import time
from nbutils.private_folders import private_folder
with private_folder() as place:
    (place / "inside").mkdir()
    (place / "inside" / "file").touch()
    print(place, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary files, this test's own."""
    place = tmp_path / "shared"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def start_in_one() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", STAYS_IN_ONE], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def make_left(parent: Path, name: str = "nbutils-left0000", **changes: Any) -> Path:
    """Make a folder of a dead process: one of this one's number that began at another time."""
    with private_folder() as own:
        values = json.loads((own / "owner.json").read_text(encoding="utf-8"))
    values["start_ticks"] -= 1
    folder = parent / name
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps({**values, **changes}), encoding="utf-8")
    return folder


def sweep() -> None:
    with private_folder():
        pass


@pytest.mark.parametrize("is_collected", [True, False])
def test_folder_of_a_killed_process_is_removed(shared: Path, is_collected: bool) -> None:
    process, left = start_in_one()
    assert left.parent == shared
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # still there, as a zombie
    if is_collected:
        process.wait()
    assert (left / "inside" / "file").is_file()
    with private_folder() as own:
        assert list(shared.iterdir()) == [own]
    assert list(shared.iterdir()) == []
    process.communicate()


def test_folder_of_a_living_process_stays(shared: Path) -> None:
    process, place = start_in_one()
    try:
        with private_folder() as outer, private_folder() as inner:
            assert set(shared.iterdir()) == {place, outer, inner}
            assert outer.stat().st_mode & 0o777 == 0o700
        assert (place / "inside" / "file").is_file()
    finally:
        process.kill()
        process.communicate()


def test_number_that_another_process_has_now_says_nothing(shared: Path) -> None:
    left = make_left(shared)
    assert json.loads((left / "owner.json").read_text())["pid"] == os.getpid()
    sweep()
    assert not left.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "elsewhere"},
        {"namespaces": "pid:[1] time:[1]"},
        {"pid": "self"},
        {"start_ticks": None},
        {"more": 1},
    ],
)
def test_folder_of_who_cannot_be_judged_here_stays(shared: Path, changes: dict[str, Any]) -> None:
    left = make_left(shared, **changes)
    sweep()
    assert left.is_dir()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\0", '{"pid": 1}', None])
def test_folder_without_a_legible_owner_stays(shared: Path, text: str | None) -> None:
    left = make_left(shared)
    if text is None:
        (left / "owner.json").unlink()
    else:
        (left / "owner.json").write_text(text, encoding="utf-8")
    sweep()
    assert left.is_dir()


@pytest.mark.parametrize("name", ["nbutils-notes", "nbutils-LEFT0000", "other-left0000"])
def test_folder_of_another_name_stays(shared: Path, name: str) -> None:
    left = make_left(shared, name)
    sweep()
    assert left.is_dir()


def test_no_link_is_followed(shared: Path, tmp_path: Path) -> None:
    precious = make_left(tmp_path, "nbutils-precious")
    (precious / "file").touch()
    (shared / "nbutils-link0000").symlink_to(precious)
    (shared / "nbutils-broken00").symlink_to(tmp_path / "nowhere")
    borrowed = make_left(shared, "nbutils-borrowed")
    (borrowed / "owner.json").unlink()
    (borrowed / "owner.json").symlink_to(precious / "owner.json")
    (make_left(shared) / "inside").symlink_to(precious)
    sweep()
    assert {path.name for path in shared.iterdir()} == {
        "nbutils-link0000", "nbutils-broken00", "nbutils-borrowed",
    }  # fmt: skip
    assert {path.name for path in precious.iterdir()} == {"owner.json", "file"}


def test_what_is_no_folder_or_has_a_pipe_for_its_owner_stays(shared: Path) -> None:
    (shared / "nbutils-file0000").write_text((make_left(shared) / "owner.json").read_text())
    piped = make_left(shared, "nbutils-piped000")
    (piped / "owner.json").unlink()
    os.mkfifo(piped / "owner.json")
    sweep()
    assert {path.name for path in shared.iterdir()} == {"nbutils-file0000", "nbutils-piped000"}


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can give a file away"
)
@pytest.mark.parametrize("what", [".", "owner.json"])
def test_folder_of_another_user_stays(shared: Path, what: str) -> None:
    left = make_left(shared)
    os.chown(left / what, 65534, -1)
    sweep()
    assert left.is_dir()


@pytest.mark.parametrize("pid", [None, 1])
def test_nothing_is_removed_where_proc_does_not_tell_of_this_process(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int | None
) -> None:
    left = make_left(shared)
    if pid is not None:  # that of a namespace above, where this process has another number
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "self").symlink_to(str(pid))
        (tmp_path / "proc" / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    monkeypatch.setattr(private_folders, "PROC", tmp_path / "proc")
    with private_folder() as own:
        assert list(own.iterdir()) == []
    assert left.is_dir()
