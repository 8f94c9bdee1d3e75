"""The corrections that a browser of texts makes: what is on file, and how that is said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nbutils.artifacts import project_dir
from nbutils.data.correction_fields import Label, read_label, say_label
from nbutils.data.corrections_file import CorrectionsFile, FilledIn, say_parameter
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.errors import DataError, suggest
from nbutils.escaping import render_text
from nbutils.views.browsing import render_corrections


class LabelCorrections:
    """Corrected labels of texts, in a file that is written at each of them.

    A file that cannot be used is said to be so, and refused again when something is to be saved.

    Parameters
    ----------
    texts
        With a split in every row.
    path
        A CSV or TSV file; none: `<data>-corrections.csv` in the project.

    Raises
    ------
    DataError
        The path is of no CSV or TSV file.
    """

    def __init__(self, texts: LabelledTexts, path: Path | str | None) -> None:
        self._texts, self._is_given = texts, path is not None
        self._file = CorrectionsFile(path or _default_file(texts.source), texts)
        self._filled, self._refusal = self._read()

    def __len__(self) -> int:
        return len(self._filled)

    @property
    def path(self) -> Path:
        """Where they are, or will be."""
        return self._file.path

    @property
    def labels(self) -> Mapping[int, Label]:
        """The corrected labels of the texts that are here, by example id."""
        return self._filled.labels

    @property
    def names(self) -> dict[int, str]:
        """The same as the file says them."""
        return {example: self.say(label) for example, label in self.labels.items()}

    def say(self, label: Label) -> str:
        """Return a label as the file says it."""
        return say_label(label, self._texts.label_names)

    def find(self, label: str | Sequence[str]) -> Label:
        """Return the label that is said as in the file, or by a list of names.

        Raises
        ------
        DataError
            There is no such label.
        """
        if isinstance(label, str):
            return read_label(label, self._texts, where="correct")
        names = self._texts.label_names
        for name in label:
            if name not in names:
                raise DataError(f"correct: there is no label {name!r}{suggest(name, names)}")
        return tuple(sorted({names.index(name) for name in label}))

    def correct(self, example_id: int, label: Label) -> None:
        """Save a corrected label; see `CorrectionsFile.correct`."""
        self._filled, self._refusal = self._file.correct(example_id, label), ""

    def take_back(self, example_id: int) -> None:
        """Take a correction out of the file; see `CorrectionsFile.take_back`."""
        self._filled, self._refusal = self._file.take_back(example_id), ""

    @property
    def is_read(self) -> bool:
        """Whether data prep has read this file: it is given, and has the name of what was read."""
        return self._is_given and self._texts.corrections.get("file") == self.path.name

    def say_next(self) -> str:
        """Return what makes data prep put in what is saved."""
        if self.is_read:
            return "Data prep reads this file, and puts it in when it runs again."
        return f"Data prep puts it in once it is told to read it, {say_parameter(self.path)}."

    def render(self) -> str:
        """Return how many there are, where, and how data prep reads them, as HTML."""
        if self._refusal:
            return f"<p><b>Not used:</b> {render_text(self._refusal, limit=2000)}</p>"
        told = render_corrections(self._filled, self.path, is_read=self.is_read)
        return self._caution() + told

    def _caution(self) -> str:
        used = self._texts.corrections.get("file")
        if not used or used == self.path.name:
            return ""
        return (
            f"<p><b>Caution:</b> {render_text(used)} has corrected these labels already, and data "
            "prep reads one file alone: go on with that one, given as <code>corrections</code>.</p>"
        )

    def _read(self) -> tuple[FilledIn, str]:
        try:
            return self._file.read(), ""
        except DataError as error:
            return FilledIn({}), str(error)


def _default_file(source: str) -> Path:
    # not among the runs: those are removed when they are old, and this was work
    name = re.sub(r"[^\w.-]+", "-", Path(source).stem).strip("-.") or "label"
    return project_dir() / f"{name}-corrections.csv"
