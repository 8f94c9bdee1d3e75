"""Whether test texts are drawn as the training texts were: lengths, words, labels, and all at once.

Each difference is an effect size, beside what it would be by chance: the same measure with the
texts of both splits shuffled. A plain p-value would call any difference significant in large data,
and distances of distributions are above zero in any finite sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.two_samples import tell_apart
from nbutils.analysis.words import WordCounts, count_words, joined_texts
from nbutils.data.sampling import bounded_sample
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import flatten_labels
from nbutils.metrics import Score

FEWEST = 20  # texts of each split
MOST_ROWS = 10_000  # of each split; more are sampled
MOST_CHARACTERS = 10_000_000
SHUFFLES = 199
CHANCE = 0.05  # of any of the four differences being told where there is none
FREQUENT = 2000  # words whose shares are compared one by one; the others count as one
WORDS_SHOWN = 10  # of each split
LARGE_AUC = 0.6  # whose interval lies above this: worth doing something about

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Shift(Described):
    """Differences between training and test texts.

    Attributes
    ----------
    effects
        Four rows, `of, measure, value, chance, p, beyond`: an effect size, 0 for none; the value
        that shuffled texts exceed in 5 % of cases; how often they reach it; and whether it is
        beyond chance after correction for four.
    words
        Words of which the share of texts that have them differs beyond chance: `word, train, test,
        q`, the most telling first, those of either split.
    sides
        A row for each split: `split, texts, median_words, new_words` (share of its words, repeated
        ones included, that no training text has), with `sampled` texts.
    auc
        Of a classifier that tells test texts from training texts, on texts that it was not trained
        on: 0.5 is guessing.
    """

    effects: pd.DataFrame
    words: pd.DataFrame
    sides: pd.DataFrame
    auc: Score

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        return {
            "auc": self.auc.as_dict(),
            "effects": self.effects.to_dict("records"),
            "words": self.words.to_dict("records"),
            "splits": self.sides.to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Return what to do where the test texts are of another kind; not what it is worth."""
        if self.auc.low <= LARGE_AUC:
            return []
        test = self.words[self.words["test"] > self.words["train"]]["word"].head(5)
        like = f" (with words such as {', '.join(test)})" if len(test) else ""
        return [
            Advice(
                f"Add training texts that are like the test texts{like}.",
                "A classifier tells test texts from training texts with an AUC of "
                f"{self.auc.value:.2f} (95 % interval {self.auc.low:.2f} to {self.auc.high:.2f}); "
                "0.5 would be guessing.",
                None,
                "shift",
            )
        ]


def find_shift(train: pd.DataFrame, test: pd.DataFrame, *, seed: int = 0) -> Shift:
    """Compare training and test texts.

    Parameters
    ----------
    train, test
        `text[, text_pair], label`: ids, or sets of them.
    seed
        Of the samples, the shuffles and the folds.

    Raises
    ------
    NotApplicableError
        A split has too few texts.
    """
    if min(len(train), len(test)) < FEWEST:
        raise NotApplicableError(
            f"expected at least {FEWEST} training and {FEWEST} test texts to compare, found "
            f"{len(train)} and {len(test)}"
        )
    bounds = {"most_rows": MOST_ROWS, "most_characters": MOST_CHARACTERS}
    parts = [bounded_sample(part, **bounds) for part in (train, test)]
    both = pd.concat(parts, ignore_index=True)
    is_test = np.repeat([False, True], [len(part) for part in parts])
    words = count_words(joined_texts(both))
    return Shift(
        effects=_measure(words, both["label"], is_test, seed=seed),
        words=_telling_words(words, is_test),
        sides=_describe_sides(words, is_test, [len(train), len(test)]),
        auc=tell_apart(words, is_test, seed=seed),
    )


def _measure(words: WordCounts, labels: pd.Series[Any], is_test: BoolArray, *, seed: int) -> Any:
    """Return the effect sizes, and what they are with the texts shuffled."""
    random = np.random.default_rng(seed)
    shuffled = [random.permutation(is_test) for _ in range(SHUFFLES)]
    sides = np.stack([is_test, *shuffled], axis=1).astype(np.float32)
    lengths = np.log1p(words.sizes)
    counted, labelled = _most_frequent(words), _label_counts(labels)
    measured = [
        ("text length", "Cohen's d of the log", np.abs(cohens_d(lengths, sides))),
        ("text length", "Kolmogorov-Smirnov distance", ks_distance(words.sizes, sides)),
        ("words", "Jensen-Shannon distance", _by_side(js_distance, counted, sides)),
        ("labels", "Cramér's V", _by_side(cramers_v, labelled, sides)),
    ]
    rows = []
    for of, measure, values in measured:
        p = float((values >= values[0] - 1e-12).mean())
        chance = float(np.quantile(values[1:], 0.95))
        beyond = bool(p <= CHANCE / len(measured))
        rows.append((of, measure, float(values[0]), chance, p, beyond))
    return pd.DataFrame(rows, columns=["of", "measure", "value", "chance", "p", "beyond"])


def cohens_d(values: FloatArray, sides: NDArray[np.float32]) -> FloatArray:
    """Return Cohen's d of test over training values, for each way to split them.

    Cohen, "Statistical power analysis for the behavioral sciences", 1988: a difference of means
    over the common standard deviation; 0.2 is small, 0.8 large.

    Parameters
    ----------
    values
        Of shape (N,).
    sides
        Of shape (N, B): 1 for a test text, 0 for a training text.
    """
    n = sides.sum(axis=0, dtype=np.float64)
    means, squares = (
        np.stack([powers @ sides / n, powers @ (1 - sides) / (len(values) - n)])
        for powers in (values, values**2)
    )
    spreads = squares - means**2
    pooled = (spreads[0] * n + spreads[1] * (len(values) - n)) / max(len(values) - 2, 1)
    return np.asarray((means[0] - means[1]) / np.sqrt(np.maximum(pooled, 1e-12)), np.float64)


