"""Words and values that somebody searches for, looked up in whole columns at once."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.errors import ParameterError

TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')
RANGE = ".."  # between two numbers

Mask = npt.NDArray[np.bool_]


def patterns_of(words: str) -> list[str]:
    """Return a regular expression for each word or phrase that is searched for.

    Parameters
    ----------
    words
        Words between blanks; what stands in double quotes is a phrase, whose words may have any
        blanks and line ends between them.
    """
    terms = [(phrase or word).split() for phrase, word in TERM.findall(words)]
    return [r"\s+".join(map(re.escape, term)) for term in terms if term]


def contains(column: Any, pattern: str) -> Mask:
    """Return for each text whether the expression is found in it, of any case.

    Parameters
    ----------
    column
        N texts, an Arrow array.
    pattern
        One of `patterns_of`.
    """
    from pyarrow import compute

    found = compute.match_substring_regex(column, pattern, ignore_case=True)
    return np.asarray(compute.fill_null(found, False), dtype=bool)


def find_spans(text: str, patterns: list[str]) -> list[tuple[int, int]]:
    """Return where a text holds any of the expressions: starts and ends, in order, apart."""
    if not patterns:
        return []
    return [match.span() for match in re.finditer("|".join(patterns), text, re.IGNORECASE)]


def holds_value(column: pd.Series[Any], asked: str) -> Mask:
    """Return for each row whether it holds what is asked for; what is missing does not.

    Parameters
    ----------
    column
        Of numbers or of strings.
    asked
        Of numbers ``3``, ``2..5``, ``2..`` or ``..5``, ends included; of strings, words that all
        stand in it.

    Raises
    ------
    ParameterError
        It is no number, and no range of them.
    """
    if not pd.api.types.is_numeric_dtype(column):
        found = [contains(to_arrow(column), pattern) for pattern in patterns_of(asked)]
        return np.all(found, axis=0) if found else np.ones(len(column), dtype=bool)
    if not asked.strip():
        return np.ones(len(column), dtype=bool)
    low, high = _read_range(asked)
    return np.asarray(column.between(low, high), dtype=bool)


def to_arrow(column: pd.Series[Any]) -> Any:
    """Return a column of strings as an Arrow array, without a copy where it is one."""
    import pyarrow

    return pyarrow.array(column, from_pandas=True)


def _read_range(asked: str) -> tuple[float, float]:
    first, dots, last = asked.partition(RANGE)
    try:
        low = float(first) if first.strip() else -math.inf
        high = (float(last) if last.strip() else math.inf) if dots else low
    except ValueError:
        raise ParameterError(
            f"expected a number or a range of numbers such as 2{RANGE}5, found {asked!r}"
        ) from None
    return low, high
