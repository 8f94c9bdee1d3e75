"""How the command ends: an exit code, and what went wrong in one line on stderr."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from nbutils.errors import NbutilsError, NotebookFailedError, TrainingDivergedError

DONE, FAILED, REFUSED, DIFFERENT, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


class Stopped(Exception):  # noqa: N818 - no mistake
    """Ctrl-C or SIGTERM, its cause, under a name that Typer does not swallow."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run the way Ctrl-C does, with an exit code of its own."""


def obey_sigterm() -> None:
    """Let SIGTERM end the process as Ctrl-C does, with what is running told and saved."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: object) -> NoReturn:
    raise _Terminated("terminated (SIGTERM)")


def command_again() -> str:
    """Return the command that was given, as a shell takes it: to go on, or to run it again."""
    kept = [word for word in sys.argv[1:] if word != "--fresh"]
    return shlex.join(["nbutils", *kept])


def exit_code_of(call: Callable[[], Any]) -> int:
    """Call, and return the exit code; what a user can mend is one line on stderr, no traceback.

    Parameters
    ----------
    call
        Runs the command; an int that it returns is the code.
    """
    try:
        code = call()
    except typer.Exit as leave:
        return int(leave.exit_code)
    except typer.TyperException as error:
        wording = error.format_message().rstrip(".")  # with the option's name, unlike str(error)
        return _complain(f"{wording}; see nbutils --help", REFUSED)
    except (NotebookFailedError, TrainingDivergedError) as error:
        return _complain(str(error), FAILED)
    except NbutilsError as error:
        return _complain(str(error), REFUSED)
    except OSError as error:
        return _complain_of_files(error)
    except (Stopped, KeyboardInterrupt, typer.Abort) as stop:
        if any(isinstance(found, _Terminated) for found in (stop, stop.__cause__)):
            return _complain(f"terminated; go on with: {command_again()}", TERMINATED)
        return _complain(f"interrupted; go on with: {command_again()}", INTERRUPTED)
    return code if isinstance(code, int) else DONE


def _complain_of_files(error: OSError) -> int:
    from nbutils.endings import describe_full_disk, is_disk_full

    if is_disk_full(error):
        return _complain(describe_full_disk(error.filename or "writing"), FAILED)
    place = f"{error.filename}: " if error.filename else ""
    return _complain(f"{place}{error.strerror or error}", REFUSED)


def _complain(message: str, code: int) -> int:
    from nbutils.redaction import Redactor

    line = " ".join(Redactor.from_environment().redact_text(message).split())
    print(f"nbutils: {line}", file=sys.stderr)
    return code
