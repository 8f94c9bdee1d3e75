"""The few exceptions that a user of nbutils meets.

Every message says what was expected, what was found and how to mend it, and names the file, row,
column or parameter. The command line prints the message alone: no traceback belongs to a mistake
that the user can mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class NbutilsError(Exception):
    """Base of all errors that nbutils raises on purpose."""


class ParameterError(NbutilsError):
    """A parameter is unknown, of the wrong type, out of range, or contradicts another."""


class DataError(NbutilsError):
    """The labelled text cannot be used as it is."""


class CheckpointError(NbutilsError):
    """A pretrained model or its tokenizer is missing, broken, or does not match the other."""


class TrainingDivergedError(NbutilsError):
    """The training loss ran away or became NaN.

    `kept_step` is the optimiser step whose state was kept, none where there was none. `history` is
    that of the training, `kept` the classifier in the kept state, where `fine_tune` raised this.
    """

    def __init__(
        self, message: str, *, kept_step: int | None = None, history: Any = None, kept: Any = None
    ) -> None:
        super().__init__(message)
        self.kept_step, self.history, self.kept = kept_step, history, kept


class NotApplicableError(NbutilsError):
    """A section of the analysis says nothing about this kind of data, and why."""


class NotebookFailedError(NbutilsError):
    """A notebook stopped before its last cell."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a closing clause that names the nearest known name.

    Parameters
    ----------
    name
        What the user wrote.
    known
        The names that would have been accepted, at least one.

    Returns
    -------
    str
        ``"; did you mean 'x'?"`` when one is near, else ``"; known: a, b, c"``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}"


def say_error(error: Exception) -> str:
    """Return in a line why something failed; of an error that is not meant for readers its kind."""
    return str(error) if isinstance(error, NbutilsError) else f"{type(error).__name__}: {error}"
