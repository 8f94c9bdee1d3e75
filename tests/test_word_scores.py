"""Scores of words: sums of those of their tokens, in the order of the text."""

from __future__ import annotations

import numpy as np
import pytest

from nbutils.analysis.tokens_read import read_pieces
from nbutils.analysis.word_scores import score_words
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.params.cutting import Cutting

TEXT = (
    "Unbelievably, it isn't the rock'n'roll of O\u2019Neill's \u201cgrandmotherly\u201d days' end."
)


@pytest.mark.parametrize(
    ("texts", "cutting"),
    [
        ((TEXT,), Cutting(64)),
        ((TEXT,), Cutting(12, "head_tail")),
        ((TEXT,), Cutting(12, "chunks", 8)),
        ((TEXT, "Isn't it?"), Cutting(64)),
        ((TEXT, "Isn't it?"), Cutting(12, "head_tail")),
    ],
)
def test_no_score_is_lost(texts: tuple[str, ...], cutting: Cutting) -> None:
    tokenizer = load_tokenizer("all-MiniLM-L6-v2")
    pieces = read_pieces(texts, tokenizer, cutting=cutting)
    random = np.random.default_rng(0)
    scores = [random.normal(size=len(piece.owners)) * (piece.owners >= 0) for piece in pieces]
    words = score_words(texts, pieces, scores)
    assert words["score"].sum() == pytest.approx(sum(own.sum() for own in scores))
    for part, start, end, word, _ in words.itertuples(index=False):
        assert texts[part][start:end] == word
    assert list(zip(words["part"], words["start"], strict=True)) == sorted(
        zip(words["part"], words["start"], strict=True)
    )


def test_words_are_whole_and_keep_their_apostrophes() -> None:
    tokenizer = load_tokenizer("all-MiniLM-L6-v2")
    pieces = read_pieces((TEXT,), tokenizer, cutting=Cutting(64))
    assert len(pieces[0].owners) > 25
    words = score_words((TEXT,), pieces, [np.ones(len(pieces[0].owners))])
    assert words["word"].tolist() == [
        "Unbelievably", ",", "it", "isn't", "the", "rock'n'roll", "of", "O\u2019Neill's", "\u201c",
        "grandmotherly", "\u201d", "days", "'", "end", ".",
    ]  # fmt: skip


def test_text_without_words_has_none() -> None:
    tokenizer = load_tokenizer("all-MiniLM-L6-v2")
    pieces = read_pieces(("",), tokenizer, cutting=Cutting(64))
    words = score_words(("",), pieces, [np.zeros(len(pieces[0].owners))])
    assert words.shape == (0, 5)
