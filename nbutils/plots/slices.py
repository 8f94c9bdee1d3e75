"""Plot of the slices that fail more than the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbutils.plots.figure import (
    WIDTH,
    axes_for,
    describe,
    label_rows,
    legend_above,
    percent,
    row_height,
    styled,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import INK, MUTED, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from nbutils.analysis.slices import Slices

MOST_ROWS = 15
NAME_WIDTH = 34  # columns


@styled
def plot_slices(found: Slices, *, ax: Axes | None = None) -> Axes | None:
    """Draw the error rate of each slice on its interval, and the rate that it is compared with.

    Parameters
    ----------
    found
        The slices; the first 15 are drawn.
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes or None
        None where there is no slice to draw.
    """
    shown = found.table.head(MOST_ROWS)
    if shown.empty:
        return None
    ax = axes_for(ax, width=WIDTH, height=row_height(len(shown)) + 0.2)
    rows = range(len(shown))
    ax.hlines(rows, shown["low"], shown["high"], color=ORANGE.light, linewidth=3.2, alpha=0.38)
    ax.plot(shown["rate"], rows, "o", color=ORANGE.light, markersize=6, label="slice")
    alike = shown["expected"].notna().all()
    ax.plot(
        _compared(shown), rows, "|", color=INK.light, markersize=11, markeredgewidth=1.6,
        label="other texts of its classes" if alike else "all other texts",
    )  # fmt: skip
    for row, n in enumerate(shown["n"]):
        ax.annotate(
            f"{n:,}", (1.02, row), xycoords=("axes fraction", "data"), va="center", size=8.5,
            color=MUTED.light, annotation_clip=False,
        )  # fmt: skip
    label_rows(ax, shorten_all(shown["slice"], width=NAME_WIDTH))
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("error rate (right: number of texts)")
    legend_above(ax)
    return describe(ax, title="Slices that fail more than the rest", alt=_say(found))


def _say(found: Slices) -> str:
    first = found.table.head(MOST_ROWS)
    named = zip(shorten_all(first["slice"]), first["rate"], _compared(first), strict=True)
    words = [f"{name} {percent(rate)} against {percent(rest)}" for name, rate, rest in named]
    others = "those they are compared with"
    return f"Error rates of {len(first)} slices and of {others}: {'; '.join(words)}."


def _compared(table: pd.DataFrame) -> pd.Series[float]:
    return table["expected"].fillna(table["rest_rate"])
