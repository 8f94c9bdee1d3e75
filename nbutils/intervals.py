"""Score intervals: of a proportion, of what is as uncertain, and of a mean of proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_Z = 1.959963984540054  # the normal distribution's 97.5 % point
STEPS = 60  # of halving the range in which the end of an interval is looked for
WIDE = 20.0  # of that range to either side, as a power of e
SMALLEST = 1e-12  # variances below are roundings

FloatArray = NDArray[np.float64]


def wilson_around(share: float, trials: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion, whose trials need not be a whole number.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Parameters
    ----------
    share
        In [0, 1].
    trials
        Above 0.
    """
    z2 = CONFIDENCE_Z**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials * trials)
    half = CONFIDENCE_Z / (1 + z2 / trials) * float(np.sqrt(spread))
    return max(0.0, centre - half), min(1.0, centre + half)


def effective_interval(value: float, variance: float, *, trials: float) -> tuple[float, float]:
    """Return Wilson's interval of a proportion that is as uncertain as a score.

    Korn and Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", 1998: the effective number of trials stands for that of
    independent ones, and is at most theirs.

    Parameters
    ----------
    value
        The score, in [0, 1].
    variance
        Of the score, 0 or more.
    trials
        At most so many, above 0. A variance that looks like nothing gives these.
    """
    pulled = value + (0.5 - value) / (1 + trials)  # or 0 and 1 would have no trials at all
    return wilson_around(value, min(trials, pulled * (1 - pulled) / max(variance, SMALLEST)))


def interval_of_mean(hits: FloatArray, trials: FloatArray) -> tuple[float, float]:
    """Return the 95 % score interval of the mean of K independent proportions.

    It holds the means that a score test does not reject. The test takes the shares that are most
    likely among those of such a mean: Martín Andrés, Álvarez Hernández and Herranz Tejedor,
    "Inferences about a linear combination of proportions", 2011. Of one proportion it is Wilson's.
    A share of few trials hides the 1/n-th part of its variance; that part is taken to be what the
    mean of all would have. Where many proportions have a handful of trials each, the interval is a
    little too wide for it: it then holds the truth in 96 to 99 % of cases.

    Parameters
    ----------
    hits, trials
        Shape (K,), trials above 0.
    """
    return _lowest_mean(hits, trials), 1 - _lowest_mean(trials - hits, trials)


def _lowest_mean(hits: FloatArray, trials: FloatArray) -> float:
    shares, count = hits / trials, len(trials)
    shift, end = -WIDE, float(np.log(trials.max())) + WIDE
    for _ in range(STEPS):
        middle = (shift + end) / 2
        pulled = _pull(shares, trials, float(np.exp(middle)))
        mean = pulled.mean()
        own = float((pulled * (1 - pulled) / trials).sum())
        hidden = (1 - 1 / count) * mean * (1 - mean) * float((1 / trials**2).sum())
        # with nothing to vary, a distance that is a rounding must not count as one
        variance = (own + hidden) / count**2 + SMALLEST
        is_far = (shares.mean() - mean) ** 2 > CONFIDENCE_Z**2 * variance
        shift, end = (shift, middle) if is_far else (middle, end)
    return float(_pull(shares, trials, float(np.exp(end))).mean())


def _pull(shares: FloatArray, trials: FloatArray, weight: float) -> FloatArray:
    """Return the most likely shares of a lower mean: the roots of n (p - q) = weight q (1 - q)."""
    both = trials + weight
    root = np.sqrt(np.maximum(both**2 - 4 * weight * trials * shares, 0))
    return np.asarray(2 * trials * shares / (both + root), np.float64)
