"""Plot of the accuracy by how much of a text is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbutils.plots.data import plot_score_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nbutils.analysis.truncation import Truncation


def plot_accuracy_by_cut(found: Truncation, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy on texts that are read whole, and on those that lose more and more.

    Parameters
    ----------
    found
        The audit.
    ax
        Axes to draw on; none: a new figure.
    """
    shares = found.shares
    names = [f"{cut} ({n:,} texts)" for cut, n in zip(shares["cut"], shares["n"], strict=True)]
    title = "Accuracy by the share of a text that is not read"
    return plot_score_intervals(shares.assign(name=names), title=title, ax=ax)
