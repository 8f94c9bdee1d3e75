"""Batches: every example once, seeded by epoch, padded no further than needed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils.batching import (
    Encoded,
    encode_texts,
    epoch_batches,
    sorted_batches,
    split_passes,
)
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.errors import DataError
from nbutils.params.cutting import Cutting

LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=300).map(np.array)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_epoch_has_every_example_exactly_once(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> None:
    batches = epoch_batches(lengths, batch_size=batch_size, seed=seed, epoch=epoch)
    rows = np.concatenate(batches)
    assert sorted(rows) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size
    assert len(batches) == -(-len(lengths) // batch_size)


@given(LENGTHS, st.integers(1, 4096))
def test_prediction_has_every_example_exactly_once(lengths: np.ndarray, tokens: int) -> None:
    batches = list(sorted_batches(lengths, batch_tokens=tokens))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * lengths[b].max() <= tokens for b in batches)


@given(LENGTHS, st.integers(1, 40), st.integers(1, 8192), st.booleans())
def test_passes_have_every_example_exactly_once_and_are_bounded(
    lengths: np.ndarray, texts: int, tokens: int, chunked: bool
) -> None:
    ids = [np.ones(length, np.int64) for length in lengths]
    counts = None
    if chunked:  # the first text has all chunks but those of the others, which have one each
        others = len(ids) // 2
        counts = np.array([len(ids) - others] + [1] * others)
    encoded = Encoded(ids, None, 0, counts)
    rows = np.arange(len(encoded))[::-1]
    passes = split_passes(encoded, rows, texts=texts, tokens=tokens)
    assert np.concatenate(passes).tolist() == rows.tolist()
    for part in passes:
        assert encoded.padded_tokens(part) == encoded.batch(part)["input_ids"].numel()
        assert len(part) == 1 or (len(part) <= texts and encoded.padded_tokens(part) <= tokens)
    for part, after in itertools.pairwise(passes):  # none could have had one more
        longer = np.append(part, after[0])
        assert len(part) == texts or encoded.padded_tokens(longer) > tokens


def test_one_long_text_does_not_drag_the_others_into_small_passes() -> None:
    encoded = Encoded([np.ones(n, np.int64) for n in [16] * 4095 + [512]], None, 0)
    passes = split_passes(encoded, np.arange(4096), texts=4096, tokens=4096)
    assert [len(part) for part in passes] == [256] * 15 + [255, 1]


def order(seed: int, epoch: int) -> list[int]:
    lengths = np.arange(200) % 17 + 1
    return np.concatenate(epoch_batches(lengths, batch_size=8, seed=seed, epoch=epoch)).tolist()


def test_order_depends_on_seed_and_epoch_alone() -> None:
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_similar_lengths_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(4, 256, 1000)

    def waste(batches: list[np.ndarray]) -> float:
        padded = sum(len(rows) * lengths[rows].max() for rows in batches)
        return 1 - lengths.sum() / padded

    bucketed = waste(epoch_batches(lengths, batch_size=16, seed=0, epoch=0))
    shuffled = waste(np.array_split(np.random.default_rng(0).permutation(1000), 63))
    assert bucketed < 0.08 < 0.4 < shuffled


def test_batch_is_padded_to_its_longest_text_and_masked(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    encoded = encode_texts(["good", "bad film a"], tokenizer, cutting=Cutting(16))
    batch = encoded.batch(np.array([1, 0]))
    assert batch["input_ids"].shape == (2, 5)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["input_ids"][1, 3:].tolist() == [tokenizer.pad_token_id] * 2
    assert "token_type_ids" not in batch


def test_long_text_is_cut_to_max_length_with_its_special_tokens(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    (ids,) = encode_texts(["good " * 100], tokenizer, cutting=Cutting(10)).input_ids
    assert len(ids) == 10
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_pair_has_two_token_types_and_is_cut_at_its_longer_text(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    encoded = encode_texts(["good " * 50], tokenizer, cutting=Cutting(12), text_pairs=["bad film"])
    batch = encoded.batch(np.array([0]))
    assert batch["token_type_ids"].tolist() == [[0] * 9 + [1] * 3]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["good", None], "text 1: expected a string, found NoneType"),
        (["good", 7], "text 1: expected a string, found int: 7"),
        ("good", "expected a list of strings, found one string: use"),
    ],
)
def test_what_is_no_text_is_refused(tiny_bert: Path, texts: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_texts(texts, load_tokenizer(str(tiny_bert)), cutting=Cutting(8))


@pytest.mark.parametrize(
    ("lengths", "width"),
    [([3, 9], 16), ([3, 70], 80), ([3, 90], 96), ([3], 8), ([97], 100)],
)
def test_few_widths_occur_and_none_beyond_the_longest_text(lengths: list[int], width: int) -> None:
    texts = [np.ones(length, np.int64) for length in [*lengths, 100]]
    batch = Encoded(texts, None, 0).batch(np.arange(len(lengths)))
    assert batch["input_ids"].shape == (len(lengths), width)
    assert batch["attention_mask"].sum(1).tolist() == lengths
