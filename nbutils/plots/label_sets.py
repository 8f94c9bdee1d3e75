"""Plots for texts with several labels: what is missed, which labels go together, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.plots.data import MOST_ROWS
from nbutils.plots.figure import (
    axes_for,
    describe,
    label_rows,
    legend_above,
    percent,
    row_height,
    styled,
    times,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RIGHT
from nbutils.plots.predictions import plot_confusion
from nbutils.plots.squares import LEVELS, Cells, draw_square

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from nbutils.analysis.confused_classes import ConfusedClasses, ConfusedLabels

MOST_TOGETHER = 30  # labels in the matrix of those that go together


def plot_confusions(
    found: ConfusedClasses | ConfusedLabels, *, normalised: bool, ax: Axes | None = None
) -> Axes:
    """Draw what goes wrong on the test split: a confusion matrix, or what each label misses.

    Parameters
    ----------
    found
        From `find_confusions`.
    normalised
        Shares instead of counts.
    ax
        Axes to draw on; none: a new figure.
    """
    from nbutils.analysis.confused_classes import ConfusedLabels
    from nbutils.analysis.confusion import order_classes, reorder

    if isinstance(found, ConfusedLabels):
        return plot_label_outcomes(found.outcomes, normalised=normalised, ax=ax)
    matrix = found.matrix
    order = order_classes(matrix)
    names = [found.label_names[k] for k in order]
    return plot_confusion(reorder(matrix, order), label_names=names, normalised=normalised, ax=ax)


@styled
def plot_label_outcomes(
    outcomes: pd.DataFrame, *, normalised: bool, ax: Axes | None = None
) -> Axes:
    """Draw for each label how often it was given rightly, missed, and given wrongly.

    Parameters
    ----------
    outcomes
        Columns `label, right, missed, spurious`: texts.
    normalised
        As shares of the texts that have the label or were given it; else as texts.
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes
        Stacked bars, the label with most mistakes on top; the first 60 labels.
    """
    counts = outcomes.set_index("label")[["right", "missed", "spurious"]]
    union = counts.sum(axis="columns")
    values = counts.div(np.maximum(union, 1), axis="index") if normalised else counts
    wrong = values["missed"] + values["spurious"]
    values = values.loc[wrong.sort_values(ascending=False, kind="stable").index].iloc[:MOST_ROWS]
    ax = axes_for(ax, height=row_height(len(values)) + 0.15)
    left = np.zeros(len(values))
    for name, colour in (("right", BLUE), ("missed", ORANGE), ("spurious", PURPLE)):
        widths = values[name].to_numpy(dtype=float)
        ax.barh(range(len(values)), widths, left=left, height=0.62, color=colour.light, label=name)
        left += widths
    names = dict(zip(counts.index, shorten_all(counts.index), strict=True))
    label_rows(ax, [names[label] for label in values.index])
    if normalised:
        ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set_xlabel("share of the texts with the label, or given it" if normalised else "texts")
    legend_above(ax)
    title = "Labels right, missed and spurious, " + ("shares" if normalised else "counts")
    return describe(ax, title=title, alt=f"{title}. {_outcomes_in_words(counts, names)}")


def _outcomes_in_words(counts: pd.DataFrame, names: Mapping[Any, str]) -> str:
    totals = counts.sum()
    words = (
        f"{int(totals['right']):,} labels were given rightly, {int(totals['missed']):,} missed, "
        f"{int(totals['spurious']):,} given wrongly."
    )
    for kind in ("missed", "spurious"):
        if totals[kind]:
            worst = counts[kind].idxmax()
            words += f" Most often {kind}: {names[worst]}, {times(int(counts[kind].max()))}."
    return words


@styled
def plot_co_occurrence(
    together: NDArray[np.integer[Any]], *, label_names: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Draw which labels stand on the same texts.

    Parameters
    ----------
    together
        ``(K, K)`` counts of texts that have both labels; the diagonal has those of each label.
    label_names
        K names.
    ax
        Axes to draw on; none: a new figure whose size follows K.

    Returns
    -------
    Axes
        Each row: of the texts with this label, the share that has the column's label too. Past 30
        labels the most frequent ones.
    """
    kept = np.sort(np.argsort(-np.diagonal(together), kind="stable")[:MOST_TOGETHER])
    counts = np.asarray(together)[np.ix_(kept, kept)].astype(float)
    names = [label_names[k] for k in kept]
    shares = counts / np.maximum(np.diagonal(counts), 1)[:, None]
    np.fill_diagonal(shares, 0)
    levels = np.ceil(LEVELS * shares / max(shares.max(initial=0), 1e-9)).astype(int)
    everywhere = np.ones(shares.shape, dtype=bool)
    cells = Cells(shares, levels, [(RIGHT, everywhere)], as_shares=True)
    ax = draw_square(cells, label_names=names, ax=ax)
    ax.set(xlabel="that also have this label", ylabel="of the texts with this label")
    title = "Labels that go together"
    return describe(ax, title=title, alt=f"{title}. {_together_in_words(counts, shares, names)}")


def _together_in_words(counts: NDArray[Any], shares: NDArray[Any], names: Sequence[str]) -> str:
    if not shares.size or not shares.max():
        return "No two labels stand on the same text."
    row, column = divmod(int(shares.argmax()), len(shares))
    shown = shorten_all(names)
    return (
        f"Of the {int(counts[row, row]):,} texts with {shown[row]}, "
        f"{percent(shares[row, column])} also have {shown[column]}: the largest share."
    )


@styled
def plot_threshold_curve(
    curve: pd.DataFrame, *, thresholds: Sequence[float] = (), ax: Axes | None = None
) -> Axes:
    """Draw precision, recall and F1 over one threshold for all labels.

    Parameters
    ----------
    curve
        Columns `threshold, precision, recall, f1`, from `threshold_curve`.
    thresholds
        The thresholds that the labels have, marked below the curves.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.3)
    lines = (("precision", BLUE, "--"), ("recall", ORANGE, "-."), ("f1", GREEN, "-"))
    for name, colour, dash in lines:
        said = "F1" if name == "f1" else name
        ax.plot(curve["threshold"], curve[name], dash, color=colour.light, label=said)
    ax.axvline(0.5, color=GREY.light, linewidth=1.0, linestyle=(0, (4, 3)))
    if len(thresholds):
        heights = np.full(len(thresholds), -0.04)
        ax.plot(thresholds, heights, "|", color=INK.light, markersize=8, label="a label's own")
    ax.set(xlim=(0, 1), ylim=(-0.08, 1.03))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set(xlabel="probability from which a label is given", ylabel="score, all labels together")
    legend_above(ax)
    title = "Precision and recall by threshold"
    return describe(ax, title=title, alt=f"{title}. {_curve_in_words(curve)}")


def _curve_in_words(curve: pd.DataFrame) -> str:
    f1, thresholds = curve["f1"].to_numpy(), curve["threshold"].to_numpy()
    if not f1.size:
        return "No thresholds."
    best, middle = int(f1.argmax()), int(np.abs(thresholds - 0.5).argmin())
    return (
        f"F1 is {percent(f1[middle])} at {percent(thresholds[middle])} and highest, "
        f"{percent(f1[best])}, at {percent(thresholds[best])}."
    )
