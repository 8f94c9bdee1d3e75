"""The array code that cuts and hashes all texts at once, against a plain account of each text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils.data import minhash
from nbutils.data.minhash import find_near_groups
from nbutils.data.shingles import WORD, jaccard, same_words, shingle_texts

LETTERS = st.text(alphabet="ab \t.,_9é́ßÅ中文カ🙂\u00a0\x1f", max_size=30)
TEXTS = st.lists(st.one_of(LETTERS, st.text(max_size=20)).map(same_words), min_size=1, max_size=8)


def word_pairs(text: str) -> list[tuple[str, ...]]:
    words = WORD.findall(text) or text.split() or [""]
    return list(pairwise(words)) if len(words) > 1 else [(words[0],)]


def alike(one: str, other: str) -> float:
    left, right = set(word_pairs(one)), set(word_pairs(other))
    return len(left & right) / len(left | right)


@given(TEXTS)
def test_each_word_pair_has_one_hash_and_no_other_pair_has_it(texts: list[str]) -> None:
    shingles = shingle_texts(texts)
    pairs = [pair for text in texts for pair in word_pairs(text)]
    assert np.diff(shingles.starts).tolist() == [len(word_pairs(text)) for text in texts]
    hash_of = dict(zip(pairs, shingles.hashes.tolist(), strict=True))
    assert [hash_of[pair] for pair in pairs] == shingles.hashes.tolist()
    assert len(set(hash_of.values())) == len(hash_of)


@given(TEXTS)
def test_a_text_has_the_same_hashes_in_any_company(texts: list[str]) -> None:
    together, alone = shingle_texts(texts), [shingle_texts([text]) for text in texts]
    assert together.hashes.tolist() == np.concatenate([part.hashes for part in alone]).tolist()


@given(TEXTS)
def test_jaccard_is_common_pairs_over_all_pairs(texts: list[str]) -> None:
    left, right = np.array([(a, b) for a in range(len(texts)) for b in range(len(texts))]).T
    expected = [alike(texts[a], texts[b]) for a, b in zip(left, right, strict=True)]
    np.testing.assert_allclose(jaccard(shingle_texts(texts), left, right), expected)


def test_two_words_are_not_the_word_that_they_would_make_together() -> None:
    shingles = shingle_texts(["99", "9.9", "ab c", "a bc"])
    assert len(set(shingles.hashes.tolist())) == 4


def test_no_texts_have_no_shingles() -> None:
    assert shingle_texts([]).hashes.size == 0


def near_copies(n: int) -> list[str]:
    rng = np.random.default_rng(n)
    texts = [[f"w{word}" for word in row] for row in rng.integers(0, 60, size=(n, 14))]
    for row in range(0, n - 1, 2):
        texts[row + 1] = [*texts[row][:-1], "other"]  # so alike that missing one is a freak
    return list(dict.fromkeys(" ".join(text) for text in texts))


def connected(texts: Sequence[str], threshold: float) -> list[int]:
    group = list(range(len(texts)))
    for a, one in enumerate(texts):
        for b in range(a):
            if group[a] != group[b] and alike(one, texts[b]) >= threshold:
                old, new = sorted((group[a], group[b]), reverse=True)
                group = [new if number == old else number for number in group]
    return group


def test_groups_are_those_of_comparing_each_with_each() -> None:
    texts = near_copies(120)
    group, _ = find_near_groups(pd.Index(texts), threshold=0.7, seed=0)
    expected = connected(texts, 0.7)
    assert len(set(expected)) < len(texts) - 40
    assert group.tolist() == pd.factorize(np.array(expected))[0].tolist()


def test_groups_do_not_depend_on_the_size_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.Index(near_copies(80))
    whole, pairs = find_near_groups(texts, threshold=0.7, seed=0)
    monkeypatch.setattr(minhash, "CHUNK", 150)
    pieces, same = find_near_groups(texts, threshold=0.7, seed=0)
    assert whole.tolist() == pieces.tolist()
    assert [part.tolist() for part in pairs] == [part.tolist() for part in same]


def test_very_long_texts_are_compared_by_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minhash, "CHUNK", 150)
    start = " ".join(f"w{word}" for word in range(60))
    group, _ = find_near_groups(pd.Index([start + " a", start + " b"]), threshold=1.0, seed=0)
    assert group.tolist() == [0, 0]
