"""What the cells of a confusion show where they can be pressed: counts, colours and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nbutils.analysis.confused_classes import ConfusedClasses, ConfusedLabels
from nbutils.analysis.mistake_groups import OUTCOMES, say_cell
from nbutils.escaping import visible_text
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import ON_HIGH, ON_LOW, RIGHT, WRONG
from nbutils.plots.squares import LEVELS, grade_cells

LONGEST_NAME = 80  # characters of a name that is read out
NAME_WIDTH = 20  # columns of a name where it is seen


@dataclass(frozen=True)
class GridCell:
    """One number of a confusion.

    Attributes
    ----------
    cell
        As in `nbutils.analysis.confusion_cells`.
    count
        Texts in it.
    said
        The same in words.
    colours
        Ground and ink, which are legible on each other in any theme; None: those of the theme.
    """

    cell: tuple[int, int]
    count: int
    said: str
    colours: tuple[str, str] | None = None


@dataclass(frozen=True)
class Grid:
    """Rows of numbers with the names of rows and columns.

    Attributes
    ----------
    row_names, column_names
        Of R rows and C columns, as they fit.
    rows
        R rows of C cells.
    caption
        What the numbers are.
    """

    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    rows: tuple[tuple[GridCell, ...], ...]
    caption: str


def lay_out(found: ConfusedClasses | ConfusedLabels) -> Grid:
    """Return the cells of a confusion matrix, or of what became of each label.

    Parameters
    ----------
    found
        Of many classes those confused most are laid out, of many labels those with most mistakes.
    """
    return _labels(found) if isinstance(found, ConfusedLabels) else _classes(found)


def _classes(found: ConfusedClasses) -> Grid:
    kept = list(found.block)
    every = shorten_all(found.label_names, width=NAME_WIDTH)
    names = tuple(every[k] for k in kept)
    caption = "Texts by true class (rows) and predicted class (columns)"
    if not found.is_whole:
        caption += f": the {len(kept)} classes confused most, of {len(found.label_names)}"
    return Grid(names, names, tuple(tuple(row) for row in _class_rows(found, kept)), caption)


def _class_rows(found: ConfusedClasses, kept: list[int]) -> Iterator[list[GridCell]]:
    shares = found.matrix / np.maximum(found.matrix.sum(axis=1, keepdims=True), 1)
    levels = grade_cells(shares[np.ix_(kept, kept)])
    for true, row in zip(kept, levels, strict=True):
        yield [
            GridCell(
                (true, guess),
                count := int(found.matrix[true, guess]),
                _said(found, true, guess, count),
                _colours(int(level), true == guess),
            )
            for guess, level in zip(kept, row, strict=True)
        ]


def _said(found: ConfusedClasses, true: int, guess: int, count: int) -> str:
    names = [visible_text(found.label_names[k][:LONGEST_NAME]) for k in (true, guess)]
    share = count / max(1, int(found.matrix[true].sum()))
    return f"{say_cell(*names)}: {count:,}, {share:.1%} of the row"


def _colours(level: int, right: bool) -> tuple[str, str] | None:
    if not level:
        return None
    ink = ON_LOW if level <= LEVELS // 2 else ON_HIGH
    return (RIGHT if right else WRONG)[level - 1].light, ink.light


def _labels(found: ConfusedLabels) -> Grid:
    worst, total = found.worst, len(found.outcomes)
    labels = found.outcomes["label"]
    names = dict(zip(labels.index, shorten_all(labels, width=NAME_WIDTH), strict=True))
    rows = []
    for k, row in worst.to_dict("index").items():
        name = visible_text(str(row["label"])[:LONGEST_NAME])
        rows.append(
            tuple(
                GridCell((int(str(k)), place), int(row[key]), f"{name} {words}: {int(row[key]):,}")
                for place, (key, words) in enumerate(OUTCOMES.items())
            )
        )
    some = f", the {len(worst)} with most mistakes of {total}" if len(worst) < total else ""
    caption = f"What became of each label, in texts{some}"
    return Grid(
        tuple(names[k] for k in worst.index), tuple(OUTCOMES.values()), tuple(rows), caption
    )
