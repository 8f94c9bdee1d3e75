"""Several labels per text: tuples of ids in a column, indicators in a matrix.

A column of labels holds whole numbers where each text has one label, and tuples of them, sorted,
where each has any number. What is here takes both, so that few others need to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["single_label", "multi_label"]
LabelSet = tuple[int, ...]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

NO_LABEL = "(none)"
BETWEEN = "; "  # labels of one text, where people read them


def holds_sets(labels: pd.Series[Any]) -> bool:
    """Return whether a column holds sets of label ids, and not one id per row."""
    return labels.dtype == object


def set_column(label_sets: Iterable[Any]) -> pd.Series[Any]:
    """Return a column of sets of ids: sorted tuples, None kept where a row has None."""
    import pandas as pd

    return pd.Series(
        [None if ids is None else tuple(sorted({int(k) for k in ids})) for ids in label_sets],
        dtype=object,
    )


def to_indicators(label_sets: Iterable[Sequence[int]], *, n_labels: int) -> BoolArray:
    """Return sets of ids as a matrix (N, K): whether row i has label k."""
    sets = list(label_sets)
    sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
    ids = np.fromiter((k for ids in sets for k in ids), dtype=np.int64, count=int(sizes.sum()))
    found = np.zeros((len(sets), n_labels), dtype=bool)
    found[np.repeat(np.arange(len(sets)), sizes), ids] = True
    return found


def to_sets(indicators: BoolArray) -> list[LabelSet]:
    """Return each row of a matrix (N, K) as the tuple of the ids that it has."""
    return [tuple(np.flatnonzero(row).tolist()) for row in indicators]


def flatten_labels(labels: pd.Series[Any]) -> tuple[IntArray, IntArray]:
    """Return the pairs of row and label id of a column of N labels or label sets.

    Returns
    -------
    rows, ids
        Positions in [0, N) and label ids; a row without labels has no pair.
    """
    if not holds_sets(labels):
        return np.arange(len(labels)), labels.to_numpy(dtype=np.int64)
    sets = labels.tolist()
    sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
    ids = np.fromiter((k for ids in sets for k in ids), dtype=np.int64, count=int(sizes.sum()))
    return np.repeat(np.arange(len(sets)), sizes), ids


def indicate_labels(labels: pd.Series[Any], *, n_labels: int) -> BoolArray:
    """Return a column of N labels or label sets as a matrix (N, K): whether row i has label k."""
    found = np.zeros((len(labels), n_labels), dtype=bool)
    found[flatten_labels(labels)] = True
    return found


def say_labels(labels: pd.Series[Any], label_names: Sequence[str]) -> list[str]:
    """Return each row's label by name, or its labels, joined; ``(none)`` where it has none."""
    if not holds_sets(labels):
        return [label_names[k] for k in labels]
    return [BETWEEN.join(label_names[k] for k in ids) or NO_LABEL for ids in labels]
