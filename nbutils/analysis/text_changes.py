"""Small changes of a text that should not change its label.

Ribeiro, Wu, Guestrin and Singh, "Beyond accuracy: behavioral testing of NLP models with
CheckList", 2020, call them invariance tests. Each change takes one text or both of a pair, and
returns them as they are where it finds nothing to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nbutils.analysis.contractions import contract, write_out
from nbutils.analysis.swaps import Texts, swap_names, swap_numbers

Random = np.random.Generator

FEWEST_LETTERS = 4  # of a word with a typo: a shorter one becomes another word
LETTERS = re.compile(rf"[^\W\d_]{{{FEWEST_LETTERS},}}")
MARKS = re.compile('[.,;:!?"()\\[\\]{}\u2026\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002]+')
SPACE = re.compile(r"(?<=\S) (?=\S)")
ENGLISH = re.compile(r"\b(?:the|and|of|with|this)\b", re.IGNORECASE)
NEUTRAL = (
    "This was written on a weekday.",
    "There is nothing more to add here.",
    "The rest can be found elsewhere.",
)


@dataclass(frozen=True)
class Change:
    """A kind of change.

    Attributes
    ----------
    name
        Two or three words.
    what
        What it does, as a clause: "one word has two neighbouring letters swapped".
    apply
        Takes the texts and what is drawn from.
    remedy
        What makes a model mind it less, as an imperative sentence without its full stop.
    one_place
        Whether it touches a single word, so that it can be kept to what is read of a text.
    pairs
        Whether it leaves the label of a pair of texts alone, too.
    """

    name: str
    what: str
    apply: Callable[[Texts, Random], Texts]
    remedy: str
    one_place: bool = False
    pairs: bool = True

    def within(self, reach: int, texts: Texts, random: Random) -> Texts:
        """Return texts changed where they are read, if that can be chosen.

        Parameters
        ----------
        reach
            Characters of a single text that are read; a change of one word keeps to them.
        texts
            A text, or both of a pair.
        random
            What is drawn from.
        """
        if not self.one_place or len(texts) > 1:
            return self.apply(texts, random)
        (text,) = texts
        (changed,) = self.apply((text[:reach],), random)
        return (changed + text[reach:],)


def lower_case(texts: Texts, _: Random) -> Texts:
    """Return the texts in small letters; letters that would not come back are left."""
    return tuple(_each_letter(text, str.lower) for text in texts)


def upper_case(texts: Texts, _: Random) -> Texts:
    """Return the texts in capitals; letters that would not come back are left."""
    return tuple(_each_letter(text, str.upper) for text in texts)


def _each_letter(text: str, change: Callable[[str], str]) -> str:
    if text.isascii():
        return change(text)
    return "".join(_same_letter(sign, change(sign)) for sign in text)


def _same_letter(sign: str, other: str) -> str:
    whole = len(other) == 1 and other.lower() == sign.lower() and other.upper() == sign.upper()
    return other if whole else sign


def make_typo(texts: Texts, random: Random) -> Texts:
    """Return the texts with two neighbouring letters of one word swapped, never its first one."""
    places = [
        (number, found.start(), pairs)
        for number, text in enumerate(texts)
        for found in LETTERS.finditer(text)
        if (pairs := _unequal_pairs(found[0]))
    ]
    if not places:
        return texts
    number, start, pairs = places[random.integers(len(places))]
    at = start + pairs[random.integers(len(pairs))]
    text = texts[number]
    changed = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return (*texts[:number], changed, *texts[number + 1 :])


def _unequal_pairs(word: str) -> list[int]:
    small = word.lower()
    # A letter whose small form is longer than it would shift the places.
    if len(small) != len(word):
        return []
    return [at for at in range(1, len(word) - 1) if small[at] != small[at + 1]]


def remove_punctuation(texts: Texts, _: Random) -> Texts:
    """Return the texts without the marks between words; those within a word or number stay."""
    return tuple(map(_without_marks, texts))


def _without_marks(text: str) -> str:
    without = MARKS.sub(_unless_between, text)
    return without if without.strip() else text


def _unless_between(found: re.Match[str]) -> str:
    text, start, end = found.string, found.start(), found.end()
    between = text[max(0, start - 1) : start].isalnum() and text[end : end + 1].isalnum()
    return found[0] if between else ""


def double_spaces(texts: Texts, _: Random) -> Texts:
    """Return the texts with two spaces wherever there was one."""
    return tuple(SPACE.sub("  ", text) for text in texts)


def write_out_contractions(texts: Texts, _: Random) -> Texts:
    """Return the texts with ``do not`` for ``don't``, and the like."""
    return tuple(map(write_out, texts))


