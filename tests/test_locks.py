"""Locks: exclusive, gone with their holder, without a trace, and safe to take at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nbutils.errors import DataError
from nbutils.locks import Waiting, changing, has_readers, is_held, locked, locked_if_free, read_lock

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


def test_threads_take_turns_at_a_file_and_a_broken_off_change_frees_it(tmp_path: Path) -> None:
    counter = tmp_path / "counter.txt"
    counter.write_text("0")

    def count(_: int) -> None:
        with changing(counter):
            counter.write_text(str(int(counter.read_text()) + 1))

    with pytest.raises(ValueError, match="broken off"), changing(counter):
        raise ValueError("broken off")
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(count, range(90)))
    assert counter.read_text() == "90"
    assert list(tmp_path.iterdir()) == [counter]


def test_change_that_another_one_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbutils.locks.PATIENCE", 0.2)
    with locked(tmp_path, "c.csv"), ThreadPoolExecutor(1) as other:
        waiting = other.submit(lambda: changing(tmp_path / "c.csv").__enter__())
        with pytest.raises(DataError, match=r"c\.csv: another program has been changing it"):
            waiting.result()


def test_file_where_the_locks_should_be_is_no_reason_to_wait(tmp_path: Path) -> None:
    (tmp_path / ".locks").write_text("")
    with pytest.raises(FileExistsError, match=r"\.locks"), locked(tmp_path, "stage"):
        pass


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
