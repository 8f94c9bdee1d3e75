"""The score of a run that comes first, read from what `metrics.json` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIRST = {"micro_f1": "micro F1", "accuracy": "accuracy"}  # the first that there is counts


@dataclass(frozen=True)
class HeadScore:
    """A score in [0, 1] with its name, its 95 % interval and the texts behind it."""

    name: str
    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        low, high = 100 * self.low, 100 * self.high
        return f"{self.name} {100 * self.value:.1f} % ({low:.1f} to {high:.1f}, {self.n:,} texts)"


def read_score(metrics: Mapping[str, Any], *, part: str = "test") -> HeadScore | None:
    """Return the score that comes first: micro F1 of several labels, else the accuracy.

    Parameters
    ----------
    metrics
        What `metrics.json` holds.
    part
        ``test``, ``validation`` or ``baseline``.

    Returns
    -------
    HeadScore or None
        None: there is none, or it is damaged.
    """
    scores = metrics.get(part)
    if not isinstance(scores, Mapping):
        return None
    key = next((key for key in FIRST if key in scores), "")
    score = scores.get(key)
    if not isinstance(score, Mapping):
        return None
    numbers: list[Any] = [score.get(name) for name in ("value", "low", "high", "n")]
    if not all(map(_is_number, numbers)):
        return None
    value, low, high, n = numbers
    return HeadScore(FIRST[key], float(value), float(low), float(high), int(n))


def _is_number(value: Any) -> bool:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return known and math.isfinite(value)
