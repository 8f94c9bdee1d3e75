"""Plot of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbutils.plots.figure import axes_for, describe, legend_above, plain_number, styled
from nbutils.plots.palette import BLUE, GREEN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROOM = 1.5  # times the first loss that the axis shows; what blows up above it says no more


@styled
def plot_range_test(
    points: pd.DataFrame, *, proposed: float | None, ax: Axes | None = None
) -> Axes:
    """Draw the training loss over a rising learning rate, on a logarithmic axis.

    Parameters
    ----------
    points
        Columns `learning_rate`, `loss` and `smoothed`, as `RangeTest.points` has them.
    proposed
        Learning rate to mark; none: nothing is marked.
    ax
        Axes to draw on; none: a new figure.
    """
    from matplotlib.ticker import NullFormatter

    ax = axes_for(ax, height=3.0)
    rates, smooth = points["learning_rate"], points["smoothed"]
    ax.plot(rates, points["loss"], color=BLUE.light, linewidth=0.9, alpha=0.38)
    ax.plot(rates, smooth, color=BLUE.light, label="training loss, smoothed")
    words = f"{proposed:.2g} is proposed" if proposed else "nothing is proposed"
    if proposed:
        ax.axvline(proposed, color=GREEN.light, linestyle=(0, (4, 3)), label=words)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda rate, _: f"{rate:.0e}".replace("e-0", "e-"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(0, ROOM * float(smooth.iloc[0]))
    ax.yaxis.set_major_formatter(plain_number)
    ax.set(xlabel="learning rate", ylabel="training loss")
    legend_above(ax)
    at = int(smooth.to_numpy().argmin())
    alt = (
        f"Training loss while the learning rate rises from {rates.iloc[0]:.2g} to "
        f"{rates.iloc[-1]:.2g}. It begins at {smooth.iloc[0]:.2g} and is lowest, "
        f"{smooth.iloc[at]:.2g}, at {rates.iloc[at]:.2g}; {words}."
    )
    return describe(ax, title="Learning-rate range test", alt=alt)
