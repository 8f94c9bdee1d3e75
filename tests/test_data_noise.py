from __future__ import annotations

import pandas as pd
import pytest

from nbutils.data.bundled import read_bundled
from nbutils.data.duplicates import find_duplicates
from nbutils.data.noise import FEWEST_WORDS, MOST_WORDS, make_noisy_texts

SENTENCES = [
    f"In {place} the old {thing} stood near a wide river, and nobody came. Short one."
    for place in ("York", "Rome")
    for thing in ("mill", "tower", "bridge")
]
LABELS = ["a", "b"] * 3


def test_rows_are_short_texts_with_the_labels_of_their_sources() -> None:
    made = make_noisy_texts(SENTENCES, LABELS, rows=500)
    words = made["text"].str.split().str.len()
    assert made.shape == (500, 2)
    assert words.between(FEWEST_WORDS - 1, MOST_WORDS).all()
    assert set(made["label"]) == {"a", "b"}


def test_the_seed_alone_decides() -> None:
    one, same, other = (
        make_noisy_texts(SENTENCES, LABELS, rows=50, seed=seed) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_exact_and_near_copies_are_among_them() -> None:
    raw = read_bundled("bbc-news")
    made = make_noisy_texts(raw.texts, raw.labels, rows=4000)
    frame = made.assign(example_id=range(len(made)), split="", label=0)
    found = find_duplicates(frame)
    assert 0.07 < found.exact_copies / len(made) < 0.13
    assert 0.03 < found.near_groups / len(made) < 0.2


def test_texts_without_a_usable_sentence_are_refused() -> None:
    with pytest.raises(ValueError, match="sentences of 8 to 30 words, found none in 1 texts"):
        make_noisy_texts(["too short"], ["a"], rows=3)
