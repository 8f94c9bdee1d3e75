"""What somebody thinks of mistakes: the label is wrong, the text is ambiguous, or the model failed.

A CSV file that is written whole after every mark. It is read again before that if somebody else has
changed it; a file that is of other data, or damaged, is left as it is. A mark judges what a model
said of a label: once either is another one, the mark is kept, and does not count any more.
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
from nbutils.locks import changing

MARKS = ("mislabelled", "ambiguous", "model's fault")
FIRST = ("example_id", "split", "label", "predicted", "mark")
JUDGED = {"label": "the label was", "predicted": "the model said"}
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
        self._earlier: dict[int, str] = {}  # by example, when its mark was made

    def __len__(self) -> int:
        """Return how many examples the file has, also those of earlier marks."""
        return len(self._rows)

    def __getitem__(self, example_id: int) -> str | None:
        """Return the mark of an example, None where it has none, or an earlier one."""
        row = self._rows.get(example_id)
        return None if row is None or example_id in self._earlier else str(row["mark"])

    def earlier(self, example_id: int) -> str | None:
        """Return a mark that was made of another prediction or label, and of which; or None."""
        when = self._earlier.get(example_id)
        return None if when is None else f"{self._rows[example_id]['mark']}, made when {when}"

    @property
    def counts(self) -> dict[str, int]:
        """How many examples have each of `MARKS`, without the earlier ones."""
        given = [row["mark"] for key, row in self._rows.items() if key not in self._earlier]
        return {mark: given.count(mark) for mark in MARKS}

    @property
    def n_earlier(self) -> int:
        """How many marks were made of another prediction or label than the example has now."""
        return len(self._earlier)

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
        rows = {} if content is None else self._parse()
        self._rows, self._earlier, self._content = rows, self._find_earlier(rows), content

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
        with changing(self.path):
            self.read()
            if mark == self[example_id] and example_id not in self._earlier:
                return
            rows = {known: row for known, row in self._rows.items() if known != example_id}
            if mark is not None:
                (row,) = self._held_out.find([example_id]).to_dict("records")
                rows[example_id] = {str(key): value for key, value in row.items()} | {"mark": mark}
            self._write(rows)
            self._earlier.pop(example_id, None)

    def _find_earlier(self, rows: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
        now = self._held_out.find(rows).to_dict("records")
        said = {
            example_id: [
                f"{words} {row[name]}"
                for name, words in JUDGED.items()
                if not _same(row[name], own[name])
            ]
            for (example_id, row), own in zip(rows.items(), now, strict=True)
        }
        return {example_id: " and ".join(parts) for example_id, parts in said.items() if parts}

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
            if not _same(row[name], known[name]):
                raise DataError(
                    f"{where}: its {name} is not that of example {row['example_id']} here; the "
                    f"file is of other data, or was edited: {MEND}"
                )


def _same(field: Any, known: Any) -> bool:
    # Spreadsheets change blanks and line ends when they save.
    return str(field).split() == str(known).split()
