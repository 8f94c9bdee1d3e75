"""Lists of labels in the text of a cell, as JSON, Python and so pandas write them."""

from __future__ import annotations

import ast
import json
import re
from functools import lru_cache
from typing import Any

from nbutils.errors import DataError

WRITTEN = '["a", "b"]'  # a list of labels as messages show it
BEGIN = re.compile(r"\s*\[\s*['\"]")
ESCAPE = r"\\[\\'\"nrtxuU]"
ITEM = (
    rf"u?'[^'\\]*(?:{ESCAPE}[^'\\]*)*'"
    rf'|u?"[^"\\]*(?:{ESCAPE}[^"\\]*)*"'
    r"|-?\d[\d.eE+-]*|None|True|False"
)
# Not all that Python reads: to it 'a' 'b', as numpy writes an array, is one string.
PYTHON_LIST = re.compile(rf"\[\s*(?:(?:{ITEM})\s*,\s*)*(?:{ITEM})?\s*\]")


def looks_like_a_list(label: str) -> bool:
    """Return whether a label begins and ends with brackets, as ``[ham]`` does too."""
    return label.lstrip().startswith("[") and label.rstrip().endswith("]")


def is_cut_short(label: str) -> bool:
    """Return whether a label begins as a list of text in quotes does, and does not end as one."""
    return BEGIN.match(label) is not None and not looks_like_a_list(label)


def is_meant_as_list(label: Any) -> bool:
    """Return whether a label is text that looks like a list, be it cut short."""
    return isinstance(label, str) and (looks_like_a_list(label) or is_cut_short(label))


def read_list(label: str) -> list[Any] | None:
    """Return the members of a list in text; None: it is none that can be read."""
    found = _read_list(label) if looks_like_a_list(label) else None
    return None if found is None else list(found)


@lru_cache(maxsize=10_000)  # a million rows hold few different lists
def _read_list(label: str) -> tuple[Any, ...] | None:
    try:
        return tuple(json.loads(label))
    except (ValueError, RecursionError):
        pass
    if PYTHON_LIST.fullmatch(label.strip()) is None:
        return None
    try:
        return tuple(ast.literal_eval(label.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def refuse_broken_list(label: Any, where: str) -> None:
    """Refuse text that is meant as a list and cannot be read as one.

    Parameters
    ----------
    label
        A label.
    where
        File and row that the error names.

    Raises
    ------
    DataError
        It is such a text.
    """
    if is_meant_as_list(label) and read_list(label) is None:
        raise DataError(
            f"{where}: expected a list of labels, found {label!r}; write it like {WRITTEN}"
        )
