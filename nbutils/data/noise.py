"""Many short labelled texts made from a few real ones, to measure what large data costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
FEWEST_WORDS, MOST_WORDS = 8, 30
NEAR_SHARE = 0.2  # of the rows: copies of others with one word changed
EXACT_SHARE = 0.1  # of the rows: exact copies of others
REPLACED_SHARE = 0.35  # of the words of all other rows: two of one sentence are not near copies

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Sentences:
    """N sequences of words as positions in a vocabulary, one after the other."""

    words: Positions
    sizes: Positions

    @property
    def starts(self) -> Positions:
        return np.cumsum(self.sizes) - self.sizes

    def take(self, rows: Positions) -> _Sentences:
        sizes = self.sizes[rows]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return _Sentences(self.words[np.repeat(self.starts[rows], sizes) + within], sizes)


def make_noisy_texts(
    texts: Sequence[str], labels: Sequence[str], *, rows: int, seed: int = 0
) -> pd.DataFrame:
    """Make any number of short texts from the sentences of a few, with exact and near copies.

    Sentences of 8 to 30 words are drawn again and again. In most rows every third word gives way
    to another one, a fifth are copies of those with one word replaced, dropped or swapped with the
    next, and a tenth are exact copies.

    Parameters
    ----------
    texts, labels
        Real texts and their labels; a row has the label of the text that its sentence is from.
    rows
        How many to make.
    seed
        The same seed gives the same rows.

    Returns
    -------
    DataFrame
        `text` and `label`, of shape (rows, 2), copies anywhere among the others.

    Raises
    ------
    ValueError
        No text has a sentence of that length.
    """
    vocabulary, sentences, owners = _cut_sentences(texts)
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, size=rows, p=[1 - NEAR_SHARE - EXACT_SHARE, NEAR_SHARE, EXACT_SHARE])
    drawn = rng.integers(len(owners), size=int((kinds == 0).sum()) + 1)  # one to copy at least
    originals = sentences.take(drawn)
    noisy = np.flatnonzero(rng.random(len(originals.words)) < REPLACED_SHARE)
    originals.words[noisy] = rng.choice(sentences.words, size=len(noisy))
    source = rng.integers(len(drawn), size=rows)
    source[kinds == 0] = np.arange(int((kinds == 0).sum()))
    made = _change_one_word(originals.take(source), np.flatnonzero(kinds == 1), rng)
    names = pd.Series(list(labels)).to_numpy()
    return pd.DataFrame({"text": _join(made, vocabulary), "label": names[owners[drawn[source]]]})


def _cut_sentences(texts: Sequence[str]) -> tuple[pd.Index[str], _Sentences, Positions]:
    """Return the vocabulary, the sentences, and which text each is from."""
    found = [
        (owner, words)
        for owner, text in enumerate(texts)
        for words in map(str.split, SENTENCE_END.split(text))
        if FEWEST_WORDS <= len(words) <= MOST_WORDS
    ]
    if not found:
        raise ValueError(
            f"expected texts with sentences of {FEWEST_WORDS} to {MOST_WORDS} words, found none in "
            f"{len(texts)} texts; pass longer texts"
        )
    codes, vocabulary = pd.factorize(pd.Series(list(chain.from_iterable(w for _, w in found))))
    sizes = np.array([len(words) for _, words in found], dtype=np.int64)
    owners = np.array([owner for owner, _ in found], dtype=np.int64)
    return vocabulary, _Sentences(codes.astype(np.int64), sizes), owners


def _change_one_word(made: _Sentences, rows: Positions, rng: np.random.Generator) -> _Sentences:
    """Replace, drop or swap with the next one word of each of `rows`, never the last."""
    words, sizes = made.words.copy(), made.sizes.copy()
    change = rng.integers(3, size=len(rows))
    places = made.starts[rows] + rng.integers(0, sizes[rows] - 1)
    replaced, swapped, dropped = (places[change == kind] for kind in range(3))
    words[replaced] = rng.choice(made.words, size=len(replaced))
    words[swapped], words[swapped + 1] = made.words[swapped + 1], made.words[swapped]
    sizes[rows[change == 2]] -= 1
    return _Sentences(np.delete(words, dropped), sizes)


def _join(made: _Sentences, vocabulary: pd.Index[str]) -> pd.Series[str]:
    import pyarrow
    import pyarrow.compute

    words = pyarrow.array(vocabulary, type=pyarrow.large_string()).take(pyarrow.array(made.words))
    bounds = np.append(made.starts, made.sizes.sum())
    separator = pyarrow.scalar(" ", pyarrow.large_string())
    texts = pyarrow.compute.binary_join(
        pyarrow.ListArray.from_arrays(pyarrow.array(bounds, type=pyarrow.int32()), words), separator
    )
    return pd.Series(texts.to_pandas())
