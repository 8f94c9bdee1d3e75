"""The test texts behind each number of a confusion.

A cell is a pair: of a true and a predicted class, or of a label and what became of it. None in the
place of either stands for any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.confused_classes import ConfusedClasses, ConfusedLabels
from nbutils.analysis.errors import Errors
from nbutils.analysis.held_out import SplitRows
from nbutils.analysis.listed import Listed
from nbutils.analysis.mistake_groups import OUTCOMES, say_cell
from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.analysis.single_label import SingleLabelErrors
from nbutils.errors import DataError, suggest
from nbutils.label_sets import BoolArray, to_indicators

ANY = "any"
Cell = tuple[int | None, int | None]
Axis = tuple[str, tuple[str, ...]]  # what a part of a cell is, and the names of its values
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ClassCells:
    """Test texts by their true and their predicted class.

    Parameters
    ----------
    errors
        One label per text.
    """

    errors: SingleLabelErrors

    @cached_property
    def found(self) -> ConfusedClasses:
        """How many texts are in each cell."""
        return ConfusedClasses(self.errors.confusion, self.errors.label_names)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Both parts of a cell."""
        return ("true", self.errors.label_names), ("predicted", self.errors.label_names)

    @property
    def worst(self) -> Cell:
        """The most frequent mistake; without any, any cell."""
        counts = self.found.matrix * (1 - np.eye(len(self.found.matrix), dtype=np.int64))
        return divmod(int(counts.argmax()), len(counts)) if counts.any() else (None, None)

    def say(self, cell: Cell) -> str:
        """Return what a cell is, in words."""
        true, guess = (f"{ANY} class" if k is None else self.errors.label_names[k] for k in cell)
        return "all texts" if cell == (None, None) else say_cell(true, guess)

    def choose(self, cell: Cell, *, surest_first: bool) -> Listed:
        """Return the examples of a cell; their confidence is the predicted class's probability."""
        inside = np.ones(len(self._rows), dtype=bool)
        for wanted, own in zip(cell, (self._labels, self._predicted), strict=True):
            inside &= True if wanted is None else own == wanted
        rows = np.flatnonzero(inside)
        return Listed.of(self._rows.ids[rows], self._confidences[rows], surest_first=surest_first)

    def contrast(self, example_id: Any, cell: Cell) -> FloatArray:
        """Return the weights of the logits that say why an example was given its class.

        The predicted class minus the true one, as in `explain_mistakes`; where it is right, minus
        the second most probable.
        """
        row = self._rows.place(example_id)
        said, true = int(self._predicted[row]), int(self._labels[row])
        pred_probs = self._rows.pred_probs_of(row)
        others = [int(k) for k in np.argsort(-pred_probs, kind="stable") if k != said]
        weights = np.zeros(len(pred_probs))
        weights[true if true != said else others[:1]] = -1.0
        weights[said] = 1.0
        return weights

    @cached_property
    def _rows(self) -> SplitRows:
        return SplitRows(self.errors)

    @cached_property
    def _labels(self) -> IntArray:
        return self._rows.column("label").to_numpy(np.int64)

    @cached_property
    def _predicted(self) -> IntArray:
        return self._rows.column("predicted").to_numpy(np.int64)

    @cached_property
    def _confidences(self) -> FloatArray:
        pred_probs = self._rows.pred_probs(self.errors.label_names)
        return np.asarray(pred_probs[np.arange(len(pred_probs)), self._predicted])


@dataclass(frozen=True)
class LabelCells:
    """Test texts by what became of each label: missed, given wrongly, given rightly.

    Parameters
    ----------
    errors
        Any number of labels per text.
    """

    errors: MultiLabelErrors

    @cached_property
    def found(self) -> ConfusedLabels:
        """How many texts are in each cell; pairs, which take long to count, are not."""
        return ConfusedLabels(self.errors.outcomes(), pd.DataFrame())

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Both parts of a cell."""
        return ("label", self.errors.label_names), ("outcome", tuple(OUTCOMES.values()))

    @property
    def worst(self) -> Cell:
        """The most frequent mistake; without any, any cell."""
        counts = self.found.outcomes[["missed", "spurious"]].to_numpy()
        return divmod(int(counts.argmax()), 2) if counts.any() else (None, None)

    def say(self, cell: Cell) -> str:
        """Return what a cell is, in words."""
        label, outcome = cell
        name = f"{ANY} label" if label is None else self.errors.label_names[label]
        words = "missed or given" if outcome is None else self.axes[1][1][outcome]
        return f"{name} {words}"

    def choose(self, cell: Cell, *, surest_first: bool) -> Listed:
        """Return the examples of a cell.

        Their confidence is the probability of the answer, yes or no, that the cell is about; of
        several such answers, that of the surest.
        """
        label, outcome = cell
        columns = slice(None) if label is None else slice(label, label + 1)
        labels, predicted = self._labels[:, columns], self._predicted[:, columns]
        kinds = (labels & ~predicted, ~labels & predicted, labels & predicted)
        inside = labels | predicted if outcome is None else kinds[outcome]
        rows = np.flatnonzero(inside.any(axis=1))
        pred_probs = self._rows.pred_probs(self.errors.label_names[columns])[rows]
        answers = np.where(predicted[rows], pred_probs, 1 - pred_probs)
        confidences = np.where(inside[rows], answers, 0.0).max(axis=1, initial=0.0)
        return Listed.of(self._rows.ids[rows], confidences, surest_first=surest_first)

    def contrast(self, example_id: Any, cell: Cell) -> FloatArray:
        """Return the weights of the logits that say why an example was given its answer.

        The logit of the cell's label, or else of the surest wrong answer; without any, of the most
        probable label. Its sign is turned where the answer is no.
        """
        row = self._rows.place(example_id)
        pred_probs = self._rows.pred_probs_of(row)
        predicted, wrong = self._predicted[row], self._predicted[row] != self._labels[row]
        answers = np.where(predicted, pred_probs, 1 - pred_probs)
        surest = np.where(wrong, answers, -1.0) if wrong.any() else pred_probs
        k = int(surest.argmax()) if cell[0] is None else cell[0]
        weights = np.zeros(len(pred_probs))
        weights[k] = 1.0 if predicted[k] else -1.0
        return weights

    @cached_property
    def _rows(self) -> SplitRows:
        return SplitRows(self.errors)

    @cached_property
    def _labels(self) -> BoolArray:
        own = self._rows.column("label")
        return to_indicators(own, n_labels=len(self.errors.label_names))

    @cached_property
    def _predicted(self) -> BoolArray:
        own = self._rows.column("predicted")
        return to_indicators(own, n_labels=len(self.errors.label_names))


Cells = ClassCells | LabelCells


def find_cells(errors: Errors) -> Cells:
    """Return the test texts of either kind of errors by what was taken for what."""
    return LabelCells(errors) if isinstance(errors, MultiLabelErrors) else ClassCells(errors)


def find_cell(cells: Cells, names: Sequence[str | None]) -> Cell:
    """Return a cell from the names of its parts, None for any.

    Raises
    ------
    DataError
        There is no such name.
    """
    first, second = (_find_value(name, axis) for name, axis in zip(names, cells.axes, strict=True))
    return first, second


def _find_value(name: str | None, axis: Axis) -> int | None:
    if name is None:
        return None
    what, known = axis
    if name not in known:
        raise DataError(f"{what}: there is no {name!r} here{suggest(name, known)}")
    return known.index(name)
