from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbutils.data.bundled import read_bundled
from nbutils.data.duplicates import (
    Duplicates,
    count_across_splits,
    find_duplicates,
    least_alike,
    remove_leakage,
    share_with_copies,
)
from nbutils.data.shingles import jaccard, same_words, shingle_texts


def frame_of(
    texts: list[str], labels: list[int] | None = None, splits: list[str] | None = None
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "example_id": range(100, 100 + len(texts)),
            "text": texts,
            "label": labels or [0] * len(texts),
            "split": splits or [""] * len(texts),
        }
    )


def random_texts(n: int, words: int, *, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[f"w{i}" for i in row] for row in rng.integers(0, 5000, size=(n, words))]


@pytest.fixture(scope="module")
def bbc() -> tuple[pd.DataFrame, Duplicates]:
    frame = frame_of(read_bundled("bbc-news").texts)
    return frame, find_duplicates(frame)


def test_bbc_news_has_98_exact_copies(bbc: tuple[pd.DataFrame, Duplicates]) -> None:
    frame, duplicates = bbc
    assert duplicates.exact_copies == 98
    cleaned = remove_leakage(frame, duplicates, deduplicate=True)
    assert cleaned.dropped_exact == 98
    assert len(cleaned.frame) == 2127
    assert cleaned.frame["text"].is_unique


def test_near_pairs_are_as_alike_as_they_are_said_to_be(
    bbc: tuple[pd.DataFrame, Duplicates],
) -> None:
    frame, duplicates = bbc
    text_of = frame.set_index("example_id")["text"]
    for pair in duplicates.pairs.head(20).itertuples():
        left, right = (set(shingled(text_of[row])) for row in (pair.first, pair.second))
        assert pair.similarity == pytest.approx(len(left & right) / len(left | right))


def shingled(text: str) -> list[int]:
    return shingle_texts([same_words(text)]).hashes.tolist()


@pytest.mark.parametrize("words", [20, 60, 200])
def test_one_changed_word_in_twenty_is_found(words: int) -> None:
    rng = np.random.default_rng(words)
    originals = random_texts(300, words)
    changed = [list(text) for text in originals]
    for text in changed:
        for place in rng.choice(np.arange(1, words - 1), size=words // 20, replace=False):
            text[place] = "changed"
    texts = [" ".join(text) for text in originals + changed]
    group = find_duplicates(frame_of(texts)).group
    assert (group[:300] == group[300:]).mean() >= 0.95
    assert len(np.unique(group)) >= 300  # and nothing else is thrown together


@pytest.mark.parametrize("threshold", [0.4, 0.55, 0.7, 0.85, 1.0])
def test_no_pair_is_missed_at_any_threshold(threshold: float) -> None:
    originals = random_texts(200, 100)
    share = 2 * threshold / (1 + threshold)  # of the pairs in common, for that similarity
    kept = min(100, int(np.ceil(99 * share)) + 2)
    texts = [" ".join(text) for text in originals]
    texts += [" ".join(text[:kept] + ["other"] * (100 - kept)) for text in originals]
    group = find_duplicates(frame_of(texts), threshold=threshold).group
    assert (group[:200] == group[200:]).mean() >= 0.95


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello  World", "hello world\n"),
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("STRASSE eins", "stra\u00dfe eins"),
        ("Good!", "good"),
        ("🙂🙂", "🙂🙂 "),
    ],
)
def test_same_words_share_a_group_and_are_no_exact_copy(one: str, other: str) -> None:
    duplicates = find_duplicates(frame_of([one, other, "something else entirely"]))
    assert duplicates.group[0] == duplicates.group[1] != duplicates.group[2]
    assert duplicates.exact_copies == 0
    assert duplicates.near_groups == 1


def test_different_texts_share_no_group() -> None:
    texts = [" ".join(text) for text in random_texts(500, 15)]
    texts += ["", "?!", "one", "two", "一二三四五", "六七八九十"]
    duplicates = find_duplicates(frame_of(texts))
    assert len(np.unique(duplicates.group)) == len(texts)
    assert duplicates.near_groups == 0
    assert duplicates.pairs.empty


