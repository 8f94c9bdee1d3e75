"""What to do next, as far as the findings say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Advice:
    """One thing to do next.

    Attributes
    ----------
    action
        What to do, as one imperative sentence that names numbers: "Check the 14 labels ...".
    evidence
        What was found, as one sentence.
    gain
        What it is worth in test accuracy (micro F1 of several labels), as a share in [0, 1]; an
        estimate, whose assumption `evidence` states. None: it cannot be said.
    section
        The section that found it: one of `nbutils.params.error_analysis.SECTIONS`.
    at_most
        Whether `gain` is not what is expected, but the most that it can be.
    measured
        Whether it is the measurement alone that would rise: the model would be no better.
    """

    action: str
    evidence: str
    gain: float | None
    section: str
    at_most: bool = False
    measured: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the advice for `findings.json`."""
        return asdict(self)


def rank_advice(found: Iterable[Advice], *, most: int = 7) -> tuple[Advice, ...]:
    """Return the advice worth most.

    What is expected comes before what is merely the most that something can be worth, however much
    that is, and both before that whose worth cannot be said.

    Parameters
    ----------
    found
        Of all sections, in the order of the report.
    most
        How many at most: who is told twenty things does none.
    """
    return tuple(sorted(found, key=_rank)[:most])


def _rank(advice: Advice) -> tuple[bool, bool, float]:
    return advice.gain is None, advice.at_most, -(advice.gain or 0.0)
