"""Which texts to leave to a person, so that what the model answers itself is right often enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.beliefs import read_beliefs
from nbutils.analysis.errors import Errors
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.metrics import Score, proportion, wilson_interval
from nbutils.ranking import Ordered

POINTS = 60  # of the curve, however many texts there are
FEWEST_ANSWERED = 10  # texts below which a rate of errors is not drawn

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Abstention(Described):
    """What a model gets wrong when it answers only the texts that it is surest of.

    Attributes
    ----------
    target_error
        The share of answers that may be wrong.
    threshold
        Confidence from which on it answers, chosen on the validation texts; None: at none is the
        target met there.
    coverage, error
        Share of the test texts that it then answers, and share of those answers that is wrong.
    everything
        Share of mistakes when it answers every test text.
    curve
        Rows of `coverage, error, low, high, threshold` on the test texts, the surest first.
    area
        Area under that curve: the mean error over all coverages (AURC).
    best_area
        What it would be, were every mistake less sure than every right prediction. At random it
        is `everything`.
    """

    target_error: float
    threshold: float | None
    coverage: Score
    error: Score
    everything: Score
    curve: pd.DataFrame
    area: Score
    best_area: float

    @property
    def needed(self) -> bool:
        """Whether more than the target is wrong when every text is answered."""
        return self.everything.value > self.target_error

    @property
    def reached(self) -> bool:
        """Whether the test's answers above the threshold are as seldom wrong, chance allowed."""
        return (
            self.threshold is not None and self.error.n > 0 and self.error.low <= self.target_error
        )

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`."""
        return {
            "target_error": self.target_error,
            "threshold": self.threshold,
            "coverage": self.coverage.as_dict(),
            "error": self.error.as_dict(),
            "error_of_all": self.everything.as_dict(),
            "reached": self.reached,
            "aurc": self.area.as_dict(),
            "best_aurc": self.best_area,
            "curve": self.curve.to_dict("records"),
        }

    def advice(self) -> Sequence[Advice]:
        """Return from which confidence on to trust it, where the target is met only so."""
        if not (self.needed and self.reached) or self.threshold is None:
            return ()
        left = 1 - self.coverage.value
        error, everything = self.error, self.everything
        return (
            Advice(
                f"Leave predictions with a confidence below {self.threshold:.4f} to a person: "
                f"{left:.1%} of the texts.",
                f"Of the others {error.value:.1%} ({error.low:.1%} to {error.high:.1%}) are wrong "
                f"on the test, against {everything.value:.1%} of all; the threshold was chosen on "
                f"the validation texts for an error of {self.target_error:.1%}.",
                None,
                "abstention",
            ),
        )


def find_abstention(errors: Errors, *, target_error: float = 0.02) -> Abstention:
    """Choose on the validation texts whom to leave to a person; see on the test what it brings.

    The coverage-risk curve of El-Yaniv and Wiener, "On the foundations of noise-free selective
    classification", 2010; its area as of Geifman, Uziel and El-Yaniv, "Bias-reduced uncertainty
    estimation for deep neural classifiers", 2019. A text with several labels counts as wrong unless
    all of them are right.

    Parameters
    ----------
    errors
        From `find_errors`.
    target_error
        Share of the answers that may be wrong.

    Raises
    ------
    NotApplicableError
        There is no test or no validation text.
    """
    names, rows = errors.label_names, errors.predictions
    validation = rows[rows["split"] == "validation"]
    for split, own in (("test", errors.test), ("validation", validation)):
        if own.empty:
            raise NotApplicableError(f"There is no text in the {split} split.")
    threshold = choose_threshold(
        *read_beliefs(validation, label_names=names).wholes(), target_error=target_error
    )
    confidences, correct = read_beliefs(errors.test, label_names=names).wholes()
    answered = confidences >= (np.inf if threshold is None else threshold)
    n, n_answered, wrong = len(correct), int(answered.sum()), int((~correct).sum())
    everyone, places = np.ones(n, bool), np.arange(1, n + 1)
    return Abstention(
        target_error=target_error,
        threshold=threshold,
        coverage=proportion(n_answered, n),
        error=proportion(int((~correct & answered).sum()), n_answered),
        everything=proportion(wrong, n),
        curve=trace_risk(confidences, correct),
        area=Ordered.of(confidences).mean_share(everyone, ~correct).score(),
        best_area=float((np.maximum(places - (n - wrong), 0) / places).mean()),
    )


def choose_threshold(
    confidences: FloatArray, correct: BoolArray, *, target_error: float
) -> float | None:
    """Return the lowest confidence from which on at most so many predictions are wrong.

    Parameters
    ----------
    confidences, correct
        Of validation texts, shape (N,).
    target_error
        Share of the answers that may be wrong.

    Returns
    -------
    float or None
        Halfway to the next text that is left out, 0 where none is; None where no threshold does.
    """
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    wrong = np.cumsum(~correct[order])
    last = np.append(np.diff(ordered) != 0, True)  # equal ones are answered together
    fine = np.flatnonzero(last & (wrong <= target_error * np.arange(1, len(order) + 1)))
    if not len(fine):
        return None
    end = int(fine[-1])
    if end + 1 == len(ordered):
        return 0.0
    middle = (ordered[end] + ordered[end + 1]) / 2
    return float(middle if middle > ordered[end + 1] else ordered[end])


def trace_risk(confidences: FloatArray, correct: BoolArray) -> pd.DataFrame:
    """Return the coverage-risk curve at some sixty coverages.

    Parameters
    ----------
    confidences, correct
        Shape (N,), N at least 1.

    Returns
    -------
    DataFrame
        `coverage, error, low, high, threshold`, the surest texts first.
    """
    order = np.argsort(-confidences, kind="stable")
    ordered, wrong = confidences[order], np.cumsum(~correct[order])
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True)) + 1
    wanted = np.linspace(min(FEWEST_ANSWERED, len(order)), len(order), POINTS)
    taken = np.unique(ends[np.searchsorted(ends, wanted)])
    rows = [
        (
            taken_n / len(order),
            wrong[taken_n - 1] / taken_n,
            *wilson_interval(int(wrong[taken_n - 1]), int(taken_n)),
            float(ordered[taken_n - 1]),
        )
        for taken_n in taken
    ]
    return pd.DataFrame(rows, columns=["coverage", "error", "low", "high", "threshold"])
