"""Scores of a classifier, each with a 95 % interval.

Proportions have Wilson's intervals; what else depends on the confusion matrix alone has the
bootstrap's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbutils.agreement import (
    balanced_accuracy,
    macro_f1,
    matthews_correlation,
    resample_matrix,
    weighted_f1,
)
from nbutils.described import Described

CONFIDENCE_Z = 1.959963984540054  # the normal distribution's 97.5 % point
RESAMPLED = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "weighted_f1": weighted_f1,
    "mcc": matthews_correlation,
}

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
    z2 = CONFIDENCE_Z**2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = CONFIDENCE_Z / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == n else min(1.0, float(centre + half))
    return low, high


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
    labels: ArrayLike, predicted: ArrayLike, *, n_classes: int, seed: int = 0
) -> dict[str, Score]:
    """Return accuracy and macro F1; see `score_matrix`.

    Parameters
    ----------
    labels, predicted
        Integer arrays of shape (N,) with values in [0, K).
    n_classes
        K.
    seed
        Seed of the bootstrap.
    """
    scores = score_matrix(confusion_matrix(labels, predicted, n_classes=n_classes), seed=seed)
    return {name: scores[name] for name in ("accuracy", "macro_f1")}


def score_matrix(matrix: IntArray, *, seed: int = 0) -> dict[str, Score]:
    """Return the scores that depend on the confusion matrix alone, with their intervals.

    Accuracy has Wilson's; so has micro F1, which equals it where each example has one label. The
    others have bootstrap intervals. A class of a handful of examples that are all right varies in
    no resample: balanced accuracy is then less certain than its interval says.

    Parameters
    ----------
    matrix
        Counts of shape (K, K), rows true.
    seed
        Seed of the bootstrap.

    Returns
    -------
    dict
        `accuracy, balanced_accuracy, macro_f1, micro_f1, weighted_f1`, and `mcc`, which is in
        [-1, 1].
    """
    hits = proportion(int(np.trace(matrix)), int(matrix.sum()))
    if not hits.n:
        return dict.fromkeys(("accuracy", "micro_f1", *RESAMPLED), hits)
    resampled = resample_matrix(matrix, seed=seed)
    found = {
        name: _widen(*resampled.interval(statistic), hits) for name, statistic in RESAMPLED.items()
    }
    return {
        "accuracy": hits,
        "balanced_accuracy": found["balanced_accuracy"],
        "macro_f1": found["macro_f1"],
        "micro_f1": hits,
        "weighted_f1": found["weighted_f1"],
        "mcc": found["mcc"],
    }


def _widen(value: float, low: float, high: float, hits: Score) -> Score:
    """Return a score; where nothing varies in a resample of equals, the proportion's interval."""
    if low == high == 1.0:
        low = hits.low
    if low == high == 0.0 == hits.value:
        high = hits.high
    return Score(value, low, high, hits.n)


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
