"""How many labels are wrong, and which, from the probabilities of a model that has not seen them.

Confident learning (Northcutt, Jiang and Chuang, 2021), as cleanlab computes it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbutils.described import Described
from nbutils.label_sets import BoolArray, IntArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LabelNoise(Described):
    """Wrong labels among N, one per text, of K classes.

    Attributes
    ----------
    flagged
        Which labels are taken for wrong, shape (N,).
    joint
        How many labels are given as the row's class and estimated to be the column's, shape
        (K, K); sums to N.
    confident
        How many texts the estimate rests on: those that reach the threshold of some class, which
        is the mean probability that the texts of the class give it.
    """

    flagged: BoolArray
    joint: IntArray
    confident: int

    @property
    def wrong(self) -> int:
        """How many labels are estimated to be wrong."""
        return int(self.joint.sum() - np.trace(self.joint))


def estimate_noise(labels: IntArray, pred_probs: FloatArray) -> LabelNoise:
    """Estimate which labels are wrong, and how many of each class are truly of which other.

    Parameters
    ----------
    labels
        N ids in [0, K), of at least two classes.
    pred_probs
        Shape (N, K), rows that sum to 1: out of sample, from a model that was not trained on
        these texts.

    Returns
    -------
    LabelNoise
        What `cleanlab.filter.find_label_issues` flags by its default, pruning by noise rate, and
        the calibrated confident joint that it does so by. A class of one text has none flagged.
    """
    from cleanlab.count import calibrate_confident_joint, compute_confident_joint
    from cleanlab.filter import find_label_issues

    counted = compute_confident_joint(labels, pred_probs, calibrate=False)
    joint = calibrate_confident_joint(counted, labels)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues in class")
        # One process: it takes under a second for 100,000 texts, and a kernel must not be forked.
        flagged = find_label_issues(labels, pred_probs, confident_joint=joint, n_jobs=1)
    confident = min(int(counted.sum()), len(labels))
    return LabelNoise(flagged, joint.astype(np.int64), confident)
