"""CSV and TSV files, row by row, strictly: what is odd is refused by file and line."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nbutils.data.columns import choose_columns
from nbutils.data.raw_texts import RawTexts
from nbutils.data.text_files import read_text, refuse_other_encodings
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_delimited(path: Path, params: DataPrepParams) -> RawTexts:
    """Read the wanted columns of a CSV or TSV file.

    Raises
    ------
    ParameterError
        A named column does not exist.
    DataError
        The file is not UTF-8, or broken; the message names the line and the mend.
    """
    refuse_other_encodings(path)
    try:
        with _any_field_size():
            return _pick_columns(path, params)
    except UnicodeDecodeError:
        read_text(path)  # says which line it is
        raise


def read_fields(path: Path, names: Sequence[str]) -> list[list[str]]:
    """Read some columns of a CSV or TSV file with quoting, a list of fields for each.

    Parameters
    ----------
    path
        A file that `find_delimited_columns` finds these columns in.
    names
        The columns.

    Raises
    ------
    DataError
        The file is not UTF-8, or broken; the message names the line and the mend.
    """
    refuse_other_encodings(path)
    try:
        with _any_field_size():
            rows = _rows(path, DELIMITERS[path.suffix.lower()], csv.QUOTE_MINIMAL)
            header = next(rows)
            return _pick(rows, [header.index(name) for name in names])
    except UnicodeDecodeError:
        read_text(path)  # says which line it is
        raise


def find_delimited_columns(path: Path) -> list[str]:
    """Return the columns that the header names.

    Raises
    ------
    DataError
        There is no header, or it cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _header(file, path, DELIMITERS[path.suffix.lower()])


def _pick_columns(path: Path, params: DataPrepParams) -> RawTexts:
    """Keep the wanted fields of each row alone, and never the whole file as one string."""
    delimiter = DELIMITERS[path.suffix.lower()]
    unquoted = delimiter == "\t" and _is_unquoted(path)
    rows = _rows(path, delimiter, csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL)
    header = next(rows)
    columns = choose_columns(header, params, where=str(path))
    wanted = [name for name in (columns.text, columns.label, columns.text_pair) if name]
    texts, labels, *pairs = _pick(rows, [header.index(name) for name in wanted])
    notes = (f"{path.name} was read as a TSV file without quoting.",) if unquoted else ()
    return RawTexts(texts, labels, pairs[0] if pairs else None, columns, str(path), notes=notes)


def _pick(rows: Iterator[list[str]], places: Sequence[int]) -> list[list[str]]:
    picked: list[list[str]] = [[] for _ in places]
    adders = [(fields.append, place) for fields, place in zip(picked, places, strict=True)]
    for row in rows:
        for add, place in adders:
            add(row[place])
    return picked


def _is_unquoted(path: Path) -> bool:
    """Return whether a TSV file uses quotation marks as plain text, as GLUE's files do.

    Read with quoting, such a file fails, or silently joins all rows between two texts that begin
    and end with a quotation mark.
    """
    with path.open("rb") as binary:
        if not any(b'"' in line for line in binary):
            return False
    try:
        plain = sum(1 for _ in _rows(path, "\t", csv.QUOTE_NONE))
    except DataError:
        return False
    try:
        return sum(1 for _ in _rows(path, "\t", csv.QUOTE_MINIMAL)) < plain
    except DataError:
        return True


def _rows(path: Path, delimiter: str, quoting: Literal[0, 3]) -> Iterator[list[str]]:
    """Yield the header, then every row, checked to be as wide; blank lines are passed over."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        width = len(_header(file, path, delimiter))
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
        start = 1
        try:
            for row in reader:
                if row and len(row) != width:
                    raise DataError(
                        f"{path}, line {start}: expected {width} fields as in the header, "
                        f"found {len(row)}; put double quotes around a text that holds "
                        f"{delimiter!r}, and close them"
                    )
                if row:
                    yield row
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}, line {start}: broken quoting ({error}); a text that holds a double quote "
                'needs quotes around it and the inner one doubled: "a ""word"" here"'
            ) from None


def _header(lines: Iterator[str] | io.TextIOBase, path: Path, delimiter: str) -> list[str]:
    try:
        header = next((row for row in csv.reader(lines, delimiter=delimiter) if row), None)
    except csv.Error as error:
        raise DataError(f"{path}, line 1: the header cannot be read ({error})") from None
    if header is None:
        raise DataError(f"{path}: expected a header line with column names, found blank lines only")
    return header


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Lift the csv module's limit of 128 KiB a field, which is global, and put it back."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
