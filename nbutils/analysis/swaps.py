"""Names and numbers of a text, swapped for others of their kind.

The same name becomes the same other name everywhere in a text, and in both texts of a pair.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

Texts = tuple[str, ...]

# First names and cities that are no other English words: "Mark" and "Reading" are.
NAMES = {
    "woman": "Mary Susan Linda Karen Sarah Nancy Jessica Laura Anna Emma Julia Helen Maria Claire "
    "Sophie Rachel Rebecca Elizabeth Catherine Margaret Jennifer Michelle Amanda Fiona",
    "man": "John James Robert Michael David Richard Thomas Charles Daniel Matthew Andrew Paul "
    "Steven Kevin Brian George Edward Peter Simon Stephen Anthony Alan Tony Gordon",
    "city": "London Paris Berlin Madrid Rome Vienna Moscow Tokyo Beijing Sydney Toronto Chicago "
    "Boston Dublin Lisbon Athens Oslo Warsaw Prague Budapest Stockholm Cairo Nairobi Mumbai",
}
KINDS = {kind: tuple(names.lower().split()) for kind, names in NAMES.items()}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
WORD = re.compile(r"[^\W\d_]+")
NUMBER = re.compile(r"(?<![^\W_])[0-9]+(?![^\W_])")  # not the 4 of "4x4"
FIRST_YEAR, LAST_YEAR, YEARS = 1900, 2099, 9


def swap_names(texts: Texts, random: np.random.Generator) -> Texts:
    """Return texts whose first names and cities, of those known here, are others.

    Only capitalised ones are taken for names, unless the texts have no capitals at all.

    Parameters
    ----------
    texts
        One text, or both of a pair.
    random
        What the other names are drawn from.
    """
    words = {word.lower() for text in texts for word in WORD.findall(text)}
    small = not any(text != text.lower() for text in texts)
    others: dict[str, str] = {}

    def swap(found: re.Match[str]) -> str:
        name = found[0].lower()
        if name not in KIND_OF or not (small or _is_capitalised(found[0])):
            return found[0]
        if name not in others:
            free = [n for n in KINDS[KIND_OF[name]] if n not in words | {*others.values()}]
            others[name] = str(random.choice(free)) if free else name
        return _with_case_of(found[0], others[name])

    return _replace(WORD, swap, texts)


def swap_numbers(texts: Texts, random: np.random.Generator) -> Texts:
    """Return texts whose numbers are others, with as many digits.

    A year of this century or the last becomes one at most nine years away. Numbers that are part of
    a word stay, as do 0 and 1, which are often no amounts.

    Parameters
    ----------
    texts
        One text, or both of a pair.
    random
        What the other numbers are drawn from.
    """
    others: dict[str, str] = {}

    def swap(found: re.Match[str]) -> str:
        number = found[0]
        if number not in others:
            others[number] = _other_number(number, random)
        return others[number]

    return _replace(NUMBER, swap, texts)


def _replace(pattern: re.Pattern[str], swap: Callable[[re.Match[str]], str], texts: Texts) -> Texts:
    return tuple(pattern.sub(swap, text) for text in texts)


def _is_capitalised(word: str) -> bool:
    return word.istitle() or (word.isupper() and len(word) > 1)


def _with_case_of(word: str, other: str) -> str:
    if word.islower():
        return other
    return other.upper() if word.isupper() else other.title()


def _other_number(number: str, random: np.random.Generator) -> str:
    if number in {"0", "1"} or not number.strip("0"):
        return number
    if len(number) == len(str(LAST_YEAR)) and FIRST_YEAR <= int(number) <= LAST_YEAR:
        near = range(max(FIRST_YEAR, int(number) - YEARS), min(LAST_YEAR, int(number) + YEARS) + 1)
        return str(random.choice([year for year in near if year != int(number)]))
    zeros = len(number) - len(number.lstrip("0"))
    first = random.choice([digit for digit in "23456789" if digit != number[zeros]])
    rest = random.integers(10, size=len(number) - zeros - 1)
    return number[:zeros] + str(first) + "".join(map(str, rest))
