"""Locks: exclusive, gone with their holder, without a trace, and safe to take at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nbutils.locks import Waiting, has_readers, is_held, locked, locked_if_free, read_lock

COUNT = """
import sys
from pathlib import Path
from nbutils.locks import locked
folder = Path(sys.argv[1])
for _ in range(60):
    with locked(folder, "counter"):
        counter = folder / "counter.txt"
        counter.write_text(str(int(counter.read_text()) + 1))
"""
HOLD = """
import sys
from pathlib import Path
from nbutils.locks import locked
with locked(Path(sys.argv[1]), "stage"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_processes_take_turns_while_the_file_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "counter.txt").write_text("0")
    words = [sys.executable, "-c", COUNT, str(tmp_path)]
    processes = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "counter.txt").read_text() == "180"
    assert not (tmp_path / ".locks").exists()


def test_lock_ends_with_the_process_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    assert is_held(tmp_path, "stage")
    with locked_if_free(tmp_path, "stage") as free:
        assert not free
    said: list[str] = []

    def wait() -> None:
        said.append("waiting")
        holder.kill()

    with locked(tmp_path, "stage", waiting=Waiting(wait)):
        assert said == ["waiting"]
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert not (tmp_path / ".locks").exists()


def test_nobody_is_told_to_wait_for_a_free_lock(tmp_path: Path) -> None:
    with locked(tmp_path, "stage", waiting=Waiting(lambda: pytest.fail("it was free"))):
        assert is_held(tmp_path, "stage")
    assert not is_held(tmp_path, "stage")
    assert not (tmp_path / ".locks").exists()


def test_any_number_may_read_and_one_is_enough(tmp_path: Path) -> None:
    with read_lock(tmp_path, "a"):
        with read_lock(tmp_path, "a"):
            assert has_readers(tmp_path, "a")
        assert has_readers(tmp_path, "a")
        assert not has_readers(tmp_path, "b")
    assert not has_readers(tmp_path, "a")
    assert not (tmp_path / ".locks").exists()