def make_contractions(texts: Texts, _: Random) -> Texts:
    """Return the texts with ``don't`` for ``do not``, and the like."""
    return tuple(map(contract, texts))


def add_sentence_after(texts: Texts, random: Random) -> Texts:
    """Return English texts followed by a sentence that says nothing."""
    return tuple(_joined(text, _neutral(text, random)) for text in texts)


def add_sentence_before(texts: Texts, random: Random) -> Texts:
    """Return English texts preceded by a sentence that says nothing."""
    return tuple(_joined(_neutral(text, random), text) for text in texts)


def _neutral(text: str, random: Random) -> str:
    sentence = str(random.choice(NEUTRAL))
    if not ENGLISH.search(text):
        return ""
    return sentence if text != text.lower() else sentence.lower()


def _joined(first: str, second: str) -> str:
    apart = not first or not second or first[-1].isspace()
    return first + second if apart else f"{first} {second}"


AUGMENT = "Add copies of training texts, changed in the same way, to the training split"

CHANGES = (
    Change(
        "lower case", "all letters are small", lower_case,
        "Lower-case all texts, or take an uncased checkpoint",
    ),
    Change(
        "upper case", "all letters are capitals", upper_case,
        "Lower-case all texts, or take an uncased checkpoint",
    ),
    Change(
        "typo", "one word has two neighbouring letters swapped", make_typo, AUGMENT,
        one_place=True,
    ),
    Change("no punctuation", "marks between words are gone", remove_punctuation, AUGMENT),
    Change(
        "double spaces", "two spaces stand for each one", double_spaces,
        "Replace runs of spaces by one, before training and before predicting",
    ),
    Change(
        "contractions out", "\u201cdon't\u201d is \u201cdo not\u201d", write_out_contractions,
        AUGMENT,
    ),
    Change(
        "contractions made", "\u201cdo not\u201d is \u201cdon't\u201d", make_contractions, AUGMENT,
    ),
    Change(
        "other names", "first names and cities are others", swap_names,
        "Add copies of training texts in which names are others, drawn at random",
    ),
    Change(
        "other numbers", "numbers are others of as many digits", swap_numbers,
        "Add copies of training texts in which numbers are others, drawn at random",
    ),
    Change(
        "sentence before", "a neutral sentence comes first", add_sentence_before, AUGMENT,
        pairs=False,
    ),
    Change(
        "sentence after", "a neutral sentence comes last", add_sentence_after, AUGMENT,
        pairs=False,
    ),
)  # fmt: skip


def applicable_changes(*, paired: bool) -> list[Change]:
    """Return the changes that leave the label of a text alone, or that of a pair."""
    return [change for change in CHANGES if change.pairs or not paired]


def find_difference(before: str, after: str) -> tuple[str, str] | None:
    """Return the one stretch in which two texts differ, in whole words; None: they are the same."""
    if before == after:
        return None
    start = _count_common(before, after)
    end = _count_common(before[start:][::-1], after[start:][::-1])
    while start and not before[start - 1].isspace():
        start -= 1
    while end and not before[len(before) - end].isspace():
        end -= 1
    return before[start : len(before) - end], after[start : len(after) - end]


def _count_common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
