"""Classes that are rare in training and found less often than the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice

LEVEL = 0.05  # chance that any class is named where all are found equally often
RARE = 2 / 3  # of the median class's training texts
MOST = 3


@dataclass(frozen=True)
class WeakClass:
    """A class that more training texts might help.

    Attributes
    ----------
    label
        Its name.
    in_training, typical
        Its training texts, and those of the median class.
    recall, of_others
        Share of its test texts that were found, and of all other test texts that were right.
    gain
        What accuracy would gain, were its recall that of the others.
    """

    label: str
    in_training: int
    typical: int
    recall: float
    of_others: float
    gain: float

    def advice(self) -> Advice:
        """Return what to collect."""
        return Advice(
            f"Add training texts of {self.label}: it has {self.in_training:,}, the median class "
            f"{self.typical:,}.",
            f"Of its test texts {self.recall:.1%} are found, of all others {self.of_others:.1%}. "
            "The gain is what accuracy would rise by, were they found as often.",
            self.gain,
            "scores",
        )


def find_weak_classes(
    classes: pd.DataFrame, *, in_training: NDArray[np.integer[Any]]
) -> tuple[WeakClass, ...]:
    """Return the classes with few training texts and a recall below the others'.

    Fisher's exact test, one-sided, of each class against the rest, with Bonferroni's correction for
    the number of classes that were tested.

    Parameters
    ----------
    classes
        `label, support, recall`, a row per class in the order of ids.
    in_training
        Training texts of each class, shape (K,).

    Returns
    -------
    tuple of WeakClass
        At most three, those worth most first.
    """
    from scipy.stats import hypergeom

    support = classes["support"].to_numpy(np.int64)
    hits = np.rint(classes["recall"].to_numpy(np.float64) * support).astype(np.int64)
    n, right, typical = int(support.sum()), int(hits.sum()), int(np.median(in_training))
    tested = np.flatnonzero((support > 0) & (in_training <= RARE * typical))
    p_values = hypergeom.cdf(hits[tested], n, right, support[tested])
    named = tested[p_values * max(1, len(tested)) < LEVEL]
    weak = [
        WeakClass(
            label=str(classes["label"].iloc[k]),
            in_training=int(in_training[k]),
            typical=typical,
            recall=float(hits[k] / support[k]),
            of_others=float((right - hits[k]) / (n - support[k])),
            # its texts, found as often as the others
            gain=float((right - hits[k]) / (n - support[k]) * support[k] - hits[k]) / n,
        )
        for k in named
    ]
    return tuple(sorted(weak, key=lambda found: -found.gain)[:MOST])
