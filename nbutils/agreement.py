"""Scores of predicted classes that depend on a confusion matrix alone, of one or of many at once.

All are made from its margins, shape (..., 3, K): how many examples of each class were given it,
have it, and were given it rightly or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS = 2_000_000  # of margins in memory at a time: 16 MB

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Numbers = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
Score = Callable[[FloatArray], FloatArray]


def margins_of(matrix: Numbers) -> FloatArray:
    """Return `hits, true, given` of confusion matrices.

    Parameters
    ----------
    matrix
        Counts of shape (..., K, K), rows true.

    Returns
    -------
    ndarray
        Shape (..., 3, K).
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.stack([hits, matrix.sum(-1), matrix.sum(-2)], axis=-2).astype(np.float64)


def accuracy(margins: FloatArray) -> FloatArray:
    """Return the share of examples that are right, shape (...)."""
    hits, true, _ = _parts(margins)
    return _ratio(hits.sum(-1), true.sum(-1))


def micro_f1(margins: FloatArray) -> FloatArray:
    """Return the F1 over all classes together, shape (...): with one label each, the accuracy."""
    hits, true, given = _parts(margins)
    return _ratio(2 * hits.sum(-1), (true + given).sum(-1))


def macro_f1(margins: FloatArray) -> FloatArray:
    """Return the mean F1 over the classes that occur, as true or as predicted, shape (...)."""
    _, true, given = _parts(margins)
    present = true + given > 0
    return _ratio((_f1(margins) * present).sum(-1), present.sum(-1))


def macro_f1_of_true(margins: FloatArray) -> FloatArray:
    """Return the mean F1 over the classes that occur as true ones, shape (...)."""
    _, true, _ = _parts(margins)
    return _ratio((_f1(margins) * (true > 0)).sum(-1), (true > 0).sum(-1))


def weighted_f1(margins: FloatArray) -> FloatArray:
    """Return the mean F1 of the classes, weighted by how many examples have each, shape (...)."""
    _, true, _ = _parts(margins)
    return _ratio((_f1(margins) * true).sum(-1), true.sum(-1))


def balanced_accuracy(margins: FloatArray) -> FloatArray:
    """Return the mean recall over the classes that occur among the true labels, shape (...)."""
    hits, true, _ = _parts(margins)
    return _ratio(_ratio(hits, true).sum(-1), (true > 0).sum(-1))


def matthews_correlation(margins: FloatArray) -> FloatArray:
    """Return Matthews' correlation of true and predicted labels, in [-1, 1]; 0 is guessing.

    For K classes: Gorodkin, "Comparing two K-category assignments by a K-category correlation
    coefficient", 2004, equation 8. It is 0 where all true or all predicted labels are the same.
    """
    hits, true, given = _parts(margins)
    n = true.sum(-1)
    spread = (n * n - (given * given).sum(-1)) * (n * n - (true * true).sum(-1))
    found = hits.sum(-1) * n - (true * given).sum(-1)
    return np.where(spread > 0, found / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def selection_scores(matrix: Numbers) -> dict[str, float]:
    """Return the scores that a best state can be chosen by, besides accuracy and macro F1.

    Parameters
    ----------
    matrix
        Confusion counts of shape (K, K).
    """
    margins = margins_of(matrix)
    return {
        "balanced_accuracy": float(balanced_accuracy(margins)),
        "mcc": float(matthews_correlation(margins)),
        "weighted_f1": float(weighted_f1(margins)),
    }


@dataclass(frozen=True)
class Jackknifed:
    """A score of a confusion matrix, and how far it moves when one example is left out.

    Attributes
    ----------
    value
        The score.
    corrected
        The score less its bias, as far as that falls with the number of examples.
    variance
        Of the score.
    """

    value: float
    corrected: float
    variance: float


def jackknife(matrix: IntArray, score: Score) -> Jackknifed:
    """Return a score with its delete-one jackknife estimates of bias and variance.

    Quenouille, "Notes on bias in estimation", 1956, and Tukey, 1958; Efron and Tibshirani, "An
    introduction to the bootstrap", 1993, chapter 11. Examples of a cell are alike, so that a large
    split costs no more than a small one. Nothing is drawn. The variance errs to the high side, and
    unlike the bootstrap's it does not vanish where a class has an example or two.

    Parameters
    ----------
    matrix
        Counts of shape (K, K), rows true, at least one of them above 0.
    score
        One of this module.
    """
    cells = np.flatnonzero(matrix)
    counts = matrix.ravel()[cells].astype(np.float64)
    whole, n = margins_of(matrix), float(counts.sum())
    size = max(1, MOST_NUMBERS // whole.size)
    parts = [cells[start : start + size] for start in range(0, len(cells), size)]
    without = [score(_leave_out(whole, *np.divmod(part, len(matrix)))) for part in parts]
    left_out = np.concatenate(without)
    value, mean = float(score(whole)), float(np.average(left_out, weights=counts))
    variance = (n - 1) / n * float(counts @ (left_out - mean) ** 2)
    return Jackknifed(value, value + (n - 1) * (value - mean), variance)


def _leave_out(margins: FloatArray, true: IntArray, given: IntArray) -> FloatArray:
    """Return the margins without one example of each of C cells, shape (C, 3, K)."""
    without = np.repeat(margins[None], len(true), axis=0)
    rows = np.arange(len(true))
    without[rows, 0, true] -= true == given
    without[rows, 1, true] -= 1
    without[rows, 2, given] -= 1
    return without


def _parts(margins: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    return margins[..., 0, :], margins[..., 1, :], margins[..., 2, :]


def _f1(margins: FloatArray) -> FloatArray:
    hits, true, given = _parts(margins)  # true + given = 2 TP + FP + FN
    return _ratio(2 * hits, true + given)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> FloatArray:
    """Return the quotient, and 0 where nothing is divided by nothing; counts or shares."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)
