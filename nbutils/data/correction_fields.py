"""The fields of a file of corrected labels: what they are called, and what they may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbutils.data.delimited_files import find_delimited_columns
from nbutils.data.text_files import refuse_empty, refuse_other_encodings
from nbutils.errors import DataError, suggest
from nbutils.label_sets import BETWEEN, NO_LABEL

if TYPE_CHECKING:
    from nbutils.data.labelled_texts import LabelledTexts

PARAMETER = "label_corrections"
NEEDED = ("example_id", "text", "corrected_label")
DELETE = "delete"  # in place of a label: leave the text out
Label = int | tuple[int, ...] | None


def find_columns(path: Path) -> list[str]:
    """Return the columns of a file of corrected labels, from its header alone.

    Parameters
    ----------
    path
        A CSV or TSV file.

    Raises
    ------
    DataError
        It is empty, cannot be read, or lacks a column.
    """
    refuse_empty(path)
    refuse_other_encodings(path)
    found = find_delimited_columns(path)
    for name in NEEDED:
        if name not in found:
            raise DataError(
                f"{path}: expected the column {name!r} of label_suspects.csv, found "
                f"{', '.join(map(repr, found[:12]))}; keep its header and the commas"
            )
    return found


def read_id(field: str, *, where: str) -> int:
    """Return the example id of a row.

    Parameters
    ----------
    field
        As it stands in the file.
    where
        The file and the row, for the message.

    Raises
    ------
    DataError
        It is no whole number.
    """
    try:
        return int(field)
    except ValueError:
        raise DataError(
            f"{where}: expected a whole number in column 'example_id', found {field!r}; copy it "
            "from label_suspects.csv"
        ) from None


def refuse_other_text(field: str, own: str, *, where: str) -> None:
    """Refuse a row whose text is not that of its example.

    Parameters
    ----------
    field
        The text in the file.
    own
        The text of that example.
    where
        How the message begins, up to what was expected.

    Raises
    ------
    DataError
        They differ by more than blanks.
    """
    # Spreadsheets change blanks and line ends when they save.
    if own.split() != field.split():
        raise DataError(
            f"{where}, {_short(own)}, found {_short(field)}; the file is of other data, or the "
            "text was edited"
        )


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= 60 else f"{shown[:59]}…")


def read_label(field: str, texts: LabelledTexts, *, where: str) -> Label:
    """Return the label that a `corrected_label` says; None: the text is left out.

    Parameters
    ----------
    field
        As it stands in the file, and not blank.
    texts
        Their label names and their task are read.
    where
        The file and the row, for the message.

    Raises
    ------
    DataError
        There is no such label.
    """
    names = {name: k for k, name in enumerate(texts.label_names)}
    label = field.strip()
    if label == DELETE and DELETE not in names:
        return None
    if texts.task == "single_label":
        return _find_label(label, names, where)
    if label == NO_LABEL and NO_LABEL not in names:
        return ()
    members = [label] if label in names else label.split(BETWEEN.strip())
    found = {_find_label(part.strip(), names, where) for part in members if part.strip()}
    return tuple(sorted(found))


def _find_label(name: str, names: Mapping[str, int], where: str) -> int:
    if name not in names:
        raise DataError(
            f"{where}: {name!r} in column 'corrected_label' is no label of this data"
            f"{suggest(name, [*names, DELETE])}"
        )
    return names[name]


def say_label(label: Label, label_names: Sequence[str]) -> str:
    """Return what `read_label` reads, as a `corrected_label` says it."""
    if label is None:
        return DELETE
    ids = label if isinstance(label, tuple) else (label,)
    return BETWEEN.join(label_names[k] for k in ids) or NO_LABEL