def ks_distance(values: NDArray[Any], sides: NDArray[np.float32]) -> FloatArray:
    """Return the largest gap of the two cumulative shares, in [0, 1], for each way to split.

    Parameters
    ----------
    values, sides
        As for `cohens_d`.
    """
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)  # of equal values
    test, train = sides[order], 1 - sides[order]
    gaps = [np.cumsum(side, axis=0)[last] / side.sum(axis=0) for side in (test, train)]
    return np.asarray(np.abs(gaps[0] - gaps[1]).max(axis=0), np.float64)


def js_distance(test: FloatArray, train: FloatArray) -> FloatArray:
    """Return the Jensen-Shannon distance of shares, in [0, 1]: 0 for equal ones.

    Endres and Schindelin, "A new metric for probability distributions", 2003; in bits.

    Parameters
    ----------
    test, train
        Counts of shape (C, B); shares are of their columns.
    """
    one, other = (side / np.maximum(side.sum(axis=0), 1) for side in (test, train))
    middle = (one + other) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = [np.nansum(side * np.log2(side / middle), axis=0) for side in (one, other)]
    return np.asarray(np.sqrt(np.clip((bits[0] + bits[1]) / 2, 0, 1)), np.float64)


def cramers_v(test: FloatArray, train: FloatArray) -> FloatArray:
    """Return Cramér's V of split and category, in [0, 1]: 0 for equal shares.

    Cramér, "Mathematical methods of statistics", 1946, section 21.9; of a table of two columns.

    Parameters
    ----------
    test, train
        As for `js_distance`.
    """
    total = test + train
    n = np.maximum(total.sum(axis=0), 1)
    squares = 0.0
    for side in (test, train):
        expected = total * side.sum(axis=0) / n
        squares = squares + ((side - expected) ** 2 / np.maximum(expected, 1e-12)).sum(axis=0)
    return np.asarray(np.sqrt(squares / n), np.float64)


def _by_side(
    measure: Callable[[FloatArray, FloatArray], FloatArray], counts: Any, sides: NDArray[np.float32]
) -> FloatArray:
    test = np.asarray(counts.T @ sides, np.float64)
    return measure(test, np.asarray(counts.sum(axis=0), np.float64).reshape(-1, 1) - test)


def _most_frequent(words: WordCounts) -> Any:
    """Return how often each text has each frequent word, and any of the others together."""
    from scipy.sparse import csr_matrix, hstack

    chosen = np.argsort(-words.texts_with, kind="stable")[:FREQUENT]
    counts = words.counts[:, chosen].astype(np.float32)
    others = words.sizes - np.asarray(counts.sum(axis=1)).ravel()
    return hstack([counts, csr_matrix(others.reshape(-1, 1), dtype=np.float32)], format="csr")


def _label_counts(labels: pd.Series[Any]) -> Any:
    from scipy.sparse import csr_matrix

    rows, ids = flatten_labels(labels)
    shape = (len(labels), int(ids.max(initial=0)) + 1)
    return csr_matrix((np.ones(len(rows), np.float32), (rows, ids)), shape=shape)


def _telling_words(words: WordCounts, is_test: BoolArray) -> pd.DataFrame:
    """Return the words of which the share of texts that have them differs beyond chance.

    A test of two proportions for each word, over texts and not over words, as the words of one text
    are not drawn alone; corrected as by Benjamini and Hochberg (1995).
    """
    from scipy.stats import false_discovery_control, norm

    n, n_test = len(is_test), int(is_test.sum())
    chosen = words.frequent(least=min(0.005, 5 / n), most=1.0, words=5 * FREQUENT)
    chosen = chosen[words.texts_with[chosen] < n]
    with_it = words.texts_with[chosen]
    in_test = np.asarray(words.present[is_test][:, chosen].sum(axis=0), np.float64).ravel()
    test, train = in_test / n_test, (with_it - in_test) / (n - n_test)
    share = with_it / n
    z = (test - train) / np.sqrt(share * (1 - share) * (1 / n_test + 1 / (n - n_test)))
    p = np.minimum(2 * norm.sf(np.abs(z)), 1.0)
    q = false_discovery_control(p) if len(p) else p
    names = words.vocabulary[chosen]
    table = pd.DataFrame({"word": names, "train": train, "test": test, "q": q})
    table = table.iloc[np.argsort(-np.abs(z), kind="stable")]
    table = table[table["q"] <= CHANCE]
    more = (table["test"] > table["train"]).to_numpy()
    told = [table[more].head(WORDS_SHOWN), table[~more].head(WORDS_SHOWN)]
    return pd.concat(told, ignore_index=True)


def _describe_sides(words: WordCounts, is_test: BoolArray, whole: Sequence[int]) -> pd.DataFrame:
    known = words.present[~is_test].sum(axis=0).A1 > 0
    rows = []
    for split, inside, n in (("train", ~is_test, whole[0]), ("test", is_test, whole[1])):
        counts = np.asarray(words.counts[inside].sum(axis=0)).ravel()
        new = float(counts[~known].sum() / max(counts.sum(), 1))
        median = float(np.median(words.sizes[inside]))
        rows.append((split, int(n), int(inside.sum()), median, new))
    return pd.DataFrame(rows, columns=["split", "texts", "sampled", "median_words", "new_words"])
