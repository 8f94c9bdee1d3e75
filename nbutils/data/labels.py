"""From labels as people write them to stable ids 0..K-1 and their names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbutils.errors import DataError
from nbutils.escaping import writable_text

WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d*)")
SINGLE = (str, int, float, bool, type(None))
MANY_CLASSES = 50  # from here on, labels that are nearly all different are taken for no labels


@dataclass(frozen=True)
class NamedLabels:
    """Labels of several parts under one naming.

    Attributes
    ----------
    ids
        One list of class ids per part, each of shape (N,); None where a row has no label.
    names
        Class names; the index is the id.
    notes
        Sentences on what was unified.
    """

    ids: list[list[int | None]]
    names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def name_labels(
    parts: Sequence[Sequence[Any]], *, class_names: Sequence[str] | None, where: str
) -> NamedLabels:
    """Give every label an id that does not depend on the order of the rows.

    Parameters
    ----------
    parts
        Raw labels of each part: training rows, and the rows of splits that are given.
    class_names
        Names that the dataset itself gives its integer labels, which then keep their order.
    where
        File or dataset that errors name.

    Returns
    -------
    NamedLabels
        Strings are sorted as text, whole numbers by value; a mixture counts as text.

    Raises
    ------
    DataError
        A label is a list or an object.
    """
    for part in parts:
        _refuse_nested(part, where)
    distinct = dict.fromkeys(key for part in parts for key in dict.fromkeys(_keys(part)))
    present = {key: key[1] for key in distinct if not is_missing(key[1])}
    shown, notes = _show(list(present.values()), class_names)
    name_of = dict(zip(present, shown, strict=True))
    numeric = bool(shown) and all(WHOLE_NUMBER.fullmatch(name) for name in shown)
    found = set(shown)
    if class_names:
        names = [name for name in class_names if name in found]
        names += sorted(found - set(names))
    else:
        names = sorted(found, key=int) if numeric else sorted(found)
    position = {name: index for index, name in enumerate(names)}
    ids_of = {key: position[name_of[key]] for key in present}
    ids = [list(map(ids_of.get, _keys(part))) for part in parts]
    return NamedLabels(ids, tuple(names), tuple(notes))


def is_missing(label: Any) -> bool:
    """Return whether a raw label says that there is none: null, NaN or blank."""
    if isinstance(label, str):
        return not label.strip()
    return label is None or (isinstance(label, float) and math.isnan(label))


def refuse_unlike_labels(counts: dict[str, int], *, where: str, column: str) -> None:
    """Refuse a label column that cannot be meant: one value, fractions, or nearly all different.

    Parameters
    ----------
    counts
        Examples per class name.
    where, column
        File or dataset, and label column, that the error names.
    """
    total = sum(counts.values())
    if len(counts) == 1:
        raise DataError(
            f"{where}: every example has the label {next(iter(counts))!r} in column {column!r}; a "
            "classifier needs examples of at least two classes: add some, or set label_column"
        )
    if len(counts) > max(MANY_CLASSES, total // 2):
        raise DataError(
            f"{where}: column {column!r} has {len(counts)} different values in {total} examples, "
            "which looks like a number to predict or an identifier, not a class; set label_column"
        )
    part = next((name for name in counts if not _is_whole(name)), None)
    if part is not None and all(_as_number(name) is not None for name in counts):
        raise DataError(
            f"{where}: column {column!r} holds the label {part}, which looks like a number to "
            "predict, not a class; name the classes by words or whole numbers, or set label_column"
        )


def _as_number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def _is_whole(name: str) -> bool:
    number = _as_number(name)
    return number is not None and number.is_integer()


def _keys(part: Sequence[Any]) -> Iterator[tuple[type, Any]]:
    # 1 == True == 1.0 in Python: the type keeps them apart until it is known what the column is.
    return zip(map(type, part), part, strict=True)


def _refuse_nested(part: Sequence[Any], where: str) -> None:
    nested = {kind for kind in set(map(type, part)) if not issubclass(kind, SINGLE)}
    if nested:
        row = next(row for row, label in enumerate(part, start=1) if type(label) in nested)
        raise DataError(
            f"{where}, row {row}: expected one label, a string or a number, found "
            f"{type(part[row - 1]).__name__}; for texts with several labels set task to "
            "multi_label, else set label_column to a column with one"
        )


def _show(labels: list[Any], class_names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the name of each distinct label, and notes on what was unified."""
    notes = []
    shown = [_text(label) for label in labels]
    if any(isinstance(label, str) and label != label.strip() for label in labels):
        notes.append("Blanks around labels were removed.")
    whole = {str(label).strip() for label in labels}
    if len({writable_text(name) for name in whole}) < len(whole):
        notes.append(
            "Some labels differ in halves of surrogate pairs only, which no file can hold: each "
            "half is read as U+FFFD, so they are one class."
        )
    if class_names:
        shown = [_class_name(name, class_names) for name in shown]
    texts = [not WHOLE_NUMBER.fullmatch(name) for name in shown]
    strings = [isinstance(label, str) for label in labels]
    if any(strings) and not all(strings) and any(texts):
        notes.append("Labels mix numbers and strings: all are read as strings.")
    if len({name.casefold() for name in shown}) < len(set(shown)):
        notes.append("Some labels differ in upper and lower case only: they are separate classes.")
    return shown, notes


def _text(label: Any) -> str:
    if isinstance(label, float) and label.is_integer():
        return str(int(label))  # a column of whole numbers with gaps is stored as floats
    return writable_text(str(label)).strip()


def _class_name(name: str, class_names: Sequence[str]) -> str:
    if name not in class_names and WHOLE_NUMBER.fullmatch(name) and int(name) >= 0:
        return class_names[int(name)] if int(name) < len(class_names) else name
    return name
