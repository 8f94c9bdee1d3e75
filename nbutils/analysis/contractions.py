"""English contractions: written out, and made.

Only those that stand for one thing are written out: an apostrophe with an s may be *is*, *has* or
a possessive, and is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NEGATED = (
    *("is", "are", "was", "were", "do", "does", "did", "have", "has", "had"),
    *("would", "should", "could", "must", "need", "might"),
)
IRREGULAR = {"can't": "cannot", "won't": "will not", "shan't": "shall not"}
SHORT = {
    "i'm": "i am",
    **{f"{who}'re": f"{who} are" for who in ("you", "we", "they")},
    **{f"{who}'ll": f"{who} will" for who in ("i", "you", "he", "she", "it", "we", "they")},
}
HAVING = {f"{who}'ve": f"{who} have" for who in ("i", "you", "we", "they")}
BEING = {f"{who}'s": f"{who} is" for who in ("he", "she", "it", "there", "what", "who", "where")}

NEGATIONS = {f"{verb}n't": f"{verb} not" for verb in NEGATED} | IRREGULAR
WRITTEN_OUT = NEGATIONS | SHORT | HAVING
MADE = {long: short for short, long in (NEGATIONS | SHORT | BEING).items()} | {"can not": "can't"}


def _pattern(words: Mapping[str, str], *, ahead: str = "") -> re.Pattern[str]:
    choices = "|".join(re.escape(word).replace("'", "['\u2019]") for word in words)
    return re.compile(rf"(?<![\w'\u2019])(?:{choices})(?![\w'\u2019]){ahead}", re.IGNORECASE)


CONTRACTED = _pattern(WRITTEN_OUT)
CONTRACTIBLE = _pattern(MADE, ahead="(?= [a-zA-Z])")  # "yes, I will." does not become "I'll."


def write_out(text: str) -> str:
    """Return a text with its contractions written out: ``don't`` becomes ``do not``."""
    return CONTRACTED.sub(lambda found: _other_form(found[0], WRITTEN_OUT), text)


def contract(text: str) -> str:
    """Return a text with the contractions that it could have: ``do not`` becomes ``don't``."""
    return CONTRACTIBLE.sub(lambda found: _other_form(found[0], MADE), text)


def _other_form(found: str, forms: Mapping[str, str]) -> str:
    other = forms[found.lower().replace("\u2019", "'")]
    if found.isupper():
        return other.upper()
    return other[0].upper() + other[1:] if found[0].isupper() else other
