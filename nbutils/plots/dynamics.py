"""Plot of the map of the training texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbutils.plots.figure import axes_for, describe, legend_above, percent, styled
from nbutils.plots.palette import BLUE, GREEN, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nbutils.analysis.cartography import TrainingMap

MOST_POINTS = 1500  # more would make the page heavy and the plot no clearer
MARKS = {"easy": (BLUE, "o"), "ambiguous": (GREEN, "^"), "hard": (ORANGE, "s")}


@styled
def plot_training_map(found: TrainingMap, *, ax: Axes | None = None) -> Axes:
    """Draw each training text at its mean confidence and variability, by region.

    Parameters
    ----------
    found
        The map; of more than 1,500 texts a seeded sample is drawn, of each region its share.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.6)
    counts, n = found.counts(), len(found.table)
    random = np.random.default_rng(0)
    for region in MARKS:
        rows = found.table[found.table["region"] == region]
        most = -(-MOST_POINTS * len(rows) // max(n, MOST_POINTS))
        rows = rows.iloc[np.sort(random.permutation(len(rows))[:most])]
        colour, marker = MARKS[region]
        ax.scatter(
            rows["variability"].round(3), rows["confidence"].round(3), s=13, alpha=0.55,
            color=colour.light, marker=marker, label=f"{region} ({counts[region]:,})",
        )  # fmt: skip
    ax.set(xlabel="variability from epoch to epoch", ylabel="mean probability of the label")
    ax.set(xlim=(-0.015, 0.515), ylim=(-0.03, 1.03))
    legend_above(ax)
    shares = ", ".join(
        f"{counts[region]:,} {region} ({percent(counts[region] / max(n, 1))})" for region in MARKS
    )
    title = "Which training texts were learnt"
    return describe(
        ax, title=title, alt=f"{n:,} training texts over {found.epochs} epochs: {shares}."
    )
