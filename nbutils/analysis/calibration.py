"""Whether a confidence of 90 % means being right nine times in ten."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.metrics import wilson_interval

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def bin_by_confidence(
    confidences: FloatArray, correct: BoolArray, *, n_bins: int = 10
) -> pd.DataFrame:
    """Return the reliability diagram: accuracy by confidence.

    Parameters
    ----------
    confidences
        Probability of the predicted class, shape (N,), in [0, 1].
    correct
        Whether the prediction was right, shape (N,).
    n_bins
        Bins of equal width over [0, 1].

    Returns
    -------
    DataFrame
        One row per bin that holds examples: `confidence` (mean), `accuracy` with its 95 % interval
        `low, high`, and `n`.
    """
    place = np.minimum((confidences * n_bins).astype(np.int64), n_bins - 1)
    rows = []
    for k in np.unique(place):
        inside = place == k
        hits, n = int(correct[inside].sum()), int(inside.sum())
        rows.append((float(confidences[inside].mean()), hits / n, *wilson_interval(hits, n), n))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "low", "high", "n"])


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Return the ECE: the mean gap between confidence and accuracy, weighted by examples.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017, equation 3.

    Parameters
    ----------
    bins
        As `bin_by_confidence` makes them.

    Returns
    -------
    float
        In [0, 1]; 0 for perfect calibration and for no examples.
    """
    gaps = (bins["confidence"] - bins["accuracy"]).abs()
    return float((gaps * bins["n"]).sum() / max(1, bins["n"].sum()))
