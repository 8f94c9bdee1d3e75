"""How far confidence is from the share that is right, in bins of equally many predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.metrics import Score, wilson_interval

FEWEST_IN_BIN = 10  # predictions: with fewer a bin says next to nothing
DRAWS = 2000
SCALES = np.linspace(0, 4, 401)  # of the gaps found, among which the interval's ends are looked for
TAIL = 0.025

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def bin_by_confidence(
    confidences: FloatArray, correct: BoolArray, *, n_bins: int = 10
) -> pd.DataFrame:
    """Return the reliability diagram: accuracy by confidence.

    Bins are cut at quantiles, so that each rests on as many predictions; bins of equal width leave
    most of a good model's in the last one (Roelofs, Cain, Shlens and Mozer, "Mitigating bias in
    calibration error estimation", 2022).

    Parameters
    ----------
    confidences
        Probability of what was predicted, shape (N,), in [0, 1].
    correct
        Whether the prediction was right, shape (N,).
    n_bins
        Bins at the most; fewer where they would hold less than ten predictions. Equal confidences
        share a bin.

    Returns
    -------
    DataFrame
        One row per bin: `confidence` (mean), `accuracy` with its 95 % interval `low, high`, and
        `n`.
    """
    columns = ["confidence", "accuracy", "low", "high", "n"]
    if not len(confidences):
        return pd.DataFrame([], columns=columns)
    count = max(1, min(n_bins, len(confidences) // FEWEST_IN_BIN))
    edges = np.quantile(confidences, np.linspace(0, 1, count + 1)[1:-1])
    place = np.searchsorted(np.unique(edges), confidences)
    sizes = np.bincount(place)
    sums, hits = np.bincount(place, confidences), np.bincount(place, correct)
    rows = [
        (total / n, right / n, *wilson_interval(int(right), int(n)), int(n))
        for total, right, n in zip(sums, hits, sizes, strict=True)
        if n
    ]
    return pd.DataFrame(rows, columns=columns)


def calibration_error(bins: pd.DataFrame, *, seed: int = 0) -> Score:
    """Return the expected calibration error (ECE) without the part that is noise.

    The root of the mean squared gap between confidence and accuracy. Chance alone makes gaps, the
    larger the fewer predictions a bin holds; their expected squares are taken off (Kumar, Liang and
    Ma, "Verified uncertainty calibration", 2019, section 5). The interval holds the errors under
    which gaps like those found, larger or smaller by one factor, would not be surprising.

    Parameters
    ----------
    bins
        As `bin_by_confidence` makes them.
    seed
        Seed of the draws behind the interval.

    Returns
    -------
    Score
        In [0, 1]; 0 where there is no more error than chance makes.
    """
    n = int(bins["n"].sum())
    if not n:
        return Score(0.0, 0.0, 1.0, 0)
    confidence, accuracy, size = (
        bins[name].to_numpy(np.float64) for name in ("confidence", "accuracy", "n")
    )
    gaps, weights, free = confidence - accuracy, size / n, np.maximum(size - 1, 1)
    chance = weights @ (accuracy * (1 - accuracy) / free)
    # A bin without a mistake may have been lucky: what its confidence would bring counts too.
    noise = np.sqrt(np.maximum(accuracy * (1 - accuracy), confidence * (1 - confidence)) / free)
    found = float(weights @ gaps**2)
    value = float(np.sqrt(max(found - chance, 0.0)))
    low, high = _plausible(gaps, noise, weights, seed=seed)
    return Score(value, min(value, low), min(1.0, max(value, high)), n)


def _plausible(
    gaps: FloatArray, noise: FloatArray, weights: FloatArray, *, seed: int
) -> tuple[float, float]:
    """Return the smallest and the largest error under which these gaps are no surprise."""
    drawn = np.random.default_rng(seed).standard_normal((DRAWS, len(gaps))) * noise
    found, mixed, chance = (float(weights @ gaps**2), drawn @ (weights * gaps), drawn**2 @ weights)
    squares = SCALES[:, None] ** 2 * found + 2 * SCALES[:, None] * mixed + chance
    reached = SCALES[(squares >= found).mean(1) >= TAIL]
    undercut = SCALES[(squares <= found).mean(1) >= TAIL]
    root = np.sqrt(found)
    least = float(np.sqrt(weights @ noise**2))  # luckily small gaps are not known any better
    return float(reached.min(initial=SCALES[-1]) * root), max(
        float(undercut.max(initial=0.0) * root), least
    )
