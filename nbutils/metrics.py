"""Scores of a classifier, each with a 95 % interval.

Proportions have Wilson's intervals, and balanced accuracy, a mean of proportions, its like. What
else depends on the confusion matrix alone has that of a proportion as uncertain as the jackknife
says. Nothing is drawn at random, and no interval of an example or more is without width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbutils.agreement import (
    jackknife,
    macro_f1,
    macro_f1_of_true,
    margins_of,
    matthews_correlation,
    weighted_f1,
)
from nbutils.described import Described
from nbutils.intervals import effective_interval, interval_of_mean, wilson_around

FROM_MATRIX = ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "weighted_f1", "mcc")

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Score(Described):
    """A score, in [0, 1] unless said, with its 95 % interval and the examples behind it."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the score as `metrics.json` holds it."""
        return {**asdict(self)}

    def _facts(self) -> dict[str, Any]:
        interval = f"{self.low:.4g} to {self.high:.4g}"
        return {"value": self.value, "95 % interval": interval, "examples": self.n}

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%}, n = {self.n})"


def wilson_interval(successes: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927. Unlike
    the usual normal interval it stays inside [0, 1] and has a width at 0 and at 1.

    Parameters
    ----------
    successes
        Between 0 and `n`.
    n
        Number of trials, not whole where they are worth fewer; 0 gives (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    low, high = wilson_around(successes / n, n)
    return 0.0 if successes == 0 else low, 1.0 if successes == n else high


def proportion(successes: int, n: int) -> Score:
    """Return `successes` of `n` as a `Score` with its Wilson interval; 0 of 0 scores 0."""
    low, high = wilson_interval(successes, n)
    return Score(successes / n if n else 0.0, low, high, n)


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, *, n_classes: int) -> IntArray:
    """Return counts of shape (K, K): rows are true labels, columns predicted ones.

    Parameters
    ----------
    labels, predicted
        Integer arrays of shape (N,) with values in [0, K).
    n_classes
        K.

    Raises
    ------
    ValueError
        The arrays differ in length or hold a value outside [0, K).
    """
    true, guess = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    if true.shape != guess.shape or true.ndim != 1:
        raise ValueError(f"expected two arrays of shape (N,), found {true.shape}, {guess.shape}")
    both = np.concatenate([true, guess])
    if both.size and (both.min() < 0 or both.max() >= n_classes):
        raise ValueError(f"expected labels in [0, {n_classes}), found {both.min()} to {both.max()}")
    counts = np.bincount(true * n_classes + guess, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes)


def score_predictions(
    labels: ArrayLike, predicted: ArrayLike, *, n_classes: int
) -> dict[str, Score]:
    """Return accuracy and macro F1; see `score_matrix`.

    Parameters
    ----------
    labels, predicted
        Integer arrays of shape (N,) with values in [0, K).
    n_classes
        K.
    """
    scores = score_matrix(confusion_matrix(labels, predicted, n_classes=n_classes))
    return {name: scores[name] for name in ("accuracy", "macro_f1")}


def score_matrix(matrix: IntArray) -> dict[str, Score]:
    """Return the scores that depend on the confusion matrix alone, with their intervals.

    Accuracy has Wilson's interval; so has micro F1, which equals it where each example has one
    label. Balanced accuracy has the score interval of a mean of proportions. For the others see
    `_score_macro_f1` and its neighbours. Where classes have a handful of examples each, macro F1
    and balanced accuracy are a little more certain than their intervals say, which then hold the
    truth in 95 to 99 % of cases.

    Parameters
    ----------
    matrix
        Counts of shape (K, K), rows true.

    Returns
    -------
    dict
        `accuracy, balanced_accuracy, macro_f1, micro_f1, weighted_f1`, and `mcc`, which is in
        [-1, 1].
    """
    hits = proportion(int(np.trace(matrix)), int(matrix.sum()))
    if not hits.n:
        return dict.fromkeys(FROM_MATRIX, hits)
    return {
        "accuracy": hits,
        "balanced_accuracy": _score_balanced(matrix, hits.n),
        "macro_f1": _score_macro_f1(matrix, hits.n),
        "micro_f1": hits,
        "weighted_f1": _score_weighted_f1(matrix, hits.n),
        "mcc": _score_mcc(matrix, hits.n),
    }


def _score_balanced(matrix: IntArray, n: int) -> Score:
    hits, true, _ = margins_of(matrix)
    hits, true = hits[true > 0], true[true > 0]
    return _holding(float((hits / true).mean()), [interval_of_mean(hits, true)], n)


def _score_macro_f1(matrix: IntArray, n: int) -> Score:
    """Return macro F1, whose bias is large where classes have few examples.

    A class that by chance has no example and is given one scores 0, and the F1 of few examples is
    too low on average. The interval spans those around two scores that try to be without that: the
    jackknife's, and the mean of the classes that have examples. It is no narrower than that of a
    mean of proportions with as many trials as these classes have examples.
    """
    found = jackknife(matrix, macro_f1)
    true = matrix.sum(axis=1)
    trials = float((true > 0).sum()) ** 2 / float((1 / true[true > 0]).sum())
    centres = (found.corrected, float(macro_f1_of_true(margins_of(matrix))))
    ends = [
        effective_interval(min(max(centre, 0.0), 1.0), found.variance, trials=trials)
        for centre in centres
    ]
    return _holding(found.value, ends, n)


def _score_weighted_f1(matrix: IntArray, n: int) -> Score:
    found = jackknife(matrix, weighted_f1)
    centre = min(max(found.corrected, 0.0), 1.0)
    return _holding(found.value, [effective_interval(centre, found.variance, trials=n)], n)


def _score_mcc(matrix: IntArray, n: int) -> Score:
    """Return Matthews' correlation, read as the accuracy above that of chance.

    With margins as they are, an accuracy of c + (1 - c) r has the correlation r, where c is that of
    chance; its interval is carried back. Where all examples are of one class, nothing is known.
    """
    true = matrix.sum(axis=1)
    if true.max() == n:
        return Score(0.0, -1.0, 1.0, n)
    found = jackknife(matrix, matthews_correlation)
    chance = float(true @ matrix.sum(axis=0)) / n**2
    room = 1 - chance
    value = min(max(chance + room * found.value, 0.0), 1.0)
    low, high = effective_interval(value, room**2 * found.variance, trials=n)
    return _holding(found.value, [(max(-1.0, (low - chance) / room), (high - chance) / room)], n)


def _holding(value: float, ends: Sequence[tuple[float, float]], n: int) -> Score:
    """Return a score with the narrowest interval that holds it and these."""
    lows, highs = zip(*ends, strict=True)
    return Score(value, min(value, *lows), max(value, *highs), n)


def score_classes(
    labels: ArrayLike, predicted: ArrayLike, *, label_names: Sequence[str]
) -> pd.DataFrame:
    """Return precision, recall and F1 of each class with their intervals.

    Precision and recall are proportions with Wilson intervals. F1 is 2J / (1 + J), where J is the
    proportion of hits among the examples that have the label or were given it, so its interval is
    that of J, carried over.

    Parameters
    ----------
    labels, predicted
        Integer arrays of shape (N,) with values in [0, K).
    label_names
        K names.

    Returns
    -------
    DataFrame
        K rows: `label, support`, and `<score>, <score>_low, <score>_high` for precision, recall and
        f1. A class that is never predicted has precision 0 in [0, 1].
    """
    matrix = confusion_matrix(labels, predicted, n_classes=len(label_names))
    return tabulate_classes(
        np.diagonal(matrix), given=matrix.sum(0), true=matrix.sum(1), names=label_names
    )


def tabulate_classes(
    hits_of: NDArray[np.integer],
    *,
    given: NDArray[np.integer],
    true: NDArray[np.integer],
    names: Sequence[str],
) -> pd.DataFrame:
    """Return the table of `score_classes` from counts of shape (K,).

    Parameters
    ----------
    hits_of, given, true
        Examples that have a label and were given it, that were given it, and that have it.
    names
        K names.
    """
    rows = []
    for k, name in enumerate(names):
        hits = int(hits_of[k])
        precision = proportion(hits, int(given[k]))
        recall = proportion(hits, int(true[k]))
        union = precision.n + recall.n - hits
        f1, low, high = (
            2 * j / (1 + j) for j in (hits / max(1, union), *wilson_interval(hits, union))
        )
        row: dict[str, float | int | str] = {"label": name, "support": recall.n}
        for score, value in (
            ("precision", precision),
            ("recall", recall),
            ("f1", Score(f1, low, high, union)),
        ):
            row |= {score: value.value, f"{score}_low": value.low, f"{score}_high": value.high}
        rows.append(row)
    return pd.DataFrame(rows)
