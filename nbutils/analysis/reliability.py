"""How far confidence is from the share that is right, in bins of equally many predictions."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.metrics import Score, wilson_interval

FEWEST_IN_BIN = 10  # predictions: with fewer a bin says next to nothing
COLUMNS = ["confidence", "accuracy", "low", "high", "n", "effective"]
DRAWS = 2000
SCALES = np.linspace(0, 1, 101).tolist()  # of the gaps found, tried for the lower end
TAIL = 0.025

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


def bin_by_confidence(
    confidences: FloatArray, correct: BoolArray, *, n_bins: int = 10, answers: int = 1
) -> pd.DataFrame:
    """Return the reliability diagram: accuracy by confidence.

    Bins are cut at quantiles, so that each rests on as many predictions; bins of equal width leave
    most of a good model's in the last one (Roelofs, Cain, Shlens and Mozer, "Mitigating bias in
    calibration error estimation", 2022).

    Answers of one text are right and wrong together, and tell less than as many texts. The
    intervals are those of so many fewer (design effect: Kish, "Survey sampling", 1965; its use with
    Wilson's interval: Franco, Little, Louis and Slud, "Comparative study of confidence intervals
    for proportions in complex sample surveys", 2019).

    Parameters
    ----------
    confidences
        Probability of what was predicted, shape (N,), in [0, 1].
    correct
        Whether the prediction was right, shape (N,).
    n_bins
        Bins at the most; fewer where they would hold less than ten predictions. Equal confidences
        share a bin.
    answers
        Predictions of each text, which stand one behind the other.

    Returns
    -------
    DataFrame
        One row per bin: `confidence` (mean), `accuracy` with its 95 % interval `low, high`, `n`,
        and `effective`, how many independent predictions these are worth.
    """
    if not len(confidences):
        return pd.DataFrame([], columns=COLUMNS)
    place = _place(confidences, n_bins=n_bins)
    sizes = np.bincount(place)
    sums, hits = np.bincount(place, confidences), np.bincount(place, correct)
    effective = sizes / _design_effects(place, correct, answers=answers)
    rows = [
        (total / n, right / n, *wilson_interval(right / n * worth, worth), int(n), float(worth))
        for total, right, n, worth in zip(sums, hits, sizes, effective, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _place(confidences: FloatArray, *, n_bins: int) -> IntArray:
    """Return the bin of each prediction; none of the bins is empty."""
    count = max(1, min(n_bins, len(confidences) // FEWEST_IN_BIN))
    edges = np.quantile(confidences, np.linspace(0, 1, count + 1)[1:-1])
    place = np.searchsorted(np.unique(edges), confidences)
    return np.unique(place, return_inverse=True)[1].astype(np.int64)


def _sum_by_text(place: IntArray, correct: BoolArray, *, answers: int) -> FloatArray:
    """Return by text and bin how many more answers were right than the bin's share, (T, B)."""
    n_bins = int(place.max()) + 1
    excess = correct - (np.bincount(place, correct) / np.bincount(place))[place]
    cells = np.arange(len(place)) // answers * n_bins + place
    n_texts = len(place) // answers
    sums = np.bincount(cells, np.asarray(excess, np.float64), minlength=n_texts * n_bins)
    return sums.astype(np.float64).reshape(n_texts, n_bins)


def _design_effects(place: IntArray, correct: BoolArray, *, answers: int) -> FloatArray:
    """Return of each bin by what factor its variance exceeds that of independent predictions.

    At least that of all bins, since one with next to no mistake cannot tell.
    """
    sizes = np.bincount(place)
    share = np.bincount(place, correct) / sizes
    if answers == 1:
        return np.ones(len(sizes))
    found = (_sum_by_text(place, correct, answers=answers) ** 2).sum(0)
    independent = sizes * share * (1 - share)
    if not independent.any():  # nothing varies: as if each text's answers were one
        texts = np.unique(np.arange(len(place)) // answers * len(sizes) + place) % len(sizes)
        return np.asarray(sizes / np.bincount(texts))
    least = max(1.0, float(found.sum() / independent.sum()))
    own = np.divide(found, independent, out=np.zeros(len(sizes)), where=independent > 0)
    return np.asarray(np.maximum(own, least), np.float64)


def correlate_bins(
    confidences: FloatArray, correct: BoolArray, *, n_bins: int = 10, answers: int = 1
) -> FloatArray:
    """Return how far the bins of `bin_by_confidence` err together, shape (B, B).

    Parameters
    ----------
    confidences, correct, n_bins, answers
        As given to `bin_by_confidence`.

    Returns
    -------
    ndarray
        Correlations of accuracies, 1 in the diagonal. With one answer per text no text is in two
        bins, and all others are 0.
    """
    if not len(confidences):
        return np.zeros((0, 0))
    place = _place(confidences, n_bins=n_bins)
    sums = _sum_by_text(place, correct, answers=answers)
    found = sums.T @ sums if answers > 1 else np.zeros((sums.shape[1],) * 2)
    spread = np.sqrt(np.diagonal(found))
    scale = np.outer(spread, spread)
    correlation = np.divide(found, scale, out=np.zeros_like(found), where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, np.float64)


def calibration_error(
    bins: pd.DataFrame, *, seed: int = 0, correlation: FloatArray | None = None
) -> Score:
    """Return the expected calibration error (ECE) without the part that is noise.

    The mean distance of confidence and accuracy over bins (Naeini, Cooper and Hauskrecht,
    "Obtaining well calibrated probabilities using Bayesian binning", 2015). Chance alone makes
    gaps, the larger the fewer predictions a bin holds. What chance would add to gaps like those
    found is taken off (Kumar, Liang and Ma, "Verified uncertainty calibration", 2019, whose library
    does so for this error too); of a calibrated model's error some half of it remains.

    The upper end of the interval joins the bounds of Wilson's intervals, by which a bin without a
    mistake may have been lucky (MOVER: Zou and Donner, "Construction of confidence limits about
    effect measures", 2008). It takes nothing off for chance, so it is on the safe side where the
    error is small. The lower one is the least error that explains gaps this large: with those
    found, smaller by one factor, 2.5 % of noisy diagrams are as bad.

    Parameters
    ----------
    bins
        As `bin_by_confidence` makes them.
    seed
        Seed of the draws behind the interval.
    correlation
        Of the bins' accuracies, shape (B, B), from `correlate_bins`; None: they are independent.

    Returns
    -------
    Score
        In [0, 1]; 0 where there is no more error than chance makes.
    """
    n = int(bins["n"].sum())
    if not n:
        return Score(0.0, 0.0, 1.0, 0)
    confidence, accuracy, low, high, size, effective = bins[COLUMNS].to_numpy(np.float64).T
    weights, gaps = size / n, confidence - accuracy
    together = np.eye(len(bins)) if correlation is None else correlation
    found = float(weights @ np.abs(gaps))
    variance = accuracy * (1 - accuracy) / np.maximum(effective - 1, 1)
    value = max(0.0, 2 * found - float(weights @ _mean_distance(gaps, np.sqrt(variance))))
    furthest = np.maximum(np.abs(confidence - low), np.abs(confidence - high))
    reach = weights * (furthest - np.abs(gaps))
    upper = found + float(np.sqrt(reach @ np.maximum(together, 0) @ reach))
    least = _least_error(bins, together, seed=seed)
    return Score(value, min(value, least), min(1.0, upper), n)


def _mean_distance(gaps: FloatArray, noise: FloatArray) -> FloatArray:
    """Return the mean of |gap + normal noise| (Leone, Nelson and Nottingham, 1961)."""
    from scipy.special import ndtr

    ratio = np.divide(gaps, noise, out=np.zeros_like(gaps), where=noise > 0)
    folded = noise * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + gaps * (1 - 2 * ndtr(-ratio))
    return np.where(noise > 0, folded, np.abs(gaps))


def _least_error(bins: pd.DataFrame, correlation: FloatArray, *, seed: int) -> float:
    """Return the smallest error under which gaps as large as these are no surprise.

    The noise is that of the accuracies which an error supposes, as in Wilson's interval.
    """
    confidence, accuracy, _, _, size, effective = bins[COLUMNS].to_numpy(np.float64).T
    weights, gaps = size / size.sum(), confidence - accuracy
    drawn = np.random.default_rng(seed).multivariate_normal(
        np.zeros(len(gaps)), correlation, DRAWS, method="eigh"
    )
    found = float(weights @ np.abs(gaps))

    def explained(scale: float) -> bool:
        supposed = np.clip(confidence - scale * gaps, 0, 1)
        noise = np.sqrt(supposed * (1 - supposed) / effective)
        return bool((np.abs(scale * gaps + drawn * noise) @ weights >= found).mean() >= TAIL)

    return found * float(SCALES[min(bisect_left(SCALES, True, key=explained), len(SCALES) - 1)])
