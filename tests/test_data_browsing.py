"""Texts are found by words, labels, splits, lengths, copies and metadata, and sorted."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsed import make_texts
from conftest import make_reviews

from nbutils.data.browsing import Browsing, Wanted
from nbutils.data.duplicates import find_duplicates
from nbutils.data.text_search import find_spans, patterns_of
from nbutils.data.tokens import TokenReport
from nbutils.errors import ParameterError
from nbutils.params.cutting import Cutting

LINES = [
    "Oil prices rise",
    "The price of OIL",
    "Crude\noil  prices",
    "Über den Wolken",
    "oil, and more: 50% (net)",
    "",
]


def found(browsing: Browsing, **wanted: Any) -> list[int]:
    return browsing.ids[browsing.find(Wanted(**wanted))].tolist()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", [10, 11, 12, 13, 14, 15]),
        ("oil", [10, 11, 12, 14]),
        ("prices oil", [10, 12]),
        ("PRICE", [10, 11, 12]),
        ('"oil prices"', [10, 12]),
        ('"price of" oil', [11]),
        ('"oil pri', [10, 12]),
        ('""', [10, 11, 12, 13, 14, 15]),
        ("über", [13]),
        ("ÜBER", [13]),
        ("50% (net)", [14]),
        ("o.l", []),
        ("gas", []),
    ],
)
def test_all_words_are_found_in_any_case_and_phrases_as_a_whole(
    words: str, expected: list[int]
) -> None:
    assert found(Browsing(make_texts(LINES)), words=words) == expected


@pytest.mark.parametrize("sign", [sign for sign in string.punctuation if sign != '"'])
def test_any_sign_is_found_as_it_is(sign: str) -> None:
    browsing = Browsing(make_texts(["no sign", f"one{sign}sign"]))
    assert found(browsing, words=f"one{sign}") == [11]
    assert find_spans(f"one{sign}sign", patterns_of(sign)) == [(3, 4)]


def test_words_of_a_pair_may_stand_in_either_text() -> None:
    texts = make_texts(["a cat", "a dog", "a cow"], text_pair=["sleeps", "sleeps", "runs"])
    assert found(Browsing(texts), words="sleeps dog") == [11]


def test_splits_and_labels_narrow_what_is_found() -> None:
    browsing = Browsing(make_texts(LINES))
    assert browsing.splits == ("train", "test")
    assert found(browsing, split="test") == [12, 15]
    assert found(browsing, label="pos") == [11, 13, 15]
    assert found(browsing, label="pos", split="test", words="u") == []


def test_corrected_texts_are_found_and_the_others() -> None:
    browsing = Browsing(make_texts(["a", "b", "c"]))
    for corrected, expected in ((True, [11]), (False, [10, 12]), (None, [10, 11, 12])):
        rows = browsing.find(Wanted(corrected=corrected), corrected=[11, 99])
        assert browsing.ids[rows].tolist() == expected


def test_text_with_several_labels_is_found_under_each_and_one_without_under_none() -> None:
    texts = make_texts(["a", "b", "c"], [(0, 2), (), (2,)], label_names=("x", "y", "z"))
    browsing = Browsing(texts)
    assert found(browsing, label="z") == [10, 12]
    assert found(browsing, label="y") == []
    assert found(browsing, label="(none)") == [11]
    assert browsing.count_labels(np.arange(3)) == [("z", 2), ("x", 1), ("(none)", 1)]
    assert browsing.count_labels(np.array([1])) == [("(none)", 1)]


def report(lengths: dict[int, int], *, sampled: bool = False) -> TokenReport:
    table = pd.DataFrame({"example_id": list(lengths), "length": list(lengths.values())})
    return TokenReport(table, 2, Cutting(8), sampled)


def test_lengths_are_in_tokens_where_all_were_measured_and_in_characters_elsewhere() -> None:
    texts = make_texts(["aaaa", "b", "ccc"])
    measured = Browsing(texts, tokens=report({12: 9, 10: 3, 11: 5}))
    assert (measured.unit, measured.lengths.tolist()) == ("tokens", [3, 5, 9])
    assert found(measured, shortest=4) == [11, 12]
    assert found(measured, shortest=3, longest=5) == [10, 11]
    for tokens in (None, report({10: 3, 11: 5}), report({10: 3, 11: 5, 12: 9}, sampled=True)):
        browsing = Browsing(texts, tokens=tokens)
        assert (browsing.unit, browsing.lengths.tolist()) == ("characters", [4, 1, 3])
        assert found(browsing, longest=3) == [11, 12]


def test_length_of_a_pair_is_that_of_both_texts() -> None:
    texts = make_texts(["aaaa", "ü"], text_pair=["bb", ""])
    assert Browsing(texts).lengths.tolist() == [6, 1]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("id", [10, 11, 12, 13]),
        ("last id", [13, 12, 11, 10]),
        ("shortest", [11, 13, 12, 10]),
        ("longest", [10, 12, 11, 13]),
    ],
)
def test_texts_are_sorted_and_ties_by_example(order: str, expected: list[int]) -> None:
    assert found(Browsing(make_texts(["aaaa", "b", "ccc", "d"])), order=order) == expected


# 10 and 12 are near copies of different labels in one split; 11 and 14 the same text in two
COPIED = ["the old cat sat on the mat today", "x y", "the old cat sat on the mat", "z", "x y"]
COPIED_LABELS, COPIED_SPLITS = [0, 1, 1, 0, 1], ["train", "train", "train", "test", "test"]


def copied() -> Any:
    texts = make_texts(COPIED, COPIED_LABELS)
    return texts.with_frame(texts.frame.assign(split=COPIED_SPLITS))


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ("with", [10, 11, 12, 14]),
        ("without", [13]),
        ("other label", [10, 12]),
        ("other split", [11, 14]),
    ],
)
def test_copies_are_filtered_whether_they_are_given_or_looked_for(
    copies: str, expected: list[int]
) -> None:
    texts = copied()
    groups = find_duplicates(texts.frame, threshold=0.7).group
    given, looking = Browsing(texts, copies=groups), Browsing(texts, copies=0.7)
    assert given.copies_known
    assert not looking.copies_known
    assert found(given, copies=copies) == found(looking, copies=copies) == expected
    assert looking.copies_known


def test_copies_of_a_text_are_listed_and_near_ones_once_they_are_known() -> None:
    browsing = Browsing(copied())
    assert browsing.copies_of(0).empty
    (exact,) = browsing.copies_of(1).to_dict("records")
    assert exact == {
        "example_id": 14, "split": "test", "label": "pos", "same_text": True, "same_label": True,
    }  # fmt: skip
    assert found(browsing, like=11) == [11, 14]
    browsing.find(Wanted(copies="with"))
    (near,) = browsing.copies_of(0).to_dict("records")
    assert (near["example_id"], near["same_text"], near["same_label"]) == (12, False, False)
    assert found(browsing, like=10) == [10, 12]


def test_texts_of_a_pair_are_the_same_only_if_both_are() -> None:
    browsing = Browsing(make_texts(["a", "a", "a"], text_pair=["b", "c", "b"]))
    assert browsing.copies_of(0)["example_id"].tolist() == [12]


@pytest.mark.parametrize(
    ("column", "asked", "expected"),
    [
        ("year", "1999", [10]),
        ("year", "1999..2001", [10, 11]),
        ("year", "2001..", [11, 12]),
        ("year", "..2000", [10]),
        ("year", " ", [10, 11, 12, 13]),
        ("source", "times", [10, 12]),
        ("source", '"new york" times', [12]),
        ("source", "", [10, 11, 12, 13]),
    ],
)
def test_metadata_is_searched_by_words_and_by_ranges_of_numbers(
    column: str, asked: str, expected: list[int]
) -> None:
    texts = make_texts(
        ["a", "b", "c", "d"],
        meta_year=[1999.0, 2001.0, 2010.5, None],
        meta_source=pd.Series(["The Times", "Mail", "New York Times", None], dtype=str),
    )
    browsing = Browsing(texts)
    assert browsing.metadata == ("year", "source")
    assert found(browsing, metadata=(column, asked)) == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"split": "tset"}, "split 'tset': there is no such split here; did you mean 'test'?"),
        ({"label": "good"}, "label 'good': there is no such label here; known: neg, pos"),
        ({"copies": "all"}, "copies 'all': there is no such copies"),
        ({"order": "best"}, "order 'best': there is no such order"),
        ({"metadata": ("site", "x")}, "metadata 'site': there is no such metadata here; there"),
        ({"like": 7}, "there is no example 7 among these 6"),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message.replace("?", r"\?")):
        found(Browsing(make_texts(LINES)), **wanted)


@pytest.mark.parametrize("asked", ["old", "1..x", "1-2"])
def test_range_that_cannot_be_read_is_refused(asked: str) -> None:
    browsing = Browsing(make_texts(["a", "b"], meta_year=[1.0, 2.0]))
    with pytest.raises(ParameterError, match=r"expected a number or a range .* found '"):
        found(browsing, metadata=("year", asked))


def test_everything_together_finds_what_a_look_at_each_text_finds() -> None:
    reviews = make_reviews(400, seed=3)
    texts = make_texts(reviews["text"].tolist(), (reviews["label"] == "pos").astype(int).tolist())
    browsing, rows = Browsing(texts), list(texts.frame.itertuples(index=False))
    random, total = np.random.default_rng(0), 0
    for _ in range(20):
        word, other = random.choice(["good", "film", "poor", "was", "lot"], 2, replace=False)
        shortest, label = int(random.integers(40, 60)), int(random.integers(0, 2))
        expected = [
            example
            for example, text, own, split in rows
            if word in text and other in text and len(text) >= shortest
            if own == label and split == "train"
        ]
        wanted = {"label": ("neg", "pos")[label], "split": "train", "shortest": shortest}
        assert found(browsing, words=f"{word} {other}", **wanted) == expected
        total += len(expected)
    assert total > 100
