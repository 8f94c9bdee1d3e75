"""Where a running notebook is, and how long it may go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a running notebook is.

    Attributes
    ----------
    cell, cells
        Number of the running code cell, from 1, and how many there are.
    heading
        The section that the cell stands in.
    training
        Numbers of a running training (`nbutils.widgets.training.progress_values`), or of several
        (`done`, `of` and what it is `doing`), else empty.
    """

    cell: int
    cells: int
    heading: str
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """How long a cell, and a whole run, may take; None: as long as they like.

    Attributes
    ----------
    cell_seconds
        For each cell.
    deadline
        A time of `time.monotonic`, for all that is still to come.
    run_minutes
        What the deadline was made from, for the message.
    """

    cell_seconds: float | None = None
    deadline: float | None = None
    run_minutes: float | None = None

    def next_timeout(self) -> float | None:
        """Return the seconds that the next cell may take; None: no limit."""
        left = None if self.deadline is None else max(0.001, self.deadline - time.monotonic())
        known = [limit for limit in (self.cell_seconds, left) if limit is not None]
        return min(known, default=None)

    def describe(self) -> str:
        """Return which limit was reached, as a sentence."""
        if self.deadline is not None and time.monotonic() >= self.deadline - 0.5:
            return f"The time limit of the run, {self.run_minutes:g} minutes, was reached"
        return f"The time limit of a cell, {self.cell_seconds:g} seconds, was reached"


OnProgress = Callable[[Progress], None]
