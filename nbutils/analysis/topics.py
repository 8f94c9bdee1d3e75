"""Texts sorted into topics by their words, each named by the words that set it apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.words import WordCounts

TERMS = 1000  # words that count, the most frequent
SHARES = (0.002, 0.5)  # of the texts that have such a word: neither names nor function words
FITTED = 10_000  # texts that the topics are found in; the others are sorted into them
DIMENSIONS = 30
TEXTS_PER_TOPIC = 60
FEWEST_TERMS = 20
MOST_TOPICS = 12
NAMING = 3  # words


@dataclass(frozen=True)
class Topics:
    """Topics of N texts: `topic` of shape (N,) in [0, T), and T `names`."""

    topic: NDArray[np.int64]
    names: tuple[str, ...]


def find_topics(words: WordCounts, *, seed: int) -> Topics | None:
    """Sort texts into topics: K-means on TF-IDF reduced by a singular value decomposition.

    As Deerwester et al. reduce it ("Indexing by latent semantic analysis", 1990): texts meet by
    words that occur together, not by the very same words alone.

    Parameters
    ----------
    words
        Of N texts.
    seed
        Of the decomposition and of the first centres.

    Returns
    -------
    Topics or None
        At most 12; None where there are too few texts or words to tell any apart.
    """
    terms = words.frequent(least=SHARES[0], most=SHARES[1], words=TERMS)
    number = min(MOST_TOPICS, words.counts.shape[0] // TEXTS_PER_TOPIC)
    if len(terms) < FEWEST_TERMS or number < 2:
        return None
    features = _weigh(words.counts[:, terms])
    topic = _cluster(features, number, seed)
    names = [_name(features, topic == k, words.vocabulary[terms]) for k in range(number)]
    return Topics(topic, tuple(names))


def _weigh(counts: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfTransformer

    return TfidfTransformer(sublinear_tf=True).fit_transform(counts.astype(np.float32))


def _cluster(features: Any, number: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    n, terms = features.shape
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:FITTED])
    reduce = TruncatedSVD(min(DIMENSIONS, terms - 1), random_state=seed).fit(features[chosen])
    placed = normalize(reduce.transform(features))
    model = MiniBatchKMeans(number, n_init=3, batch_size=1024, random_state=seed)
    return np.asarray(model.fit(placed[chosen]).predict(placed), np.int64)


def _name(features: Any, inside: NDArray[np.bool_], terms: Any) -> str:
    if not inside.any():
        return "(none)"
    apart = np.asarray(features[inside].mean(axis=0) - features.mean(axis=0)).ravel()
    return ", ".join(terms[np.argsort(-apart, kind="stable")[:NAMING]])
