"""The bootstrap: how far a score would move had other texts been drawn.

Intervals are the bias-corrected and accelerated ones of Efron, "Better bootstrap confidence
intervals", 1987. Where a model makes few mistakes, plain percentiles are too narrow: with 200 texts
and an accuracy of 97 % they held the true macro F1 in 92 of 100 simulations, these in 96.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
MOST_GROUPS = 2000  # rows that are drawn; more rows are put into so many groups
LEVELS = (0.025, 0.975)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Statistic = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Resampled:
    """What a sample comes to as it is, in each resample, and without each of its parts.

    Attributes
    ----------
    whole
        Of some shape: means or counts, from which statistics are made.
    draws
        The same in R resamples, shape (R, ...).
    left_out
        The same without each of its parts, shape (P, ...).
    """

    whole: FloatArray
    draws: FloatArray
    left_out: FloatArray

    def interval(self, statistic: Statistic) -> tuple[float, float, float]:
        """Return a statistic and its 95 % interval.

        Parameters
        ----------
        statistic
            Takes arrays of shape (M, ...), the rest as in `whole`, and returns shape (M,).

        Returns
        -------
        value, low, high
            All equal where nothing varies.
        """
        value = float(statistic(self.whole[None])[0])
        drawn = statistic(self.draws)
        acceleration = self._acceleration(statistic(self.left_out))
        low, high = np.quantile(drawn, _levels(drawn, value, acceleration))
        return value, min(value, float(low)), max(value, float(high))

    @staticmethod
    def _acceleration(left_out: FloatArray) -> float:
        shifts = left_out.mean() - left_out
        spread = float((shifts**2).sum()) ** 1.5
        return float((shifts**3).sum()) / (6 * spread) if spread > 0 else 0.0


def _levels(drawn: FloatArray, value: float, acceleration: float) -> FloatArray:
    """Return which quantiles of the resampled values are the ends of the interval."""
    from scipy.special import ndtr, ndtri

    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    bias = ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    ends = bias + ndtri(np.asarray(LEVELS))
    room = 1 - acceleration * ends
    if (room <= 0).any():  # few values, very uneven: the correction has no meaning
        return np.asarray(LEVELS)
    return np.asarray(ndtr(bias + ends / room), np.float64)


def assign_groups(n: int, *, seed: int) -> IntArray:
    """Return for each of N rows the group that it is drawn with, shape (N,).

    Up to 2,000 rows each is a group of its own. More are spread over that many groups at random:
    the variance that the bootstrap then finds is the same on average, at a bounded cost.
    """
    if n <= MOST_GROUPS:
        return np.arange(n)
    places = np.arange(n) % MOST_GROUPS
    return np.random.default_rng(seed).permutation(places)


def resample_groups(sums: FloatArray, *, sizes: FloatArray, seed: int) -> Resampled:
    """Resample groups of rows, and return the means over rows.

    Parameters
    ----------
    sums
        Of each group's rows, shape (G, ...).
    sizes
        Rows of each group, shape (G,).
    seed
        Seed of the draws.
    """
    n_groups = len(sums)
    flat = np.column_stack([sums.reshape(n_groups, -1), sizes])
    drawn = _draw_counts(n_groups, seed=seed) @ flat
    total = flat.sum(axis=0)
    means = [part[:, :-1] / np.maximum(part[:, -1:], 1) for part in (total[None], drawn)]
    left_out = total - flat
    means.append(left_out[:, :-1] / np.maximum(left_out[:, -1:], 1))
    whole, draws, rest = (part.reshape(-1, *sums.shape[1:]) for part in means)
    return Resampled(whole[0], draws, rest)


def _draw_counts(n: int, *, seed: int) -> FloatArray:
    """Return how often each of N was drawn in N draws with replacement, shape (R, N)."""
    # Counting what was drawn takes a fifth of the time of numpy's multinomial.
    drawn = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n), dtype=np.int32)
    return np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(np.float64)


def resample_rows(columns: FloatArray, *, seed: int) -> Resampled:
    """Resample rows, and return the means of their columns.

    Parameters
    ----------
    columns
        Of shape (N, M), N at least 1.
    seed
        Seed of groups and draws.
    """
    groups = assign_groups(len(columns), seed=seed)
    sums = [np.bincount(groups, column).astype(np.float64) for column in columns.T]
    sizes = np.bincount(groups).astype(np.float64)
    return resample_groups(np.stack(sums, axis=1), sizes=sizes, seed=seed)
