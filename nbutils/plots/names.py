"""Names from the data where room is short: cut to fit, and still told apart."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable

from nbutils.escaping import visible_text

NARROWEST = 16  # columns of a name beside a small cell


def shorten(name: object, *, width: int = 26) -> str:
    """Return a label that fits: one line, nothing invisible, at most `width` columns wide.

    What does not fit is cut out of the middle, since names often differ at their end alone.
    """
    whole, most = str(name), 4 * width
    if len(whole) > 2 * most:
        whole = f"{whole[:most]}…{whole[-most:]}"
    text = visible_text(" ".join(whole.split()))
    if len(_first_columns(text, width)) == len(text):
        return text or "(empty)"
    end = _first_columns(text[::-1], 2 * (width - 1) // 5)[::-1]
    return f"{_first_columns(text, width - 1 - _columns(end)).rstrip()}…{end.lstrip()}"


def shorten_all(names: Iterable[object], *, width: int = 26) -> list[str]:
    """Return labels that fit and can be told apart, each at most `width` columns wide.

    Different names that `shorten` makes alike are numbered, in the order of the whole names among
    all that are alike where names are narrowest: so one has the same number in all figures and
    tables of the same names, whatever their width, unless a name already ends in that number.
    """
    whole = [str(name) for name in names]
    shown = {name: shorten(name, width=width) for name in sorted(whole)}
    times, numbers = Counter(shown.values()), Counter[str]()
    taken = {short for short in shown.values() if times[short] == 1}
    for name, short in shown.items():
        narrow = shorten(name, width=min(width, NARROWEST))
        numbers[narrow] += 1
        if times[short] > 1:
            shown[name] = _number(name, numbers[narrow], width=width, taken=taken)
            taken.add(shown[name])
    return [shown[name] for name in whole]


def _number(name: str, first: int, *, width: int, taken: Container[str]) -> str:
    """Return a label that fits with the first number from `first` on that none has."""
    ends = (f" ({number})" for number in itertools.count(first))
    numbered = (f"{shorten(name, width=max(width - len(end), 1))}{end}" for end in ends)
    return next(label for label in numbered if label not in taken)


def _first_columns(text: str, most: int) -> str:
    """Return as much of the beginning of a text as is at most so many columns wide."""
    ends = itertools.accumulate(map(_columns, text))
    return text[: sum(1 for _ in itertools.takewhile(lambda end: end <= most, ends))]


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
