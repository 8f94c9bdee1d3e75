"""Scores of how well probabilities put examples in order, each with a 95 % interval.

Their intervals come from how much each example moves the score (the infinitesimal jackknife:
Jaeckel, 1972; of the area under the ROC curve it is the variance of DeLong, DeLong and
Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
curves", 1988). One sort per class is all they cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.described import Described
from nbutils.intervals import wilson_around
from nbutils.metrics import Score

SCORES = ("roc_auc", "average_precision")
SMALLEST_VARIANCE = 1e-12  # of a score; that of equal probabilities does not vary at all
MIDDLE = 0.5  # of [0, 1]: what one more example of unknown rank would come to

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A score in [0, 1] and how far it is from certain.

    Attributes
    ----------
    value
        The score.
    shifts
        How much each of N examples moves it, shape (N,); their squares sum to its variance.
    kinds
        How many examples of each kind there are that it is a mean over: the positive ones, say.
    """

    value: float
    shifts: FloatArray
    kinds: tuple[int, ...]

    @property
    def doubt(self) -> float:
        """Variance that one more example of each kind, ranked in the middle, would add."""
        return (self.value - MIDDLE) ** 2 * sum(1 / count**2 for count in self.kinds)

    @property
    def pull(self) -> float:
        """How far such examples would pull the score to the middle, as a share of the way."""
        weight = sum(1 / count for count in self.kinds)
        return weight / (1 + weight)

    def score(self) -> Score:
        """Return the score with its interval."""
        variance = float(self.shifts @ self.shifts) + self.doubt
        return _wilson(self.value, variance, pull=self.pull, n=len(self.shifts))


def _wilson(value: float, variance: float, *, pull: float, n: int) -> Score:
    """Return Wilson's interval of a proportion that is as uncertain as the score.

    Korn and Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", 1998: the effective number of trials stands for that of
    independent ones. One doubtful example more keeps it finite where all are in perfect order.
    """
    pulled = value + (MIDDLE - value) * pull
    trials = pulled * (1 - pulled) / max(variance, SMALLEST_VARIANCE)
    low, high = wilson_around(value, trials)
    return Score(value, min(value, low), max(value, high), n)


@dataclass(frozen=True)
class Ordered:
    """N examples from the highest score to the lowest.

    Attributes
    ----------
    order
        The examples in that order, shape (N,).
    start, end
        Where the tie of each place in the order begins, and the place after its last, shape (N,).
    """

    order: IntArray
    start: IntArray
    end: IntArray

    @classmethod
    def of(cls, scores: FloatArray) -> Ordered:
        """Put examples in order of their scores, shape (N,)."""
        order = np.argsort(-scores, kind="stable")
        first = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0)[: len(scores)])
        ties = np.diff(np.append(first, len(scores)))
        return cls(order, np.repeat(first, ties), np.repeat(first + ties, ties))

    def mean_share(self, counted: BoolArray, hits: BoolArray) -> Estimate:
        """Return a mean over ranks: of the examples down to this one, the share that are hits.

        Parameters
        ----------
        counted
            The examples that the mean is over, at least one, shape (N,).
        hits
            Shape (N,). The average precision counts the positive examples, and they are the hits.
        """
        at = counted[self.order].astype(np.float64)
        hit = hits[self.order].astype(np.float64)
        taken, found = self.end, np.append(0.0, np.cumsum(hit))[self.end]
        n_counted = int(at.sum())
        value = float((at * found / taken).sum() / n_counted)
        # An example moves its own term, and those of all examples ranked with it or below.
        gain = self._below(at / taken)[self.start]
        loss = self._below(at * found / taken**2)[self.start]
        shifts = (at * (found / taken - value) + hit * gain - loss) / n_counted
        return Estimate(value, self._back(shifts), (n_counted,))

    def roc_auc(self, positive: BoolArray) -> Estimate:
        """Return how often a positive example ranks before a negative one; a tie counts half.

        Parameters
        ----------
        positive
            Shape (N,), at least one true and one false.
        """
        own = positive[self.order]
        before = np.append(0, np.cumsum(own))
        m, k = int(own.sum()), int((~own).sum())
        ahead = (before[self.start] + before[self.end]) / 2  # positive ones, a tie counting half
        behind = k - ((self.start + self.end) / 2 - ahead)
        place = np.where(own, behind / k, ahead / m)
        value = float(place[own].mean())
        weight = np.where(own, _unbiased(m) / m, _unbiased(k) / k)
        return Estimate(value, self._back((place - value) * weight), (m, k))

    def _below(self, values: FloatArray) -> FloatArray:
        """Return the sums from each place to the last."""
        return np.cumsum(values[::-1])[::-1]

    def _back(self, values: FloatArray) -> FloatArray:
        """Return values by place as values by example."""
        found = np.empty_like(values)
        found[self.order] = values
        return found


def _unbiased(count: int) -> float:
    return float(np.sqrt(count / (count - 1))) if count > 1 else 1.0


@dataclass(frozen=True, repr=False)
class Ranking(Described):
    """How well each class is ranked against the rest.

    Attributes
    ----------
    classes
        A row per class: `label`, and `roc_auc, average_precision`, each with `_low, _high`; NaN
        where no example has the class, the first also where all have it.
    macro
        The means over the classes that have the score, by its name; none where none has.
    """

    classes: pd.DataFrame
    macro: dict[str, Score]


def rank_classes(
    labels: BoolArray, pred_probs: FloatArray, *, label_names: Sequence[str]
) -> Ranking:
    """Score the order that each class's probability puts examples in, one class against the rest.

    Parameters
    ----------
    labels
        Whether example i has class k, shape (N, K).
    pred_probs
        Shape (N, K).
    label_names
        K names.
    """
    found = [_rank(own, scores) for own, scores in zip(labels.T, pred_probs.T, strict=True)]
    rows = [
        {"label": name, **_row(estimates)}
        for name, estimates in zip(label_names, found, strict=True)
    ]
    known = {name: [each[name] for each in found if name in each] for name in SCORES}
    macro = {name: _mean(estimates) for name, estimates in known.items() if estimates}
    return Ranking(pd.DataFrame(rows), macro)


def _rank(labels: BoolArray, scores: FloatArray) -> dict[str, Estimate]:
    if not labels.any():
        return {}
    ordered = Ordered.of(scores)
    precision = {"average_precision": ordered.mean_share(labels, labels)}
    return precision if labels.all() else {"roc_auc": ordered.roc_auc(labels), **precision}


def _row(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    row = {f"{name}{end}": np.nan for name in SCORES for end in ("", "_low", "_high")}
    for name, estimate in estimates.items():
        score = estimate.score()
        row |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
    return row


def _mean(estimates: Sequence[Estimate]) -> Score:
    """Return the mean of several scores of the same examples; their shifts add up."""
    count = len(estimates)
    value = sum(each.value for each in estimates) / count
    shifts = np.sum([each.shifts for each in estimates], axis=0) / count
    variance = float(shifts @ shifts) + sum(each.doubt for each in estimates) / count**2
    pull = sum(each.pull for each in estimates) / count
    return _wilson(value, variance, pull=pull, n=len(shifts))
