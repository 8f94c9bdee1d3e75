"""Square matrices with their numbers, and the classes by which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.plots.figure import (
    axes_for,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import (
    GRID,
    INK,
    ON_HIGH,
    ON_LOW,
    RIGHT,
    Colour,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


LEVELS = len(RIGHT)
SMALLEST_TEXT = 6.0  # points
NARROWEST = 4.3  # inches: the title has to fit
SMALLEST_CELL = 14.0  # points
CELL_SIZES = ((4, 0.78), (6, 0.6), (9, 0.5), (14, 0.42), (24, 0.34), (45, 0.2), (10**6, 0.13))


@dataclass(frozen=True)
class Cells:
    """What a square matrix is drawn from.

    Parameters
    ----------
    values, levels
        ``(K, K)`` numbers, and the step of the colour ramp of each, 0 for none.
    ramps
        Colour ramps, each with the cells ``(K, K)`` that it is for.
    as_shares
        Whether the numbers are shares, shown in percent.
    """

    values: NDArray[Any]
    levels: NDArray[Any]
    ramps: Sequence[tuple[Sequence[Colour], NDArray[np.bool_]]]
    as_shares: bool


def grade_cells(values: NDArray[Any]) -> NDArray[Any]:
    """Return ``(K, K)`` steps of the colour ramps, 0 where there is nothing to see.

    Right cells (the diagonal) and wrong ones have a scale each, see `plot_confusion`.
    """
    diagonal = np.eye(len(values), dtype=bool)
    levels = np.zeros(values.shape, dtype=int)
    most_right = values[diagonal].max(initial=0)
    for side, floor in ((diagonal, 0.0), (~diagonal, 0.1 * most_right)):
        largest = max(float(values[side].max(initial=0)), floor)
        if largest > 0:
            levels[side] = np.ceil(LEVELS * values[side] / largest).astype(int)
    return levels


def draw_square(cells: Cells, *, label_names: Sequence[str], ax: Axes | None) -> Axes:
    """Draw a matrix with its numbers and the names of its rows and columns.

    Parameters
    ----------
    cells
        The matrix.
    label_names
        K names.
    ax
        Axes to draw on; none: a new figure whose size follows K.
    """
    count = len(cells.values)
    cell = next(size for most, size in CELL_SIZES if count <= most)
    names = shorten_all(label_names, width=16 if count > 6 else 18)
    turn = _turn(names, points=72 * cell)
    longest = 0.078 * max(map(len, names), default=0)
    below = {0: 0.5, 40: 0.6 + 0.6 * longest, 90: 0.5 + longest}[turn]
    width, height = cell * count + 0.75 + longest, cell * count + 0.45 + below
    ax = axes_for(ax, width=max(NARROWEST, width), height=height)
    _draw_cells(ax, cells)
    _annotate_cells(ax, cells, points=72 * cell)
    _name_classes(ax, names, points=72 * cell)
    return ax


def _draw_cells(ax: Axes, drawn: Cells) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    count = len(drawn.levels)
    gap = 0.03 if count <= 24 else 0.0
    square = np.array([[gap, gap], [1 - gap, gap], [1 - gap, 1 - gap], [gap, 1 - gap], [gap, gap]])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    for level in range(1, LEVELS + 1):
        for ramp, side in drawn.ramps:
            cells = np.argwhere((drawn.levels == level) & side)[:, ::-1]  # (column, row) is (x, y)
            if len(cells):  # one path for all cells of a colour keeps 100 classes small
                corners = (cells[:, None, :] - 0.5 + square).reshape(-1, 2)
                path = Path(corners, codes * len(cells))
                ax.add_patch(PathPatch(path, facecolor=ramp[level - 1].light))
    ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=GRID.light)


def _annotate_cells(ax: Axes, cells: Cells, *, points: float) -> None:
    values = cells.values
    widest = 3 if cells.as_shares else len(f"{int(values.max(initial=0)):,}")
    size = min(11.0, 0.86 * points / (0.62 * max(widest, 2)))
    if size < SMALLEST_TEXT or points < SMALLEST_CELL:
        return
    for (row, column), value in np.ndenumerate(values):
        if value > 0:
            text = _share_in_cell(value) if cells.as_shares else f"{int(value):,}"
            colour = _text_colour(int(cells.levels[row, column])).light
            ax.text(column, row, text, ha="center", va="center", size=size, color=colour)


def _share_in_cell(share: float) -> str:
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def _text_colour(level: int) -> Colour:
    return ON_LOW if level <= LEVELS // 2 else ON_HIGH


def _name_classes(ax: Axes, names: list[str], *, points: float) -> None:
    count = len(names)
    size = min(9.5, 0.78 * points)
    turn = _turn(names, points=points)
    tilt: dict[str, Any] = {"rotation": turn}
    if turn == 40:
        tilt |= {"ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(count), names, size=size, color=INK.light, **tilt)
    ax.set_yticks(range(count), names, size=size, color=INK.light)


def _turn(names: list[str], *, points: float) -> int:
    """Return by how many degrees the names below cells of this width are turned to fit."""
    if max(map(len, names), default=0) * 0.6 * min(9.5, 0.78 * points) < 0.95 * points:
        return 0
    return 90 if len(names) > 14 else 40
