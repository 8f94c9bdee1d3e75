"""Two classifiers on the same examples: how much better one is, and with what certainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbutils.agreement import macro_f1
from nbutils.bootstrap import assign_groups, resample_groups
from nbutils.described import Described
from nbutils.intervals import CONFIDENCE_Z

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PairedDifference(Described):
    """How much more accurate one classifier is than another on the same N examples.

    `value` is in [-1, 1] with a 95 % interval; `p_value` is McNemar's, exact.
    """

    value: float
    low: float
    high: float
    p_value: float
    n: int

    _title = "Difference on the same examples"

    def _facts(self) -> dict[str, Any]:
        return {
            "first minus second": f"{100 * self.value:+.1f} points",
            "95 % interval": f"{100 * self.low:+.1f} to {100 * self.high:+.1f}",
            "p value": f"{self.p_value:.2g}",
            "examples": self.n,
            "reading": self._reading(),
        }

    def _reading(self) -> str:
        if self.low > 0:
            return "the first is better, beyond chance"
        if self.high < 0:
            return "the second is better, beyond chance"
        return "no difference beyond chance"


def compare_paired(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare the accuracy of two classifiers on the same examples.

    The interval is that of Agresti and Min, "Simple improved confidence intervals for comparing
    matched proportions", 2005; the test is McNemar's (1947) in its exact form.

    Parameters
    ----------
    labels, first, second
        True labels and the two predictions, shape (N,).

    Returns
    -------
    PairedDifference
        Accuracy of `first` minus that of `second`.
    """
    true = np.asarray(labels)
    right, other = np.asarray(first) == true, np.asarray(second) == true
    gains, losses, n = int((right & ~other).sum()), int((~right & other).sum()), len(true)
    # half an example is added to each of the four cells of the table of pairs
    total, b, c = n + 2, gains + 0.5, losses + 0.5
    centre = (b - c) / total
    half = CONFIDENCE_Z * np.sqrt((b + c) - (b - c) ** 2 / total) / total
    return PairedDifference(
        value=(gains - losses) / n if n else 0.0,
        low=max(-1.0, float(centre - half)),
        high=min(1.0, float(centre + half)),
        p_value=_sign_test(gains, losses),
        n=n,
    )


def compare_macro_f1(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, *, n_classes: int, seed: int = 0
) -> PairedDifference:
    """Compare the macro F1 of two classifiers on the same examples, by the paired bootstrap.

    Parameters
    ----------
    labels, first, second
        True labels and the two predictions, shape (N,), N at least 1.
    n_classes
        K.
    seed
        Seed of the bootstrap.

    Returns
    -------
    PairedDifference
        Macro F1 of `first` minus that of `second`. The p value is twice the share of resamples on
        the other side of no difference (Efron and Tibshirani, 1993, chapter 15).
    """
    true, one, other = (np.asarray(values, np.int64) for values in (labels, first, second))
    groups = assign_groups(len(true), seed=seed)
    sums = np.stack(
        [
            _count_in_groups(ids[kept], groups[kept], shape=(int(groups.max()) + 1, n_classes))
            for guess in (one, other)
            for ids, kept in ((true, true == guess), (true, slice(None)), (guess, slice(None)))
        ],
        axis=1,
    )
    resampled = resample_groups(sums, sizes=np.bincount(groups).astype(np.float64), seed=seed)
    value, low, high = resampled.interval(_macro_f1_gain)
    drawn = _macro_f1_gain(resampled.draws)
    other_side = float(min((drawn <= 0).mean(), (drawn >= 0).mean()))
    p_value = min(1.0, max(2 * other_side, 1 / len(drawn)))
    return PairedDifference(value, low, high, p_value, len(true))


def _count_in_groups(ids: IntArray, groups: IntArray, *, shape: tuple[int, int]) -> FloatArray:
    """Return how often each of K ids is in each of G groups, shape (G, K)."""
    counts = np.bincount(groups * shape[1] + ids, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.float64)


def _macro_f1_gain(margins: FloatArray) -> FloatArray:
    return macro_f1(margins[..., :3, :]) - macro_f1(margins[..., 3:, :])


def _sign_test(gains: int, losses: int) -> float:
    from scipy.stats import binomtest

    discordant = gains + losses
    return float(binomtest(min(gains, losses), discordant).pvalue) if discordant else 1.0
