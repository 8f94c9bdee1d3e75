"""Which labels stand together on texts that have several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbutils.label_sets import IntArray, flatten_labels, holds_sets

MOST_PAIRS = 20  # in the data card


def count_together(labels: pd.Series[Any], *, n_labels: int) -> IntArray:
    """Return how many texts have both labels of each pair, shape (K, K).

    Parameters
    ----------
    labels
        N label sets.
    n_labels
        K.

    Returns
    -------
    ndarray
        Symmetric; the diagonal counts the texts of each label.
    """
    from scipy.sparse import csr_array

    rows, ids = flatten_labels(labels)
    shape = (len(labels), n_labels)
    indicators = csr_array((np.ones(len(rows), np.int64), (rows, ids)), shape=shape)
    return np.asarray((indicators.T @ indicators).toarray(), np.int64)


def pair_labels(together: IntArray, *, label_names: Sequence[str]) -> pd.DataFrame:
    """Return the pairs of labels that occur together, most frequent first.

    Parameters
    ----------
    together
        As `count_together` makes it.
    label_names
        K names.

    Returns
    -------
    DataFrame
        `first`, `second`, `texts` (that have both) and `jaccard`: of the texts that have one of
        the two, the share that has both; 0: never together, 1: never apart.
    """
    first, second = np.nonzero(np.triu(together, k=1))
    both, own = together[first, second], np.diagonal(together)
    order = np.argsort(-both, kind="stable")
    names = np.array(label_names, dtype=object)
    return pd.DataFrame(
        {
            "first": names[first[order]],
            "second": names[second[order]],
            "texts": both[order],
            "jaccard": (both / (own[first] + own[second] - both))[order],
        }
    )


def describe_label_sets(
    labels: pd.Series[Any], label_names: Sequence[str]
) -> dict[str, Any] | None:
    """Return what the data card says of label sets; None where each text has one label.

    Returns
    -------
    dict or None
        `mean` and `most` labels per text, texts `without` a label and with `several`, different
        `sets`, and the most frequent `pairs`.
    """
    if not holds_sets(labels):
        return None
    sizes = labels.map(len)
    pairs = pair_labels(count_together(labels, n_labels=len(label_names)), label_names=label_names)
    return {
        "mean": float(sizes.mean()),
        "most": int(sizes.max()),
        "without": int((sizes == 0).sum()),
        "several": int((sizes > 1).sum()),
        "sets": int(labels.nunique()),
        "pairs": pairs.head(MOST_PAIRS).to_dict("records"),
    }
