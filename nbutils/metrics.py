"""Scores of a classifier, each with a 95 % interval.

Everything works on integer arrays and on the confusion matrix made from them, so that a bootstrap
of a large test split costs no more than one of a small split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

CONFIDENCE_Z = 1.959963984540054  # the normal distribution's 97.5 % point
RESAMPLES = 2000
MOST_CELLS = 2_000_000  # of resampled matrices in memory at a time: 16 MB

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A score in [0, 1] with its 95 % interval and the number of examples behind it."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the score as `metrics.json` holds it."""
        return {**asdict(self)}

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%}, n = {self.n})"


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927. Unlike
    the usual normal interval it stays inside [0, 1] and has a width at 0 and at 1.

    Parameters
    ----------
    successes
        Between 0 and `n`.
    n
        Number of trials; 0 gives (0, 1).
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
    """Return accuracy (Wilson interval) and macro F1 (percentile bootstrap interval).

    Parameters
    ----------
    labels, predicted
        Integer arrays of shape (N,) with values in [0, K).
    n_classes
        K.
    seed
        Seed of the bootstrap.
    """
    matrix = confusion_matrix(labels, predicted, n_classes=n_classes)
    n = int(matrix.sum())
    hits = int(np.trace(matrix))
    if hits in {
        0,
        n,
    }:  # nothing varies in a resample of equals: the proportion's interval stands in
        low, high = wilson_interval(hits, n)
    else:
        resampled = np.concatenate([macro_f1(part) for part in _resample(matrix, seed)])
        low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "accuracy": proportion(hits, n),
        "macro_f1": Score(float(macro_f1(matrix)), float(low), float(high), n),
    }


def macro_f1(matrix: NDArray[np.integer]) -> FloatArray:
    """Return the unweighted mean F1 over the classes that occur, as true or as predicted.

    Parameters
    ----------
    matrix
        Confusion counts of shape (..., K, K).

    Returns
    -------
    ndarray
        Shape (...), in [0, 1]; 0 where a matrix is empty.
    """
    f1, present = _f1(matrix)
    return np.asarray((f1 * present).sum(-1) / np.maximum(present.sum(-1), 1), np.float64)


def weighted_f1(matrix: NDArray[np.integer]) -> float:
    """Return the mean F1 of the classes, weighted by how many examples have each; 0 if empty."""
    f1, _ = _f1(matrix)
    true = matrix.sum(1)
    return float((f1 * true).sum() / max(1, true.sum()))


def balanced_accuracy(matrix: NDArray[np.integer]) -> float:
    """Return the mean recall over the classes that occur among the true labels; 0 if empty.

    Parameters
    ----------
    matrix
        Confusion counts of shape (K, K).
    """
    true = matrix.sum(1)
    recalls = np.diagonal(matrix)[true > 0] / true[true > 0]
    return float(recalls.mean()) if recalls.size else 0.0


def matthews_correlation(matrix: NDArray[np.integer]) -> float:
    """Return Matthews' correlation of true and predicted labels, in [-1, 1]; 0 is guessing.

    For K classes: Gorodkin, "Comparing two K-category assignments by a K-category correlation
    coefficient", 2004, equation 8. It is 0 where all true or all predicted labels are the same.

    Parameters
    ----------
    matrix
        Confusion counts of shape (K, K).
    """
    counts = matrix.astype(np.float64)
    n, true, given = counts.sum(), counts.sum(1), counts.sum(0)
    spread = (n * n - given @ given) * (n * n - true @ true)
    if spread <= 0:
        return 0.0
    return float((np.trace(counts) * n - true @ given) / np.sqrt(spread))


def selection_scores(matrix: NDArray[np.integer]) -> dict[str, float]:
    """Return the scores that a best state can be chosen by, besides accuracy and macro F1."""
    return {
        "balanced_accuracy": balanced_accuracy(matrix),
        "mcc": matthews_correlation(matrix),
        "weighted_f1": weighted_f1(matrix),
    }


def _f1(matrix: NDArray[np.integer]) -> tuple[FloatArray, NDArray[np.bool_]]:
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    total = matrix.sum(-1) + matrix.sum(-2)  # true + predicted = 2 TP + FP + FN
    return np.asarray(2 * hits / np.maximum(total, 1), np.float64), total > 0


def _resample(matrix: IntArray, seed: int) -> Iterator[IntArray]:
    # Resampling N rows with replacement is one multinomial draw over the cells of their matrix.
    # In parts, so that many classes need no more memory than a few.
    n = int(matrix.sum())
    cells = np.flatnonzero(matrix)
    shares = matrix.ravel()[cells] / n
    random = np.random.default_rng(seed)
    part = max(1, min(RESAMPLES, MOST_CELLS // matrix.size))
    for start in range(0, RESAMPLES, part):
        size = min(part, RESAMPLES - start)
        draws = np.zeros((size, matrix.size), np.int64)
        draws[:, cells] = random.multinomial(n, shares, size=size)
        yield draws.reshape(size, *matrix.shape)


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


@dataclass(frozen=True)
class PairedDifference:
    """How much more accurate one classifier is than another on the same N examples.

    `value` is in [-1, 1] with a 95 % interval; `p_value` is McNemar's, exact.
    """

    value: float
    low: float
    high: float
    p_value: float
    n: int


def compare_paired(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare the accuracy of two classifiers on the same examples.

    The interval is that of Agresti and Min, "Simple improved confidence intervals for comparing
    matched proportions", 2005; the test is McNemar's (1947) in its exact form.

    Parameters
    ----------
    labels, first, second
        True labels and the two predictions, shape (N,).

    Returns
    -------
    PairedDifference
        Accuracy of `first` minus that of `second`.
    """
    true = np.asarray(labels)
    right, other = np.asarray(first) == true, np.asarray(second) == true
    gains, losses, n = int((right & ~other).sum()), int((~right & other).sum()), len(true)
    # half an example is added to each of the four cells of the table of pairs
    total, b, c = n + 2, gains + 0.5, losses + 0.5
    centre = (b - c) / total
    half = CONFIDENCE_Z * np.sqrt((b + c) - (b - c) ** 2 / total) / total
    return PairedDifference(
        value=(gains - losses) / n if n else 0.0,
        low=max(-1.0, float(centre - half)),
        high=min(1.0, float(centre + half)),
        p_value=_sign_test(gains, losses),
        n=n,
    )


def _sign_test(gains: int, losses: int) -> float:
    from scipy.stats import binomtest

    discordant = gains + losses
    return float(binomtest(min(gains, losses), discordant).pvalue) if discordant else 1.0
