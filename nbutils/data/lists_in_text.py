"""Lists of labels in the text of a cell, as JSON, Python and so pandas write them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from nbutils.data.labels import is_missing
from nbutils.data.raw_texts import RawTexts
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


def are_lists_in_text(parts: Sequence[RawTexts]) -> bool:
    """Return whether all labels are text that looks like a list, and they are lists indeed.

    They are where each can be read as one, or some hold text in quotes. Classes may be called
    ``[ham]`` and ``[spam]``, also with ``[]`` or ``[1]`` among them.
    """
    found, all_read = False, True
    labels = [label for part in parts for label in part.labels if not is_missing(label)]
    for label in labels:
        if not is_meant_as_list(label):
            return False
        members = read_list(label)
        found, all_read = found or _holds_text(members), all_read and members is not None
    return found or (all_read and bool(labels))


def _holds_text(members: list[Any] | None) -> bool:
    return any(isinstance(member, str) for member in members or ())


def refuse_unreadable_rows(parts: Sequence[RawTexts]) -> None:
    """Refuse the first of labels in text that cannot be read as a list, where others can.

    Parameters
    ----------
    parts
        Of which `are_lists_in_text`.

    Raises
    ------
    DataError
        There is one.
    """
    broken = _find_row(parts, lambda label: read_list(label) is None)
    if broken is None:
        return
    (where, label), listed = broken, _find_row(parts, lambda label: _holds_text(read_list(label)))
    example = f" (a list is in {listed[0]})" if listed else ""
    raise DataError(
        f"{where}: expected a list of labels, found {label!r}; write it like {WRITTEN}{example}, "
        "or set task to single_label if each text has one label, brackets and all"
    )


def _find_row(parts: Sequence[RawTexts], test: Callable[[Any], bool]) -> tuple[str, Any] | None:
    """Return place and label of the first row whose label is not missing and passes a test."""
    for part in parts:
        for row, label in enumerate(part.labels, start=1):
            if not is_missing(label) and test(label):
                return f"{part.where}, row {row}", label
    return None
