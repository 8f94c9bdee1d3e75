"""What is shown of a text's tokens is what the model gets, and what it does not get is marked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WORDS

from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.errors import DataError
from nbutils.params.cutting import Cutting
from nbutils.reading import Reading

LONG = " ".join(WORDS)  # 24 tokens


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(str(tiny_bert))


def plain(reading: Reading) -> str:
    """Return what is shown as text alone."""
    return " ".join(re.sub("<[^>]+>", "", reading._repr_html_()).split())


@pytest.mark.parametrize("truncation", ["head", "head_tail"])
def test_tokens_of_pairs_are_those_that_are_encoded(tokenizer: Any, truncation: Any) -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        texts = [" ".join(random.choice(WORDS, random.integers(0, 20))) for _ in range(2)]
        cutting = Cutting(int(random.integers(6, 24)), truncation)
        reading = Reading(texts[0], tokenizer, cutting, texts[1])
        encoded = encode_texts(texts[:1], tokenizer, cutting=cutting, text_pairs=texts[1:])
        shown = [token for part in reading.parts for token in part]
        assert shown == tokenizer.convert_ids_to_tokens(encoded.input_ids[0])
        assert len(shown) + reading.cut == sum(len(text.split()) for text in texts) + 3


@pytest.mark.parametrize("truncation", ["head", "head_tail", "chunks"])
def test_tokens_of_a_text_are_those_that_are_encoded(tokenizer: Any, truncation: Any) -> None:
    for length in range(40):
        text = " ".join((WORDS * 2)[:length])
        cutting = Cutting(10, truncation, 2)
        encoded = encode_texts([text], tokenizer, cutting=cutting)
        shown = [token for part in Reading(text, tokenizer, cutting).parts for token in part]
        assert shown == tokenizer.convert_ids_to_tokens(np.concatenate(encoded.input_ids))


def test_cut_is_marked_by_a_word_where_it_is_and_says_what_is_lost(tokenizer: Any) -> None:
    head = plain(Reading(LONG, tokenizer, Cutting(8)))
    assert f"{' '.join(WORDS[:6])} cut: 18 tokens are not read ({' '.join(WORDS[6:12])} …)" in head
    assert head.index("cut:") < head.index("[SEP]")
    ends = plain(Reading(LONG, tokenizer, Cutting(24, "head_tail")))
    middle = f"cut: 2 tokens are not read ({' '.join(WORDS[6:8])}) {WORDS[8]}"
    assert middle in ends
    chunks = plain(Reading(LONG, tokenizer, Cutting(10, "chunks", 2)))
    assert "chunk 2: [CLS]" in chunks
    assert chunks.index("chunk 2:") < chunks.index("cut: 9 tokens are not read")
    one = plain(Reading(" ".join(WORDS[:7]), tokenizer, Cutting(8)))
    assert f"cut: 1 token is not read ({WORDS[6]})" in one
    assert "cut:" not in plain(Reading("good", tokenizer, Cutting(8)))


def test_text_that_is_read_whole_in_chunks_has_no_cut(tokenizer: Any) -> None:
    reading = Reading(LONG, tokenizer, Cutting(10, "chunks", 8))
    assert len(reading.parts) > 2
    assert reading.cut == 0
    assert "cut:" not in plain(reading)
    assert f"in {len(reading.parts)} chunks, 0 are cut off" in repr(reading)


def test_of_many_tokens_those_before_the_cut_are_shown(tokenizer: Any) -> None:
    shown = plain(Reading(LONG, tokenizer, Cutting(20), most=10))
    words = ["[CLS]", *WORDS]
    assert shown.startswith(f"{' '.join(words[:2])} … 9 more … {' '.join(words[11:19])} cut: 6")


def test_each_text_of_a_pair_shows_its_own_cut(tokenizer: Any) -> None:
    shown = plain(Reading(LONG, tokenizer, Cutting(13), LONG))
    assert shown.count("cut: 19 tokens are not read") == 2
    reading = Reading(LONG, tokenizer, Cutting(13), LONG)._repr_html_()
    assert reading.count("<br>") == 1
    assert reading.index("[SEP]") < reading.index("<br>") < reading.rindex("[SEP]")


def test_unknown_tokens_are_marked_and_spelt_out(tokenizer: Any) -> None:
    reading = Reading("good <b>zebra</b> zebra film", tokenizer, Cutting(16), "a \N{SNOWMAN} plot")
    page = reading._repr_html_()
    assert reading.unknown == ["<", "b", ">", "zebra", "/", "\N{SNOWMAN}"]
    assert "The vocabulary lacks <bdi>&lt;</bdi>, <bdi>b</bdi>" in page
    assert "<b>" not in page
    assert page.count("font-weight:bold") == repr(reading).count("[UNK]") == 10
    assert "The vocabulary" not in Reading("good", tokenizer, Cutting(16))._repr_html_()


def test_unknown_word_without_end_is_not_spelt_out(tokenizer: Any) -> None:
    reading = Reading("good " + "x" * 10**5 + "&", tokenizer, Cutting(16))
    page = reading._repr_html_()
    assert len(page) < 3000
    assert re.search("The vocabulary lacks <bdi>x+…x+</bdi>, <bdi>&amp;</bdi>", page)


def test_chunks_of_a_pair_are_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="expected head or head_tail for a pair, found chunks"):
        Reading("a", tokenizer, Cutting(16, "chunks"), "b")
