"""Tokens with their places: the same ones that a model reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_reviews

from nbutils.analysis.tokens_read import find_unread, read_pieces, read_whole, unique_texts
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.params.cutting import Cutting

LONG = " ".join(make_reviews(6)["text"])
TEXTS = ["", "good film", "Good, GOOD film!", LONG]
CUTTINGS = [Cutting(64), Cutting(12), Cutting(12, "head_tail"), Cutting(12, "chunks", 3)]
READ = [  # pairs are not read in chunks
    pytest.param(cutting, pair, id=f"{cutting}-{pair}")
    for cutting in CUTTINGS
    for pair in (None, "", "the story is dull", LONG)
    if pair is None or cutting.truncation != "chunks"
]


@pytest.mark.parametrize(("cutting", "pair"), READ)
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_a_batch(
    tiny_bert: Path, text: str, pair: str | None, cutting: Cutting
) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    texts = (text,) if pair is None else (text, pair)
    pieces = read_pieces(texts, tokenizer, cutting=cutting)
    pairs = None if pair is None else [pair]
    encoded = encode_texts([text], tokenizer, cutting=cutting, text_pairs=pairs)
    assert [piece.input_ids.tolist() for piece in pieces] == [
        ids.tolist() for ids in encoded.input_ids
    ]
    if encoded.token_type_ids is not None:
        assert pieces[0].token_type_ids.tolist() == encoded.token_type_ids[0].tolist()
    for piece in pieces:
        assert len(piece.owners) == len(piece.spans) == len(piece.words) == len(piece.input_ids)
        for token, owner, (start, end) in zip(
            piece.input_ids, piece.owners, piece.spans, strict=True
        ):
            word = tokenizer.convert_ids_to_tokens(int(token))
            if owner < 0:
                assert word in {"[CLS]", "[SEP]"}
            elif word != "[UNK]":
                assert texts[owner][start:end].lower() == word


@pytest.mark.parametrize("cutting", CUTTINGS, ids=str)
def test_equal_tokens_are_kept_once(tiny_bert: Path, cutting: Cutting) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    texts = ["good film", LONG, "GOOD  film", "film", LONG + " a", "good film", LONG]
    encoded = encode_texts(texts, tokenizer, cutting=cutting)
    unique, places = unique_texts(encoded)
    assert len(unique) == places.max() + 1 == (4 if cutting.truncation == "head_tail" else 3)
    assert places[[0, 2, 5]].tolist() == [0, 0, 0]
    assert places[3] == 2
    alone = encode_texts(["film"], tokenizer, cutting=cutting)
    (row,) = np.flatnonzero(unique.lengths == alone.lengths[0])
    assert row == 2
    assert unique.lengths[places].tolist() == encoded.lengths.tolist()


def test_pairs_differ_by_either_text(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    first, second = ["good", "good", "good film", "good"], ["bad", "dull", "bad", "bad"]
    encoded = encode_texts(first, tokenizer, cutting=Cutting(12), text_pairs=second)
    assert unique_texts(encoded)[1].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(("cutting", "pair"), READ)
@pytest.mark.parametrize("text", TEXTS)
def test_stretches_that_are_not_read_hold_the_tokens_that_are_missing(
    tiny_bert: Path, text: str, pair: str | None, cutting: Cutting
) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    texts = (text,) if pair is None else (text, pair)
    whole = read_whole(texts, tokenizer)
    found = find_unread(read_pieces(texts, tokenizer, cutting=cutting), whole)
    specials = int((whole.owners < 0).sum())
    assert sum(own.tokens for own in found) == max(len(whole.owners) - cutting.limit(specials), 0)
    for own in found:
        lost = tokenizer(texts[own.part][own.start : own.end], add_special_tokens=False)
        assert len(lost["input_ids"]) == own.tokens
    if cutting.truncation == "head_tail":
        assert all(own.start > 0 and own.end < len(texts[own.part]) for own in found)
