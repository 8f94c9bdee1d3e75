"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.metrics import wilson_interval

IntArray = NDArray[np.int64]


def order_classes(matrix: IntArray) -> list[int]:
    """Return the classes in an order that puts those confused with each other side by side.

    Average-linkage clustering of the shares of mutual confusion, leaves in optimal order
    (Bar-Joseph, Gifford and Jaakkola, 2001).

    Parameters
    ----------
    matrix
        Confusion counts (K, K), rows true.

    Returns
    -------
    list of int
        A permutation of 0..K-1; the given order when no class is ever confused.
    """
    n_classes = len(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    mutual = (shares + shares.T) / 2
    np.fill_diagonal(mutual, 0)
    if n_classes < 3 or not mutual.any():
        return list(range(n_classes))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - mutual / mutual.max()
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def reorder(matrix: IntArray, order: Sequence[int]) -> IntArray:
    """Return the confusion matrix (K, K) with rows and columns in `order`."""
    return matrix[np.ix_(order, order)]


def top_confusions(matrix: IntArray, *, label_names: Sequence[str], most: int = 10) -> pd.DataFrame:
    """Return the most frequent mistakes by class pair.

    Parameters
    ----------
    matrix
        Confusion counts (K, K), rows true.
    label_names
        K names.
    most
        Rows at the most.

    Returns
    -------
    DataFrame
        `label, predicted, count, share, low, high`: the share of the true class's examples, with
        its 95 % interval; most frequent first. Empty when there is no mistake.
    """
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    support = matrix.sum(axis=1)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    pairs = [divmod(int(cell), len(matrix)) for cell in order]
    rows = [
        (
            label_names[true],
            label_names[guess],
            int(mistakes[true, guess]),
            float(mistakes[true, guess] / support[true]),
            *wilson_interval(int(mistakes[true, guess]), int(support[true])),
        )
        for true, guess in pairs
        if mistakes[true, guess]
    ]
    return pd.DataFrame(rows, columns=["label", "predicted", "count", "share", "low", "high"])
