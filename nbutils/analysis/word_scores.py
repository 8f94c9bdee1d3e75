"""Scores of tokens as scores of the words that a person sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nbutils.analysis.tokens_read import Piece

FloatArray = NDArray[np.float64]

COLUMNS = ["part", "start", "end", "word", "score"]
# Looked for from the beginnings of words alone: a word of 100,000 letters would take minutes.
WITH_APOSTROPHE = re.compile(r"(?<![^\W\d_])[^\W\d_]+(?:['\u2019][^\W\d_]+)+")


def score_words(
    texts: Sequence[str], pieces: Sequence[Piece], scores: Sequence[FloatArray]
) -> pd.DataFrame:
    """Return the sum of the scores of each word's tokens.

    A word is what the tokenizer takes for one before it cuts it up, except that one with an
    apostrophe stays whole. A token that stands in several pieces counts in each.

    Parameters
    ----------
    texts
        A text, or both of a pair.
    pieces
        Their tokens.
    scores
        Of each piece's tokens, shape (L,).

    Returns
    -------
    DataFrame
        `part` (which of the texts), `start, end` (its characters), `word, score`; in the order of
        the texts.
    """
    wholes = [_find_wholes(text) for text in texts]
    found: dict[tuple[int, int], tuple[int, int, float]] = {}
    for piece, own in zip(pieces, scores, strict=True):
        for part, first, start, end, score in _tokens(piece, own):
            key = part, wholes[part].get(first, first)
            low, high, total = found.get(key, (start, end, 0.0))
            found[key] = min(low, start), max(high, end), total + score
    rows = []
    for (part, _), (low, high, total) in sorted(found.items()):
        word = texts[part][low:high]
        start = low + len(word) - len(word.lstrip())
        rows.append((part, start, high, texts[part][start:high], total))
    return pd.DataFrame(rows, columns=COLUMNS)


def _find_wholes(text: str) -> dict[int, int]:
    """Return for each character of a word with an apostrophe where that word begins."""
    spans = [found.span() for found in WITH_APOSTROPHE.finditer(text)]
    return {place: start for start, end in spans for place in range(start, end)}


def _tokens(piece: Piece, scores: FloatArray) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield of each token that is not special its part, its word's start, its own span, score."""
    firsts: dict[tuple[int, int], int] = {}
    for place in np.flatnonzero(piece.owners >= 0):
        part, word = int(piece.owners[place]), int(piece.words[place])
        start, end = map(int, piece.spans[place])
        first = start if word < 0 else firsts.setdefault((part, word), start)
        yield part, first, start, end, float(scores[place])
