"""A file of corrected labels that is written one correction at a time, for data prep to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nbutils.artifacts import write_text
from nbutils.data.correction_fields import (
    NEEDED,
    PARAMETER,
    Label,
    find_columns,
    read_id,
    read_label,
    refuse_other_text,
    say_label,
)
from nbutils.data.delimited_files import DELIMITERS, read_fields
from nbutils.errors import DataError
from nbutils.label_sets import say_labels
from nbutils.locks import changing

if TYPE_CHECKING:
    import pandas as pd

    from nbutils.data.labelled_texts import LabelledTexts

ID, _, FILLED = NEEDED
OWN = (ID, "split", "text", "text_pair", "label", FILLED)  # what a row says of its text
Row = dict[str, str]


@dataclass(frozen=True)
class FilledIn:
    """What a file of corrected labels says.

    Attributes
    ----------
    labels
        By example id, of the texts that are here: a label's id, or a tuple of ids; None: the text
        is to be left out.
    elsewhere
        Corrections of texts that are not here: left out already, dropped as copies, sampled away.
    """

    labels: Mapping[int, Label]
    elsewhere: int = 0

    def __len__(self) -> int:
        return len(self.labels) + self.elsewhere


class CorrectionsFile:
    """Corrected labels in a CSV or TSV file with the columns of `label_suspects.csv`.

    The file is read again before each change, and written whole or not at all; writers at the same
    time take turns. Rows and columns that others put there stay. A file of other data is refused,
    and left as it is.

    Parameters
    ----------
    path
        Need not exist yet, nor its folder.
    texts
        With a split in every row.

    Raises
    ------
    DataError
        The path is of no CSV or TSV file.
    """

    def __init__(self, path: Path | str, texts: LabelledTexts) -> None:
        self.path = Path(path).expanduser().resolve()
        self.texts = texts
        if self.path.suffix.lower() not in DELIMITERS or self.path.is_dir():
            raise DataError(f"{PARAMETER} {str(path)!r}: expected the path of a CSV or TSV file")

    def read(self) -> FilledIn:
        """Return the corrections, checked against the texts; none where there is no file.

        Raises
        ------
        DataError
            It cannot be read, or is of other data.
        """
        return self._check(self._load()[1])

    def correct(self, example_id: int, label: Label) -> FilledIn:
        """Write the corrected label of a text, in place of an earlier correction.

        Parameters
        ----------
        example_id
            Of a text that is here.
        label
            A label's id, or a tuple of ids; None: leave the text out.

        Returns
        -------
        FilledIn
            What the file says now.

        Raises
        ------
        DataError
            There is no such text, the file cannot be read or is of other data, or the label's name
            cannot be told in it.
        """
        said = self._say(label)
        with changing(self.path):
            columns, rows = self._load()
            self._check(rows)
            own = [row for row in rows if int(row[ID]) == example_id]
            if not own:
                own = [self._new_row(example_id, columns)]
                rows.extend(own)
            for row in own:
                row[FILLED] = said
            return self._write(columns, rows)

    def take_back(self, example_id: int) -> FilledIn:
        """Take a correction out of the file; the text keeps its label.

        Raises
        ------
        DataError
            There is none of this text, or the file cannot be read or is of other data.
        """
        with changing(self.path):
            columns, rows = self._load()
            self._check(rows)
            own = [row for row in rows if int(row[ID]) == example_id and row[FILLED].strip()]
            if not own:
                raise DataError(f"{self.path}: example {example_id} has no correction to take back")
            for row in own:
                row[FILLED] = ""
            return self._write(columns, [row for row in rows if row not in own or _says_more(row)])

    def _load(self) -> tuple[list[str], list[Row]]:
        """Return the columns of the file, and its rows; a new file has none."""
        if not self.path.exists():
            pair = ["text_pair"] if "text_pair" in self.texts.frame else []
            return [ID, "split", "text", *pair, "label", FILLED], []
        columns = find_columns(self.path)
        if len(set(columns)) < len(columns):
            raise DataError(f"{self.path}: expected each column once, found {', '.join(columns)}")
        fields = zip(*read_fields(self.path, columns), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in fields]
        for number, row in enumerate(rows, start=1):
            row[ID] = str(read_id(row[ID], where=f"{self.path}, row {number}"))
        return columns, rows

    def _check(self, rows: Sequence[Row]) -> FilledIn:
        places = self._places_of([int(row[ID]) for row in rows])
        found: dict[int, Label] = {}
        for number, (row, place) in enumerate(zip(rows, places, strict=True), start=1):
            where = f"{self.path}, row {number}"
            if place >= 0:
                self._refuse_other_texts(row, place, where)
            if not row[FILLED].strip():
                continue
            label = read_label(row[FILLED], self.texts, where=where)
            if found.setdefault(int(row[ID]), label) != label:
                raise DataError(
                    f"{where}: example {row[ID]} has another {FILLED} in a row above; keep one"
                )
        here = {int(row[ID]) for row, place in zip(rows, places, strict=True) if place >= 0}
        if rows and not here and any(label is not None for label in found.values()):
            raise DataError(
                f"{self.path}: none of its {len(rows):,} rows is of a text that is here; the file "
                "is of other data: name another file"
            )
        labels = {example: label for example, label in found.items() if example in here}
        return FilledIn(labels, len(found) - len(labels))

    def _refuse_other_texts(self, row: Row, place: int, where: str) -> None:
        for name, own in self._texts.items():
            if name in row:
                begin = f"{where}: expected the {name} of example {row[ID]}"
                refuse_other_text(row[name], str(own.iat[place]), where=begin)

    def _write(self, columns: Sequence[str], rows: Sequence[Row]) -> FilledIn:
        stream = io.StringIO()
        delimiter = DELIMITERS[self.path.suffix.lower()]
        # every field in quotes: csv leaves a lone carriage return bare, which ends the row
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        writer.writerows([row[name] for name in columns] for row in rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, stream.getvalue())
        return self._check(rows)

    def _new_row(self, example_id: int, columns: Sequence[str]) -> Row:
        (place,) = self._places_of([example_id])
        if place < 0:
            raise DataError(f"there is no example {example_id} in {self.texts.source}")
        own = self.texts.frame.iloc[[place]]
        said = say_labels(own["label"], self.texts.label_names)
        told = own.assign(label=said).iloc[0]
        blank = dict.fromkeys(columns, "")
        return blank | {name: str(told[name]) for name in OWN if name in blank and name in told}

    def _say(self, label: Label) -> str:
        said = say_label(label, self.texts.label_names)
        if not said.strip() or self._understood(said) != label:
            raise DataError(
                f"{said!r} cannot be told from another label, or from none, in column {FILLED!r}; "
                "rename the label in the data"
            )
        return said

    def _understood(self, said: str) -> Label | str:
        try:
            return read_label(said, self.texts, where=str(self.path))
        except DataError:
            return "nothing"

    def _places_of(self, example_ids: Sequence[int]) -> list[int]:
        """Return the position of each text; -1 where it is not here."""
        return [self._place_of.get(example_id, -1) for example_id in example_ids]

    @cached_property
    def _place_of(self) -> dict[int, int]:
        return {example: place for place, example in enumerate(self.texts.frame[ID].tolist())}

    @property
    def _texts(self) -> dict[str, pd.Series[str]]:
        frame = self.texts.frame
        return {name: frame[name] for name in ("text", "text_pair") if name in frame}


def parameter_line(path: Path) -> str:
    """Return the lines of a study file that make data prep read these corrections."""
    return f"data_prep:\n  {_parameter(path)}"


def say_parameter(path: Path) -> str:
    """Return where data prep is told to read these corrections: in a study file, in a form."""
    return (
        f"by data_prep: {{{_parameter(path)}}} in a study file, or by {path} in the form of "
        f"01_data_prep, field {PARAMETER}"
    )


def _parameter(path: Path) -> str:
    import json

    # JSON is YAML too, whatever the path holds
    return f"{PARAMETER}: {json.dumps(str(path), ensure_ascii=False)}"


def _says_more(row: Row) -> bool:
    return any(field.strip() for name, field in row.items() if name not in OWN)
