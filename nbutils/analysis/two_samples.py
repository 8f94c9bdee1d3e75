"""A classifier that is to tell two samples of texts apart; where it cannot, they are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.words import WordCounts
from nbutils.intervals import CONFIDENCE_Z
from nbutils.metrics import Score

MOST_TEXTS = 4000  # of either sample
TERMS = 5000  # words that count, the most frequent
FOLDS = 5
# Where there is nothing to learn, the score of a fold goes with d.D, d the difference of the means
# of both samples in it, D that in the other folds. Every product of two folds' differences is then
# counted twice: the mean over the folds has twice the variance of as many independent scores.
COUNTED_TWICE = 2.0

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def tell_apart(words: WordCounts, second: BoolArray, *, seed: int) -> Score:
    """Return how well a classifier tells the texts of two samples apart.

    The two-sample test of Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017, with
    logistic regression on TF-IDF and the area under the ROC curve in place of accuracy, which does
    not depend on the sizes of the samples. Each text is scored by a model that has not seen it.

    Parameters
    ----------
    words
        Of N texts.
    second
        Whether a text is of the second sample, of shape (N,); at least five of each.
    seed
        Of the sample of many texts, and of the folds.

    Returns
    -------
    Score
        The AUC with its 95 % interval: 0.5 is guessing, 1 tells every pair apart. The interval is
        right for samples that are alike, and somewhat too wide for others.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.model_selection import StratifiedKFold

    random = np.random.default_rng(seed)
    sides = [np.flatnonzero(second == side) for side in (False, True)]
    rows = np.sort(np.concatenate([random.permutation(side)[:MOST_TEXTS] for side in sides]))
    side = second[rows]
    terms = words.frequent(least=0.0, most=1.0, words=TERMS)
    if not len(terms):
        return Score(0.5, 0.0, 1.0, len(rows))
    counts = words.counts[rows][:, terms].astype(np.float64)
    features = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, side)
    found = [auc_with_variance(*_scores(features, side, train, test)) for train, test in folds]
    auc = float(np.mean([value for value, _ in found]))
    variance = COUNTED_TWICE * sum(variance for _, variance in found) / FOLDS**2
    half = float(CONFIDENCE_Z * np.sqrt(variance))
    return Score(auc, max(0.0, auc - half), min(1.0, auc + half), len(rows))


def _scores(
    features: Any, side: BoolArray, train: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return the scores of the held-out texts of the first sample, and of the second."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced", max_iter=200)
    scores = model.fit(features[train], side[train]).decision_function(features[test])
    return scores[~side[test]], scores[side[test]]


def auc_with_variance(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Return the AUC of scores, and its variance.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", 1988, from ranks: Sun and Xu, "Fast implementation of DeLong's
    algorithm", 2014.

    Parameters
    ----------
    first, second
        Scores of the two samples, of shape (N,) and (M,), at least two of each; the second's are to
        be higher.
    """
    from scipy.stats import rankdata

    n, m = len(first), len(second)
    ranks = rankdata(np.concatenate([first, second]))
    below = (ranks[n:] - rankdata(second)) / n  # of the first, for each of the second
    above = 1 - (ranks[:n] - rankdata(first)) / m
    variance = below.var(ddof=1) / m + above.var(ddof=1) / n
    return float(below.mean()), float(variance)
