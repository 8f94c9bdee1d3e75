"""Which texts to leave to a person, so that what the model answers itself is right often enough."""

from __future__ import annotations

import math
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
STEPS = 100  # of coverage, in which thresholds are tested
MOST_LUCK = 0.05  # chance that a threshold is chosen from which on more than the target is wrong

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Abstention(Described):
    """What a model gets wrong when it answers only the texts that it is surest of.

    Attributes
    ----------
    target_error
        The share of answers that may be wrong.
    threshold
        Confidence from which on it answers, which the validation texts show to meet the target;
        None: they show it of none.
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
    why_not
        Why there is no threshold, in a sentence; empty where there is one.
    """

    target_error: float
    threshold: float | None
    coverage: Score
    error: Score
    everything: Score
    curve: pd.DataFrame
    area: Score
    best_area: float
    why_not: str = ""

    @property
    def threshold_in_full(self) -> str:
        """All digits of the threshold: near 1, four would say that nothing is answered."""
        return "" if self.threshold is None else _in_full(self.threshold)

    @property
    def needed(self) -> bool:
        """Whether more than the target is wrong when every text is answered."""
        return self.everything.value > self.target_error

    @property
    def reached(self) -> bool:
        """Whether the test's answers above the threshold are no more often wrong than wanted."""
        return (
            self.threshold is not None
            and self.error.n > 0
            and self.error.value <= self.target_error
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
            "why_not": self.why_not,
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
                f"Leave predictions with a confidence below {self.threshold_in_full} to a "
                f"person: {left:.1%} of the texts.",
                f"Of the others {error.value:.1%} ({error.low:.1%} to {error.high:.1%}) are wrong "
                f"on the test, against {everything.value:.1%} of all; the validation texts show, "
                f"with 95 % certainty, that no more than {self.target_error:.1%} are wrong in the "
                "long run.",
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
        There is no test text. Without a validation text there is a curve, and no threshold.
    """
    if errors.test.empty:
        raise NotApplicableError("There is no text in the test split.")
    threshold, why_not = _choose_for(errors, target_error=target_error)
    confidences, correct = read_beliefs(errors.test, label_names=errors.label_names).wholes()
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
        why_not=why_not,
    )


def _choose_for(errors: Errors, *, target_error: float) -> tuple[float | None, str]:
    """Return the threshold that validation texts show to hold, or why there is none."""
    rows = errors.predictions[errors.predictions["split"] == "validation"]
    surest = read_beliefs(rows, label_names=errors.label_names).wholes()
    threshold = choose_threshold(*surest, target_error=target_error)
    if threshold is None:
        return None, say_why_not(len(rows), target_error=target_error)
    return threshold, ""


def _in_full(number: float) -> str:
    return np.format_float_positional(number, trim="-")


def say_why_not(n_validation: int, *, target_error: float) -> str:
    """Return why validation texts gave no threshold.

    Parameters
    ----------
    n_validation
        How many there are.
    target_error
        Share of the answers that may be wrong.
    """
    if not n_validation:
        return "There is no validation text to choose a threshold by."
    fewest = fewest_to_show(target_error)
    if n_validation < fewest:
        return (
            f"{n_validation:,} validation texts are too few to show that at most "
            f"{target_error:.1%} of the answers are wrong: it takes {fewest:,} answers, all of "
            "them right."
        )
    return (
        f"Of no confidence do the {n_validation:,} validation texts show that at most "
        f"{target_error:.1%} of the answers from there on are wrong."
    )


def choose_threshold(
    confidences: FloatArray, correct: BoolArray, *, target_error: float
) -> float | None:
    """Return the lowest confidence from which on no more than the target is shown to be wrong.

    The lowest from which on no more *were* wrong would owe that to luck: it is the best of many.
    So coverages are tested one after the other, the surest texts first: could so few answers be
    wrong, were it as many as the target in the long run (binomial test)? All of these tests share a
    chance of 5 % to be passed undeservedly (fixed sequence testing with several starts, as of
    Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test", 2021; a passed test hands what
    it had on to the next: Wiens, "A fixed sequence Bonferroni procedure for testing multiple
    endpoints", 2003). A sure mistake that ends one sequence leaves the later starts.

    Parameters
    ----------
    confidences, correct
        Of validation texts, shape (N,).
    target_error
        Share of the answers that may be wrong.

    Returns
    -------
    float or None
        A short number between the last text that is answered and the next, 0 where all are;
        None where no threshold is shown to hold.
    """
    from scipy.stats import binom

    order = np.argsort(-confidences, kind="stable")
    ordered, wrong = confidences[order], np.cumsum(~correct[order])
    sizes, shares = _plan_tests(ordered, target_error=target_error)
    passed, level = 0, 0.0
    lucks = binom.cdf(wrong[sizes - 1], sizes, target_error)
    for n_answered, share, luck in zip(sizes.tolist(), shares, lucks, strict=True):
        level += share
        passed, level = (n_answered, level) if luck <= level else (passed, 0.0)
    if passed in (0, len(ordered)):
        return 0.0 if passed else None
    return _shortest_between(float(ordered[passed]), float(ordered[passed - 1]))


def fewest_to_show(target_error: float, *, luck: float = MOST_LUCK) -> int:
    """Return how many answers without a mistake show that no more than the target is wrong.

    Parameters
    ----------
    target_error
        Share of the answers that may be wrong.
    luck
        Chance that so many are right although more than the target are wrong in the long run.
    """
    return math.ceil(math.log(luck) / math.log1p(-target_error))


def _plan_tests(ordered: FloatArray, *, target_error: float) -> tuple[IntArray, FloatArray]:
    """Return how many texts each test answers, ascending, and its share of the luck allowed.

    Sequences start where a test can be passed at all, at twice as many texts, and so on.
    """
    n = len(ordered)
    n_starts = int(np.log2(max(n, 1) / fewest_to_show(target_error))) + 1
    if n < fewest_to_show(target_error):
        return np.zeros(0, np.int64), np.zeros(0)
    share = MOST_LUCK / n_starts
    starts = fewest_to_show(target_error, luck=share) * 2 ** np.arange(n_starts)
    starts, ends = starts[starts <= n], _ends_of_ties(ordered)
    steps = np.ceil(n * np.arange(1, STEPS + 1) / STEPS)
    planned = np.union1d(starts, steps[steps > starts[0]])
    sizes = np.unique(ends[np.searchsorted(ends, planned)])
    shares = np.zeros(len(sizes))
    np.add.at(shares, np.searchsorted(sizes, starts), share)
    return sizes, shares


def _ends_of_ties(ordered: FloatArray) -> IntArray:
    """Return how many texts are answered down to each confidence: equal ones together."""
    return np.flatnonzero(np.append(np.diff(ordered) != 0, True)) + 1


def _shortest_between(below: float, upto: float) -> float:
    """Return the number of fewest digits in the middle half between two confidences."""
    middle, reach = (below + upto) / 2, (upto - below) / 4
    tried = (round(middle, digits) for digits in range(1, 18))
    return next((value for value in tried if below < value and abs(value - middle) <= reach), upto)


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
    ends = _ends_of_ties(ordered)
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
