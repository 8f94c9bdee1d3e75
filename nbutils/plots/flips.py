"""Plot of how often small changes flip predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbutils.plots.figure import (
    axes_for,
    describe,
    label_rows,
    percent,
    row_height,
    styled,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import BLUE, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nbutils.analysis.perturbations import Perturbations

NARROWEST = 0.1  # right end of the axis at least: a robust model's dots stand at its left


@styled
def plot_flip_rates(found: Perturbations, *, ax: Axes | None = None) -> Axes:
    """Draw the flip rate of each kind of change on its interval, the highest on top.

    Parameters
    ----------
    found
        Kinds of change that the model cannot see are left out.
    ax
        Axes to draw on; none: a new figure.
    """
    seen = found.kinds[found.kinds["read"] > 0]
    seen = seen.sort_values(["rate", "high"], ascending=False, kind="stable")
    rows = np.arange(len(seen))
    ax = axes_for(ax, height=row_height(len(seen)))
    ax.hlines(rows, seen["low"], seen["high"], color=BLUE.light, linewidth=3.2, alpha=0.38)
    ax.plot(seen["rate"], rows, "o", color=BLUE.light, markersize=6, clip_on=False)
    label_rows(ax, shorten_all(seen["change"]))
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    right = max(NARROWEST, 1.05 * float(seen["high"].max() if len(seen) else 0.0))
    ax.set_xlim(-0.02 * right, right)
    ax.set_xlabel("predictions that became others")
    counts = [f"{flips} of {n}" for flips, n in zip(seen["flips"], seen["read"], strict=True)]
    for row, count in zip(rows, counts, strict=True):
        ax.annotate(
            count,
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            size=8.5,
            color=MUTED.light,
            annotation_clip=False,
        )
    told = "; ".join(f"{name} {count}" for name, count in zip(seen["change"], counts, strict=True))
    alt = f"Predictions that became others under small changes: {told or 'no change is seen'}."
    return describe(ax, title="How often small changes flip predictions", alt=alt)
