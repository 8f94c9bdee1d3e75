"""Each way to end has its exit code and its line."""

from __future__ import annotations

import errno
import os
import signal
import sys

import pytest

from nbutils import exits
from nbutils.errors import DataError, NotebookFailedError, TrainingDivergedError

ENDINGS = [
    (DataError("a.csv: no rows"), exits.REFUSED, "a.csv: no rows"),
    (NotebookFailedError("cell 3 failed"), exits.FAILED, "cell 3 failed"),
    (TrainingDivergedError("the loss is NaN"), exits.FAILED, "the loss is NaN"),
    (FileNotFoundError(errno.ENOENT, "No such file", "b.yaml"), exits.REFUSED, "b.yaml: No such"),
    (OSError(errno.ENOSPC, "No space left", "c.html"), exits.FAILED, "c.html"),
    (DataError("two\nlines"), exits.REFUSED, "two lines"),
    (KeyboardInterrupt(), exits.INTERRUPTED, "interrupted; go on with: nbutils run study.yaml"),
]


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["nbutils", "run", "study.yaml", "--fresh"])


@pytest.mark.parametrize(("error", "code", "line"), ENDINGS, ids=[str(e[0]) for e in ENDINGS])
def test_error_ends_with_its_code_and_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert exits.exit_code_of(fail) == code
    said = capsys.readouterr().err
    assert said.startswith(f"nbutils: {line}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_sigterm_has_a_code_of_its_own(
    is_wrapped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as error:
            if is_wrapped:  # as the command's group does, where Typer would swallow it
                raise exits.Stopped from error
            raise

    before = signal.getsignal(signal.SIGTERM)
    exits.obey_sigterm()
    try:
        assert exits.exit_code_of(wait) == exits.TERMINATED
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == "nbutils: terminated; go on with: nbutils run study.yaml\n"


@pytest.mark.parametrize(("returned", "code"), [(None, exits.DONE), (exits.DIFFERENT, 3)])
def test_what_is_returned_is_the_code_or_done(returned: int | None, code: int) -> None:
    assert exits.exit_code_of(lambda: returned) == code
