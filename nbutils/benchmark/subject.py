"""What a measuring process can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Numbers = dict[str, float]
Work = Callable[[], Numbers]


class Subject(Protocol):
    """One variant of a piece of work that is measured again and again."""

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Get ready for a point: a text length, a number of rows. Not timed."""

    def ready(self, number: int) -> Work:
        """Return what is timed in round `number`, -1 for the warm-up; it may return numbers."""
