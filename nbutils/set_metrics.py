"""Scores of a classifier that gives each text any number of labels, each with a 95 % interval.

Labels and predictions are indicator matrices (N, K). Intervals come from the bootstrap over texts,
the unit that was drawn; that of the subset accuracy, a proportion, is Wilson's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.agreement import macro_f1, micro_f1
from nbutils.bootstrap import (
    Resampled,
    Statistic,
    assign_groups,
    resample_groups,
    resample_rows,
)
from nbutils.label_sets import BoolArray
from nbutils.metrics import Score, proportion, tabulate_classes, wilson_interval
from nbutils.paired import PairedDifference
from nbutils.ranking import rank_classes

FloatArray = NDArray[np.float64]
FROM_SETS = ("accuracy", "micro_f1", "macro_f1")
FROM_PROBABILITIES = ("label_ranking_average_precision", "mean_average_precision")


def score_label_sets(
    labels: BoolArray, predicted: BoolArray, pred_probs: FloatArray, *, seed: int = 0
) -> dict[str, Score]:
    """Return the scores of predicted label sets and of the probabilities behind them.

    Parameters
    ----------
    labels, predicted
        Whether text i has label k, and whether it was given it, shape (N, K).
    pred_probs
        Probability of each label, shape (N, K).
    seed
        Seed of the bootstrap.

    Returns
    -------
    dict
        `accuracy`: subset accuracy, the share of texts whose set of labels is right as a whole.
        `micro_f1` over all pairs of text and label, `macro_f1` the mean over labels that occur,
        `label_ranking_average_precision` and `mean_average_precision` (of the probabilities, over
        texts and over labels); 1 is best. `hamming_loss`: the share of pairs that is wrong; 0 is
        best.
    """
    n = len(labels)
    if not n:
        names = (*FROM_SETS, *FROM_PROBABILITIES, "hamming_loss")
        return dict.fromkeys(names, proportion(0, 0))
    by_text = np.stack([rank_labels(labels, pred_probs), (labels != predicted).mean(1)], axis=1)
    rows = resample_rows(by_text, seed=seed)
    numbered = [str(k) for k in range(labels.shape[1])]
    ranked = rank_classes(labels, pred_probs, label_names=numbered).macro
    return {
        **score_given_sets(labels, predicted, seed=seed),
        "label_ranking_average_precision": _score(rows, lambda means: means[:, 0], n),
        "mean_average_precision": ranked.get("average_precision", proportion(0, n)),
        "hamming_loss": _score(rows, lambda means: means[:, 1], n),
    }


def score_given_sets(labels: BoolArray, given: BoolArray, *, seed: int = 0) -> dict[str, Score]:
    """Return the scores of label sets that come without probabilities.

    Parameters
    ----------
    labels, given
        Whether text i has label k, and whether it was given it, shape (N, K), N at least 1.
    seed
        Seed of the bootstrap.

    Returns
    -------
    dict
        `accuracy, micro_f1, macro_f1`, as for `score_label_sets`.
    """
    resampled, n = _resample_margins(labels, given, seed=seed), len(labels)
    return {
        "accuracy": proportion(int((labels == given).all(1).sum()), n),
        "micro_f1": _score(resampled, lambda margins: micro_f1(margins[:, 0]), n),
        "macro_f1": _score(resampled, lambda margins: macro_f1(margins[:, 0]), n),
    }


def _score(resampled: Resampled, statistic: Statistic, n: int) -> Score:
    value, low, high = resampled.interval(statistic)
    if low == high and value in {0.0, 1.0}:  # equals vary in no resample
        low, high = wilson_interval(round(value * n), n)
    return Score(value, low, high, n)


def _resample_margins(labels: BoolArray, *given: BoolArray, seed: int) -> Resampled:
    """Return the margins (P, 3, K) of P predictions and of their resamples; see `agreement`."""
    groups = assign_groups(len(labels), seed=seed)
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    starts = np.append(0, np.cumsum(sizes)[:-1])
    sums = [
        [np.add.reduceat(counted[order], starts, axis=0, dtype=np.float64) for counted in each]
        for each in ((labels & guess, labels, guess) for guess in given)
    ]
    return resample_groups(
        np.moveaxis(np.asarray(sums), 2, 0), sizes=sizes.astype(np.float64), seed=seed
    )


def rank_labels(labels: BoolArray, pred_probs: FloatArray) -> FloatArray:
    """Return the ranking precision of each text, shape (N,), in (0, 1]: 1, its labels lead.

    For each label that a text has: of the labels with at least its probability, the share that the
    text has too; the mean over its labels (Tsoumakas, Katakis and Vlahavas, "Mining multi-label
    data", 2010). A text with no label, or with all, scores 1.
    """
    sums = np.zeros(len(labels))
    for k in range(labels.shape[1]):
        before = pred_probs >= pred_probs[:, k : k + 1]
        share = (before & labels).sum(1) / np.maximum(before.sum(1), 1)
        sums += np.where(labels[:, k], share, 0)
    count = labels.sum(1)
    return np.where(count == 0, 1.0, sums / np.maximum(count, 1))


def score_labels(
    labels: BoolArray, predicted: BoolArray, *, label_names: Sequence[str]
) -> pd.DataFrame:
    """Return precision, recall and F1 of each label, as `score_classes` does of each class."""
    return tabulate_classes(
        (labels & predicted).sum(0), given=predicted.sum(0), true=labels.sum(0), names=label_names
    )


def compare_micro_f1(
    labels: BoolArray, first: BoolArray, second: BoolArray, *, seed: int = 0
) -> PairedDifference:
    """Compare the micro F1 of two classifiers on the same texts, by the paired bootstrap.

    Parameters
    ----------
    labels, first, second
        True labels and the two predictions, shape (N, K).
    seed
        Seed of the bootstrap.

    Returns
    -------
    PairedDifference
        Micro F1 of `first` minus that of `second`. The p value is twice the share of resamples on
        the other side of no difference (Efron and Tibshirani, 1993, chapter 15).
    """
    resampled = _resample_margins(labels, first, second, seed=seed)
    value, low, high = resampled.interval(_micro_f1_gain)
    drawn = _micro_f1_gain(resampled.draws)
    other = float(min((drawn <= 0).mean(), (drawn >= 0).mean()))
    p_value = min(1.0, max(2 * other, 1 / len(drawn)))
    return PairedDifference(value, low, high, p_value, len(labels))


def _micro_f1_gain(margins: FloatArray) -> FloatArray:
    return micro_f1(margins[:, 0]) - micro_f1(margins[:, 1])
