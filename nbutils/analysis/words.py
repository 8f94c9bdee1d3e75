"""Which words each text has, how often: counted as one table, without a loop over texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.data.shingles import CJK

# RE2's own \w knows ASCII alone. Marks belong to the letter before them (vowel signs of Hindi).
BETWEEN_WORDS = r"[^\p{L}\p{N}\p{M}_'\x{2019}]+"
EDGES = "_'\u2019"
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class WordCounts:
    """The words of N texts, in lower case.

    Attributes
    ----------
    counts
        Sparse, of shape (N, V): how often text i has word j.
    vocabulary
        V words.
    """

    counts: Any
    vocabulary: pd.Index[str]

    @cached_property
    def sizes(self) -> IntArray:
        """Words per text, of shape (N,)."""
        return np.asarray(self.counts.sum(axis=1), np.int64).ravel()

    @cached_property
    def present(self) -> Any:
        """Sparse, of shape (N, V): 1 where a text has a word."""
        found = self.counts.copy()
        found.data = np.ones(len(found.data), np.float32)
        return found

    @cached_property
    def texts_with(self) -> IntArray:
        """Texts that have each word, of shape (V,)."""
        return np.bincount(self.counts.indices, minlength=len(self.vocabulary))

    def frequent(self, *, least: float, most: float, words: int) -> IntArray:
        """Return the words of a middling document frequency, the most frequent first.

        Parameters
        ----------
        least, most
            Texts that have it, as a share of all, at least and at most; two texts in any case.
        words
            How many words at most.

        Returns
        -------
        ndarray
            Positions in `vocabulary`.
        """
        n, found = self.counts.shape[0], self.texts_with
        kept = np.flatnonzero((found >= max(2, least * n)) & (found <= most * n))
        return kept[np.argsort(-found[kept], kind="stable")][:words]


def count_words(texts: Sequence[str]) -> WordCounts:
    """Count the words of texts.

    A word is a run of letters and digits, apostrophes inside it included; in Chinese and Japanese,
    a single character.

    Parameters
    ----------
    texts
        N texts.
    """
    import pyarrow
    import pyarrow.compute as compute
    from scipy.sparse import csr_matrix

    column = pyarrow.array(texts, type=pyarrow.large_string())
    if compute.any(compute.match_substring_regex(column, f"[{CJK}]")).as_py():
        column = compute.replace_substring_regex(column, f"([{CJK}])", r" \1 ")
    lists = compute.split_pattern_regex(column, BETWEEN_WORDS)
    pieces = compute.list_flatten(lists).dictionary_encode()
    codes, vocabulary = _fold(pieces.dictionary.to_pylist())
    word = codes[pieces.indices.to_numpy()]
    row = compute.list_parent_indices(lists).to_numpy()
    row, word = row[word >= 0], word[word >= 0]
    starts = np.searchsorted(row, np.arange(len(column) + 1))
    shape = (len(column), len(vocabulary))
    counts = csr_matrix((np.ones(len(word), np.int32), word, starts), shape=shape)
    counts.sum_duplicates()
    return WordCounts(counts, vocabulary)


def _fold(pieces: Sequence[str]) -> tuple[IntArray, pd.Index[str]]:
    """Return the number of each distinct piece's word, -1 for none, and the words."""
    folded = pd.Series([piece.lower().strip(EDGES) or None for piece in pieces], dtype=object)
    codes, words = pd.factorize(folded)
    return codes.astype(np.int64), pd.Index(words, dtype=object)


def joined_texts(frame: pd.DataFrame) -> list[str]:
    """Return each row's text, or its pair of texts as one.

    Parameters
    ----------
    frame
        `text` and, for pairs, `text_pair`.
    """
    if "text_pair" not in frame:
        return list(frame["text"])
    return [f"{one}\n{other}" for one, other in zip(frame["text"], frame["text_pair"], strict=True)]
