"""Scores of a classifier that gives each text any number of labels, each with a 95 % interval.

Labels and predictions are indicator matrices (N, K). Intervals come from the bootstrap over texts,
the unit that was drawn; that of the subset accuracy, a proportion, is Wilson's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.label_sets import BoolArray, IntArray
from nbutils.metrics import (
    RESAMPLES,
    PairedDifference,
    Score,
    proportion,
    tabulate_classes,
    wilson_interval,
)

FEWEST_RESAMPLES = 200
MOST_WORK = 100_000_000  # texts times labels times resamples: some seconds
PART = 50  # resamples in memory at a time

FloatArray = NDArray[np.float64]


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
        Seed of the bootstrap; where N times K is large it has fewer resamples, 200 at least.

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
    hits = int((labels == predicted).all(axis=1).sum())
    found = {"accuracy": proportion(hits, n)}
    judged = _Judged.of(labels, predicted, pred_probs)
    values = judged.scores(np.ones((1, n)))
    resampled: dict[str, list[FloatArray]] = {name: [] for name in values}
    for weights in _resample(n, work=labels.size, seed=seed):
        for name, part in judged.scores(weights).items():
            resampled[name].append(part)
    for name, value in values.items():
        found[name] = _score(float(value[0]), np.concatenate(resampled[name]), n)
    return found


def _score(value: float, resampled: FloatArray, n: int) -> Score:
    low, high = np.quantile(resampled, [0.025, 0.975])
    if low == high == value and value in {0.0, 1.0}:  # equals vary in no resample
        low, high = wilson_interval(round(value * n), n)
    return Score(value, float(low), float(high), n)


def _resample(n: int, *, work: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each of N texts was drawn, in parts of shape (R, N)."""
    random = np.random.default_rng(seed)
    left = int(np.clip(MOST_WORK // max(1, work), FEWEST_RESAMPLES, RESAMPLES)) if n else 1
    while left > 0:
        size = min(PART, left)
        yield random.multinomial(n, np.full(n, 1 / max(1, n)), size=size).astype(np.float64)
        left -= size


@dataclass(frozen=True)
class _Judged:
    """What the scores of every resample are made from, so that it is computed once."""

    hits: FloatArray  # (N, K), as are the labels, of texts that are both or either
    total: FloatArray
    ranking: FloatArray  # (N,)
    wrong: FloatArray  # (N,)
    columns: list[_Ranked]  # K

    @classmethod
    def of(cls, labels: BoolArray, predicted: BoolArray, pred_probs: FloatArray) -> _Judged:
        return cls(
            hits=(labels & predicted).astype(np.float64),
            total=labels.astype(np.float64) + predicted.astype(np.float64),
            ranking=rank_labels(labels, pred_probs),
            wrong=(labels != predicted).mean(axis=1) if labels.size else np.zeros(len(labels)),
            columns=[
                _Ranked.of(own, scores) for own, scores in zip(labels.T, pred_probs.T, strict=True)
            ],
        )

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return each score of R weighted samples, shape (R,), given weights (R, N)."""
        hits, total = weights @ self.hits, weights @ self.total
        texts = np.maximum(weights.sum(axis=1), 1)
        precisions = np.stack([column.precision(weights) for column in self.columns], axis=1)
        return {
            "micro_f1": 2 * hits.sum(1) / np.maximum(total.sum(1), 1),
            "macro_f1": _mean_where(2 * hits / np.maximum(total, 1), total > 0),
            "label_ranking_average_precision": weights @ self.ranking / texts,
            "mean_average_precision": _mean_where(np.nan_to_num(precisions), ~np.isnan(precisions)),
            "hamming_loss": weights @ self.wrong / texts,
        }


@dataclass(frozen=True)
class _Ranked:
    """One label's N texts from the most to the least probable one, and where ties end."""

    order: IntArray
    ends: IntArray
    positives: IntArray  # places in that order

    @classmethod
    def of(cls, labels: BoolArray, pred_probs: FloatArray) -> _Ranked:
        order = np.argsort(-pred_probs, kind="stable")
        last = np.append(np.diff(pred_probs[order]) != 0, True)[: len(labels)]
        return cls(order, np.flatnonzero(last), np.flatnonzero(labels[order]))

    def precision(self, weights: FloatArray) -> FloatArray:
        """Return the average precision of R weighted samples; see `average_precision`."""
        # Recall grows at the texts that have the label alone; each counts with the precision at
        # the end of its tie.
        end = self.ends[np.searchsorted(self.ends, self.positives)]
        taken = np.cumsum(weights[:, self.order], axis=1)[:, end]
        gains = weights[:, self.order[self.positives]]
        hits = np.cumsum(gains, axis=1)
        hits = hits[:, np.searchsorted(end, end, side="right") - 1]
        found = (gains * hits / np.maximum(taken, 1)).sum(1)
        count = gains.sum(1)
        return np.where(count > 0, found / np.maximum(count, 1), np.nan)


def _mean_where(values: FloatArray, counted: BoolArray) -> FloatArray:
    return np.asarray((values * counted).sum(1) / np.maximum(counted.sum(1), 1), np.float64)


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


def average_precision(
    labels: BoolArray, pred_probs: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Return the average precision of one label in R weighted samples, shape (R,).

    The mean precision over thresholds, weighted by the gain in recall; texts of equal probability
    are taken together. NaN where a sample has no text with the label.

    Parameters
    ----------
    labels, pred_probs
        Of shape (N,).
    weights
        How often each text counts, shape (R, N); none: once.
    """
    counted = np.ones((1, len(labels))) if weights is None else weights
    return _Ranked.of(labels, pred_probs).precision(counted)


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
    counts = np.stack(
        [(labels & first).sum(1), (labels & second).sum(1), labels.sum(1), first.sum(1),
         second.sum(1)], axis=1,
    ).astype(np.float64)  # fmt: skip
    value = float(_gain(np.ones((1, len(labels))) @ counts)[0])
    gains = np.concatenate(
        [_gain(weights @ counts) for weights in _resample(len(labels), work=counts.size, seed=seed)]
    )
    low, high = np.quantile(gains, [0.025, 0.975])
    other = min((gains <= 0).mean(), (gains >= 0).mean())
    p_value = float(min(1.0, max(2 * other, 1 / len(gains))))
    return PairedDifference(value, float(low), float(high), p_value, len(labels))


def _gain(sums: FloatArray) -> FloatArray:
    first_hits, second_hits, true, first_given, second_given = sums.T
    first = 2 * first_hits / np.maximum(true + first_given, 1)
    second = 2 * second_hits / np.maximum(true + second_given, 1)
    return np.asarray(first - second, np.float64)
