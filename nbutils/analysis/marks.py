"""What somebody thinks of mistakes: the label is wrong, the text is ambiguous, or the model failed.

A CSV file that is written whole after every mark. It is read again before that if somebody else has
changed it; a file that is of other data, or damaged, is left as it is.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nbutils.analysis.held_out import HeldOut
from nbutils.artifacts import write_text
from nbutils.data.delimited_files import find_delimited_columns, read_fields
from nbutils.data.text_files import refuse_empty, refuse_other_encodings
from nbutils.errors import DataError, suggest

MARKS = ("mislabelled", "ambiguous", "model's fault")
FIRST = ("example_id", "split", "label", "predicted", "mark")
MEND = "move it away to begin anew"


class Marks:
    """The marks of a set of predictions, in a file.

    Parameters
    ----------
    path
        A `.csv` file, which need not exist; its folder must.
    held_out
        The examples that can be marked.

    Raises
    ------
    DataError
        The file's name does not end in `.csv`.
    """

    def __init__(self, path: Path, held_out: HeldOut) -> None:
        if path.suffix.lower() != ".csv":
            raise DataError(f"{path}: expected a file for the marks whose name ends in .csv")
        self.path, self._held_out = path, held_out
        self._content: bytes | None = None
        self._rows: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, example_id: int) -> str | None:
        """Return the mark of an example, None where it has none."""
        row = self._rows.get(example_id)
        return None if row is None else str(row["mark"])

    @property
    def counts(self) -> dict[str, int]:
        """How many examples have each of `MARKS`."""
        given = [row["mark"] for row in self._rows.values()]
        return {mark: given.count(mark) for mark in MARKS}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file."""
        return (*FIRST, *self._held_out.text_columns)

    def read(self) -> None:
        """Read the file, unless it is as it was when it was last read or written.

        Raises
        ------
        DataError
            It cannot be read, or a row is of no example here, or of another one than its id says.
        """
        content = self._read_bytes()
        if content == self._content:
            return
        self._rows = {} if content is None else self._parse()
        self._content = content

    def mark(self, example_id: int, mark: str | None) -> None:
        """Mark an example, and save that at once.

        Parameters
        ----------
        example_id
            One of `held_out`.
        mark
            One of `MARKS`; None takes the mark away.

        Raises
        ------
        DataError
            There is no such mark or example, or the file has become one that is not ours.
        """
        if mark is not None and mark not in MARKS:
            raise DataError(f"expected a mark, found {mark!r}{suggest(mark, MARKS)}")
        if example_id not in self._held_out:
            raise DataError(f"example {example_id}: expected the id of a held-out example")
        self.read()
        if mark == self[example_id]:
            return
        rows = {known: row for known, row in self._rows.items() if known != example_id}
        if mark is not None:
            (row,) = self._held_out.find([example_id]).to_dict("records")
            rows[example_id] = {str(name): value for name, value in row.items()} | {"mark": mark}
        self._write(rows)

    def _write(self, rows: dict[int, dict[str, Any]]) -> None:
        table = pd.DataFrame(list(rows.values()), columns=list(self.columns))
        # every string in quotes, as in label_suspects.csv: a bare carriage return would end the row
        text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        write_text(self.path, text)
        self._rows, self._content = rows, text.encode("utf-8")

    def _read_bytes(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); {MEND}") from None

    def _parse(self) -> dict[int, dict[str, Any]]:
        refuse_empty(self.path)
        refuse_other_encodings(self.path)
        header = find_delimited_columns(self.path)
        for name in self.columns:
            if name not in header:
                raise DataError(
                    f"{self.path}: expected the column {name!r} of marked examples, found "
                    f"{', '.join(map(repr, header[:12]))}; {MEND}"
                )
        fields = zip(*read_fields(self.path, self.columns), strict=True)
        rows = [dict(zip(self.columns, values, strict=True)) for values in fields]
        ids = [self._read_id(row["example_id"], number) for number, row in enumerate(rows, 1)]
        known = self._held_out.find(ids).to_dict("records")
        found: dict[int, dict[str, Any]] = {}
        for number, (row, own) in enumerate(zip(rows, known, strict=True), start=1):
            self._check(row, own, number)
            earlier = found.setdefault(own["example_id"], row | {"example_id": own["example_id"]})
            if earlier["mark"] != row["mark"]:
                raise DataError(
                    f"{self.path}, row {number}: example {own['example_id']} has another mark in a "
                    "row above; keep one of them"
                )
        return found

    def _read_id(self, field: str, row: int) -> int:
        if not field.isdecimal() or int(field) not in self._held_out:
            raise DataError(
                f"{self.path}, row {row}: there is no held-out example {field!r} here; the file is "
                f"of other data: {MEND}"
            )
        return int(field)

    def _check(self, row: Mapping[str, str], known: Mapping[Any, Any], number: int) -> None:
        where, mark = f"{self.path}, row {number}", row["mark"]
        if mark not in MARKS:
            raise DataError(f"{where}: expected a mark, found {mark!r}{suggest(mark, MARKS)}")
        for name in self._held_out.text_columns:
            # Spreadsheets change blanks and line ends when they save.
            if str(known[name]).split() != row[name].split():
                raise DataError(
                    f"{where}: its {name} is not that of example {row['example_id']} here; the "
                    f"file is of other data, or was edited: {MEND}"
                )
