"""Pairs of classes that are taken for each other more often than chance explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

FALSE_DISCOVERIES = 0.05  # share of the pairs named that may be chance


def find_overlaps(matrix: IntArray, *, label_names: Sequence[str]) -> pd.DataFrame:
    """Return pairs of classes that are confused more than chance and their own rates explain.

    A class may be hard, and a class may be predicted often: neither makes a pair, see
    `expect_mistakes`. The p-value is the Poisson tail of both directions together, a little more
    careful than the exact one; pairs are kept by Benjamini and Hochberg, "Controlling the false
    discovery rate", 1995.

    Parameters
    ----------
    matrix
        Confusion counts (K, K), rows true.
    label_names
        K names.

    Returns
    -------
    DataFrame
        `first, second, count, expected, p_value`: mistakes between the two, in both directions, and
        the p-value corrected for all K(K-1)/2 pairs; the largest excess first.
    """
    from scipy.stats import false_discovery_control, poisson

    first, second = np.triu_indices(len(matrix), k=1)
    expected = expect_mistakes(matrix)
    between, normal = (both[first, second] + both[second, first] for both in (matrix, expected))
    p_values = poisson.sf(between - 1, np.maximum(normal, 1e-9))
    corrected = false_discovery_control(p_values) if len(p_values) else p_values
    names = np.array(label_names, dtype=object)
    table = pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "count": between,
            "expected": normal,
            "p_value": corrected,
        }
    )
    kept = table[(corrected <= FALSE_DISCOVERIES) & (between > normal)]
    excess = (kept["count"] - kept["expected"]).sort_values(ascending=False, kind="stable")
    ranked: pd.DataFrame = kept.loc[excess.index].reset_index(drop=True)
    return ranked


def expect_mistakes(matrix: IntArray) -> FloatArray:
    """Return how each class's mistakes would fall on the others if no two classes overlapped.

    Parameters
    ----------
    matrix
        Confusion counts (K, K), rows true.

    Returns
    -------
    array
        (K, K), zero on the diagonal; each row adds up to the class's mistakes, which fall on the
        other classes by how often those are predicted at all.
    """
    others = ~np.eye(len(matrix), dtype=bool)
    predicted = np.where(others, matrix.sum(axis=0)[None, :], 0)
    shares = predicted / np.maximum(predicted.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(others, matrix, 0).sum(axis=1, keepdims=True)
    return np.asarray(mistakes * shares, np.float64)
