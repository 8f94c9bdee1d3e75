"""Measurements as a notebook shows them, and a word where a run leaves them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nbutils.plots import show
from nbutils.tables import Note, Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def show_plot(
    plot: Callable[..., Axes], measurements: pd.DataFrame, *, title: str, **words: Any
) -> None:
    """Show a plot of measurements, or say that there are none.

    Parameters
    ----------
    plot
        A function of `nbutils.plots.speed`.
    measurements
        What it draws.
    title, **words
        What it is told besides.
    """
    from IPython.display import display

    if measurements.empty:
        display(_left_out(title))
    else:
        show(plot(measurements, title=title, **words))


def tabulate(
    measurements: pd.DataFrame, *, caption: str, percent: Sequence[str] = ()
) -> Table | Note:
    """Return measurements as a table, or a note that there are none."""
    if measurements.empty:
        return _left_out(caption)
    return Table(measurements, caption=caption, percent=percent)


def _left_out(what: str) -> Note:
    return Note(f"{what}: left out of this run.")
