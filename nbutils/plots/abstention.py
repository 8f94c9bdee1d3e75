"""What a model gets wrong when it leaves what it is least sure of to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbutils.plots.figure import axes_for, describe, legend_above, percent, styled
from nbutils.plots.palette import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nbutils.analysis.abstention import Abstention


@styled
def plot_coverage_risk(found: Abstention, *, ax: Axes | None = None) -> Axes:
    """Draw the share of wrong answers over the share of texts that are answered.

    Parameters
    ----------
    found
        From `find_abstention`.
    ax
        Axes to draw on; none: a new figure.
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_for(ax, height=3.3)
    curve = found.curve
    band = ax.fill_between(curve["coverage"], curve["low"], curve["high"])
    band.set(color=BLUE.light, alpha=0.22, linewidth=0)
    ax.plot(curve["coverage"], curve["error"], color=BLUE.light, label="test texts, surest first")
    target = ax.axhline(found.target_error, label=f"wanted: {percent(found.target_error)}")
    target.set(color=GREY.light, linewidth=1.4, linestyle=(0, (4, 3)))
    if found.threshold is not None and found.error.n:
        at, error = found.coverage.value, found.error
        ax.vlines([at], error.low, error.high, color=ORANGE.light, linewidth=3, alpha=0.5)
        ax.plot(
            [at], [error.value], "D", color=ORANGE.light, markersize=7, label="at the threshold"
        )
    # The first texts alone say little: their wide intervals must not flatten the rest.
    settled = curve.loc[curve["coverage"] >= 0.2, "high"].max()
    top = max(settled, curve["error"].max(), found.error.high if found.error.n else 0.0)
    ax.set(xlim=(0, 1.02), ylim=(0, min(1.0, 1.1 * max(top, 1.5 * found.target_error))))
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.yaxis.set_major_locator(MaxNLocator(6, prune="lower"))
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, digits=1))
    ax.set(xlabel="share of the texts that is answered", ylabel="share of answers that is wrong")
    legend_above(ax)
    title = "Mistakes by how many texts are answered"
    return describe(ax, title=title, alt=f"{title}. {_in_words(found)}")


def _in_words(found: Abstention) -> str:
    words = f"Answering every text, {percent(found.everything.value)} are wrong."
    if found.threshold is None:
        return f"{words} No threshold was chosen. {found.why_not}"
    threshold = found.threshold_in_full
    if not found.error.n:
        return f"{words} At a threshold of {threshold} no test text is answered."
    return (
        f"{words} At a threshold of {threshold}, {percent(found.coverage.value)} are "
        f"answered and {percent(found.error.value)} of those answers are wrong."
    )