def test_second_text_of_a_pair_counts() -> None:
    frame = frame_of(["same premise"] * 3).assign(text_pair=["one thing", "another", "one thing"])
    duplicates = find_duplicates(frame)
    assert duplicates.exact_copies == 1
    assert duplicates.group[0] == duplicates.group[2] != duplicates.group[1]


def test_one_huge_bucket_stays_one_group() -> None:
    texts = [f"the same long form letter with one number in it {i}" for i in range(3000)]
    assert len(np.unique(find_duplicates(frame_of(texts)).group)) == 1


def test_copies_with_different_labels_are_named() -> None:
    duplicates = find_duplicates(frame_of(["a b", "a b", "c d", "c d"], labels=[0, 1, 0, 0]))
    assert duplicates.conflicts == ((100, 101),)


def test_groups_do_not_depend_on_the_process(bbc: tuple[pd.DataFrame, Duplicates]) -> None:
    code = (
        "import tests.test_data_duplicates as t; "
        "f = t.frame_of(t.read_bundled('bbc-news').texts[:300]); "
        "print(t.find_duplicates(f).group.tolist())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_jaccard_of_known_sets() -> None:
    shingles = shingle_texts(["a b c d", "a b c e", "x y", "a b c d", "single"])
    left, right = np.array([0, 0, 0, 4]), np.array([1, 2, 3, 4])
    assert jaccard(shingles, left, right).tolist() == [0.5, 0.0, 1.0, 1.0]
    assert jaccard(shingles, left[:0], right[:0]).tolist() == []


NEAR = "the quick brown fox jumps over the lazy dog and runs far away into the dark wood {}"


def test_test_side_copy_stays_and_training_side_goes() -> None:
    texts = ["exact", "exact", "exact", NEAR.format("now"), NEAR.format("then"), "train only"]
    splits = ["train", "validation", "test", "train", "validation", "train"]
    frame = frame_of(texts, splits=splits)
    cleaned = remove_leakage(frame, find_duplicates(frame), deduplicate=True)
    assert cleaned.frame["example_id"].tolist() == [102, 104, 105]
    assert (cleaned.dropped_exact, cleaned.dropped_near) == (2, 1)
    assert cleaned.across_given_splits == 5
    assert count_across_splits(cleaned.frame, cleaned.groups) == 0


def test_given_test_split_stays_whole() -> None:
    frame = frame_of(["a", "a", "b", "b"], splits=["test", "test", "train", "train"])
    cleaned = remove_leakage(frame, find_duplicates(frame), deduplicate=True)
    assert cleaned.frame["example_id"].tolist() == [100, 101, 102]


def test_near_copies_stay_when_nothing_is_split_yet() -> None:
    frame = frame_of([NEAR.format("now"), NEAR.format("then"), "x", "x"])
    cleaned = remove_leakage(frame, find_duplicates(frame), deduplicate=True)
    assert cleaned.frame["example_id"].tolist() == [100, 101, 102]
    assert cleaned.groups[0] == cleaned.groups[1]


def test_switched_off_it_reports_and_drops_nothing() -> None:
    frame = frame_of(["a", "a"], splits=["train", "test"])
    cleaned = remove_leakage(frame, find_duplicates(frame), deduplicate=False)
    assert len(cleaned.frame) == 2
    assert cleaned.across_given_splits == 2
    assert count_across_splits(cleaned.frame, cleaned.groups) == 2


def test_share_of_rows_with_a_copy_is_told_by_class() -> None:
    frame = frame_of(["a b", "a b", "c d", "e f", "A  b"], labels=[0, 0, 1, 1, 2])
    shares = share_with_copies(frame, find_duplicates(frame), label_names=("x", "y", "z"))
    assert shares.to_dict() == {"x": 1.0, "z": 1.0, "y": 0.0}


def test_least_alike_copies_come_first() -> None:
    texts = [NEAR.format("now"), NEAR.format("then"), "Same words", "same  words"]
    frame = frame_of(texts)
    shown = least_alike(frame, find_duplicates(frame))
    assert shown["text"].tolist() == [texts[0]]
    assert shown["text_pair"].tolist() == [texts[1]]
