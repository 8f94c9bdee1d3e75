"""Small changes of texts: each makes what it says, nothing else, and the same every time."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbutils.analysis.contractions import MADE, WRITTEN_OUT, contract, write_out
from nbutils.analysis.swaps import KIND_OF, KINDS, swap_names, swap_numbers
from nbutils.analysis.text_changes import CHANGES, NEUTRAL, Change, Random, find_difference

BY_NAME = {change.name: change for change in CHANGES}
WORDS = [
    "Mary", "LONDON", "john", "isn't", "Do not", "it is", "you\u2019ll", "the", "and", "(word),",
    "3.5", "1984", "x4x", "007", "e.g.", "\u0130stanbul", "Stra\u00dfe", "\u6f22\u5b57\u3002",
    "\U0001f600", "end.", "\u2026", "a",
]  # fmt: skip
TEXTS = st.one_of(st.lists(st.sampled_from(WORDS)).map(" ".join), st.text(max_size=60))
SENTENCE = "In 1984 Mary and John weren't in London; it is said that they paid 250 pounds."


def seeded(seed: int = 0) -> Random:
    return np.random.default_rng(seed)


def changed(name: str, text: str, seed: int = 0) -> str:
    (found,) = BY_NAME[name].apply((text,), seeded(seed))
    return found


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@given(text=TEXTS, pair=TEXTS, seed=st.integers(0, 99))
def test_same_seed_makes_the_same_texts_one_for_each(
    change: Change, text: str, pair: str, seed: int
) -> None:
    for texts in [(text,), (text, pair)]:
        found = change.apply(texts, seeded(seed))
        assert found == change.apply(texts, seeded(seed))
        assert len(found) == len(texts)


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"contractions made"}))
def test_ordinary_sentence_is_really_changed(name: str) -> None:
    assert changed(name, SENTENCE) != SENTENCE


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - {"double spaces", "upper case"}))
def test_text_with_nothing_to_change_is_left_alone(name: str) -> None:
    assert changed(name, "a b") == "a b"


def test_empty_text_stays_empty() -> None:
    assert {changed(name, "") for name in BY_NAME} == {""}


@given(TEXTS)
def test_casing_changes_nothing_but_case(text: str) -> None:
    low, high = changed("lower case", text), changed("upper case", text)
    assert len(low) == len(high) == len(text)
    pairs = [*zip(text, low, strict=True), *zip(text, high, strict=True)]
    assert all(a.lower() == b.lower() and a.upper() == b.upper() for a, b in pairs)
    assert (changed("lower case", high), changed("upper case", low)) == (low, high)


@given(TEXTS, st.integers(0, 99))
def test_typo_swaps_one_neighbouring_pair_within_one_word(text: str, seed: int) -> None:
    found = changed("typo", text, seed)
    places = [at for at, (a, b) in enumerate(zip(text, found, strict=True)) if a != b]
    if not places:
        assert found == text
        return
    first, second = places
    assert second == first + 1
    assert (found[first], found[second]) == (text[second], text[first])
    assert text[first - 1 : second + 1].isalpha()  # so the word's first letter stays


def test_typos_fall_on_all_words_that_are_long_enough() -> None:
    text = "long words and a tiny one"
    found = [changed("typo", text, seed) for seed in range(60)]
    swapped = {word for other in found for word in other.split()} - {*text.split()}
    assert {len(word) for word in swapped} == {4, 5}
    assert all(word[0] in "lwt" for word in swapped)


@given(TEXTS)
@example('he said "hello."World again')
def test_without_punctuation_the_words_and_numbers_stay(text: str) -> None:
    found = changed("no punctuation", text)
    words = re.compile(r"\w+")
    assert words.findall(found) == words.findall(text)
    assert bool(found.strip()) == bool(text.strip())


def test_marks_within_a_word_or_number_are_no_punctuation() -> None:
    assert changed("no punctuation", "It cost 3.50, e.g. (in U.S. dollars)!") == (
        "It cost 3.50 e.g in U.S dollars"
    )


@given(TEXTS)
def test_doubled_spaces_change_no_word(text: str) -> None:
    found = changed("double spaces", text)
    assert found.split() == text.split()
    assert not re.search(r"\S \S", found)


@pytest.mark.parametrize("short", sorted(WRITTEN_OUT))
def test_contraction_is_written_out_in_its_own_case(short: str) -> None:
    long = WRITTEN_OUT[short]
    assert write_out(f"so {short} go") == f"so {long} go"
    assert write_out(f"{short.capitalize()} go") == f"{long.capitalize()} go"
    assert write_out(short.upper().replace("'", "\u2019")) == long.upper()


@pytest.mark.parametrize("long", sorted(MADE))
def test_contraction_is_made_in_the_same_case(long: str) -> None:
    short = MADE[long]
    assert contract(f"so {long} go") == f"so {short} go"
    assert contract(f"{long.capitalize()} go") == f"{short.capitalize()} go"
    assert contract(f"Yes, {long}.") == f"Yes, {long}."


def test_ambiguous_and_unknown_forms_are_left_alone() -> None:
    for text in ["it's John's", "rock'n'roll", "cant", "I cannot've", "unwe'll"]:
        assert write_out(text) == text


@given(TEXTS)
def test_nothing_is_left_to_contract_or_to_write_out(text: str) -> None:
    assert contract(contract(text)) == contract(text)
    assert write_out(write_out(text)) == write_out(text)


@given(TEXTS, TEXTS, st.integers(0, 99))
def test_names_become_others_of_their_kind_and_nothing_else_changes(
    text: str, pair: str, seed: int
) -> None:
    words = re.compile(r"([^\W\d_]+)")
    found = swap_names((text, pair), seeded(seed))
    mapping: dict[str, str] = {}
    for before, after in zip((text, pair), found, strict=True):
        for old, new in zip(words.split(before), words.split(after), strict=True):
            if old == new:
                continue
            assert KIND_OF[old.lower()] == KIND_OF[new.lower()]
            assert (old.istitle(), old.isupper()) == (new.istitle(), new.isupper())
            assert mapping.setdefault(old.lower(), new.lower()) == new.lower()
    assert not set(mapping.values()) & {word.lower() for word in words.findall(text + " " + pair)}
    assert len(set(mapping.values())) == len(mapping)


def test_names_in_small_letters_count_only_where_there_are_no_capitals() -> None:
    assert swap_names(("Then paris came",), seeded()) == ("Then paris came",)
    assert swap_names(("then paris came",), seeded()) != ("then paris came",)


def test_all_names_of_a_kind_in_one_text_leave_none_to_swap_for() -> None:
    text = " ".join(name.title() for name in KINDS["city"])
    assert swap_names((text,), seeded()) == (text,)


@given(TEXTS, st.integers(0, 99))
@example("10 in 1999, 2099, 1900, 0, 1, 00, 07 and 123456789012345678901234567890", 3)
def test_numbers_become_others_of_as_many_digits(text: str, seed: int) -> None:
    (found,) = swap_numbers((text,), seeded(seed))
    number = re.compile(r"([0-9]+)")
    for old, new in zip(number.split(text), number.split(found), strict=True):
        assert len(old) == len(new)
        if not old.isdecimal() or not old.isascii():
            assert old == new
        elif old != new and len(old) == 4 and 1900 <= int(old) <= 2099:
            assert abs(int(old) - int(new)) <= 9
            assert 1900 <= int(new) <= 2099


def test_numbers_are_swapped_alike_in_both_texts_and_those_in_words_stay() -> None:
    first, second = swap_numbers(("250 of 4x4 in 1984", "250 and 1, 0, 00"), seeded())
    assert first.split()[0] == second.split()[0] != "250"
    assert first.split()[2] == "4x4"
    assert first.split()[-1] != "1984"
    assert second.endswith(" and 1, 0, 00")


@pytest.mark.parametrize("seed", range(5))
def test_neutral_sentence_is_added_to_english_texts_in_their_case(seed: int) -> None:
    after, before = (changed(f"sentence {side}", "The end.", seed) for side in ("after", "before"))
    assert after.removeprefix("The end. ") in NEUTRAL
    assert before.removesuffix(" The end.") in NEUTRAL
    assert changed("sentence after", "and so\n", seed).islower()
    assert changed("sentence after", "Das ist das Ende.", seed) == "Das ist das Ende."


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("it rained today", "it rianed today", ("rained", "rianed")),
        ("it rained", "it rained. More.", ("rained", "rained. More.")),
        ("aa", "aaa", ("aa", "aaa")),
        ("", "new", ("", "new")),
        ("same", "same", None),
        ("one two three four", "one 2 three 4", ("two three four", "2 three 4")),
    ],
)
def test_difference_is_told_in_whole_words(
    before: str, after: str, expected: tuple[str, str] | None
) -> None:
    assert find_difference(before, after) == expected


def test_change_of_one_word_keeps_to_what_is_read() -> None:
    typo = next(change for change in CHANGES if change.one_place)
    text = "short words " + "far beyond " * 9
    for seed in range(5):
        (changed,) = typo.within(11, (text,), np.random.default_rng(seed))
        assert changed != text
        assert changed[11:] == text[11:]
