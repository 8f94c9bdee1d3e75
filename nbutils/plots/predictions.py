"""Plots of a model's predictions: what is confused with what, and how far to trust confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.plots.figure import (
    axes_for,
    describe,
    grid_on,
    legend_above,
    percent,
    shorten,
    styled,
    times,
)
from nbutils.plots.palette import (
    BLUE,
    GREY,
    MUTED,
    ORANGE,
    RIGHT,
    WRONG,
)
from nbutils.plots.squares import Cells, draw_square, grade_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


@styled
def plot_confusion(
    matrix: NDArray[np.integer[Any]],
    *,
    label_names: Sequence[str],
    normalised: bool,
    ax: Axes | None = None,
) -> Axes:
    """Draw a confusion matrix: right predictions blue, wrong ones orange.

    The two kinds have a scale of their own, since a good model's few errors would all be equally
    pale on a common one: the darkest orange is the largest error in the matrix, or a tenth of the
    largest right cell where all errors are smaller.

    Parameters
    ----------
    matrix
        ``(K, K)`` counts, true classes in rows, predicted classes in columns.
    label_names
        K names, in the order of the rows.
    normalised
        Show each count as a share of its row; else counts.
    ax
        Axes to draw on; none: a new figure whose size follows K.
    """
    matrix = np.asarray(matrix)
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    values = matrix / totals if normalised else matrix.astype(float)
    diagonal = np.eye(len(values), dtype=bool)
    ramps = [(RIGHT, diagonal), (WRONG, ~diagonal)]
    cells = Cells(values, grade_cells(values), ramps, as_shares=normalised)
    ax = draw_square(cells, label_names=label_names, ax=ax)
    ax.set(xlabel="predicted class", ylabel="true class")
    title = "Confusion matrix, " + ("share of each true class" if normalised else "counts")
    return describe(ax, title=title, alt=f"{title}. {_confusion_in_words(matrix, label_names)}")


def _confusion_in_words(matrix: NDArray[Any], label_names: Sequence[str]) -> str:
    total, right = int(matrix.sum()), int(np.trace(matrix))
    if not total:
        return "No predictions."
    words = f"{right:,} of {total:,} predictions are right ({percent(right / total)})."
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    if right == total:
        return words + " No class is confused with another."
    row, column = divmod(int(wrong.argmax()), len(wrong))
    return (
        f"{words} The most frequent mistake: {shorten(label_names[row])} predicted as "
        f"{shorten(label_names[column])}, {times(int(wrong[row, column]))}."
    )


@styled
def plot_calibration(
    bins: pd.DataFrame, *, ece: float, unit: str = "texts", ax: Axes | None = None
) -> Axes:
    """Draw how often the model is right when it is so many percent sure.

    Parameters
    ----------
    bins
        One row per bin of confidence: its mean `confidence`, `accuracy` with interval `low` to
        `high`, and `n` predictions; empty bins are left out.
    ece
        Expected calibration error in [0, 1]: 0 is perfect (Guo et al., 2017).
    unit
        What the predictions are made of, in the plural.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, width=4.4, height=4.3)
    shown = bins[bins["n"] > 0]
    ax.plot([0, 1], [0, 1], color=GREY.light, linewidth=1.2, linestyle=(0, (4, 3)), label="perfect")
    ax.vlines(
        shown["confidence"], shown["low"], shown["high"], color=BLUE.light, linewidth=3, alpha=0.38
    )
    sizes = 18 + 130 * np.sqrt(shown["n"] / max(shown["n"].max(), 1)) if len(shown) else []
    ax.scatter(
        shown["confidence"],
        shown["accuracy"],
        s=sizes,
        color=BLUE.light,
        linewidths=0,
        zorder=3,
        label=f"model (area: number of {unit})",
    )
    low = float(min(shown["confidence"].min(), shown["low"].min())) if len(shown) else 0.0
    low = max(0.0, np.floor(10 * low) / 10 - 0.02)
    ax.set(xlim=(low, 1.02), ylim=(low, 1.02), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set(xlabel="confidence of the prediction", ylabel="share that is right")
    legend_above(ax)
    alt = f"Calibration curve. Expected calibration error {percent(ece)}. {_trust(shown)}"
    return describe(ax, title=f"Calibration: expected error {percent(ece)}", alt=alt)


def _trust(bins: pd.DataFrame) -> str:
    if bins.empty:
        return "No predictions."
    gap = float(np.average(bins["confidence"] - bins["accuracy"], weights=bins["n"]))
    if abs(gap) < 0.005:
        return "On average the model is as sure as it is right."
    kind = "more" if gap > 0 else "less"
    return f"On average the model is {percent(abs(gap))} {kind} sure than it is right."


@styled
def plot_confidence_histogram(
    confidences: NDArray[np.floating[Any]],
    correct: NDArray[np.bool_],
    *,
    bins: int = 20,
    unit: str = "texts",
    ax: Axes | None = None,
) -> Axes:
    """Draw the confidences of right and of wrong predictions, one above the other.

    Parameters
    ----------
    confidences
        ``(N,)``, probability of the predicted class, in [0, 1].
    correct
        ``(N,)``, whether the prediction is right.
    bins
        Bars from the lowest confidence to 1.
    unit
        What the predictions are made of, in the plural.
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes
        Wrong predictions point down on a scale of their own: a few hundred right ones would
        flatten them.
    """
    confidences, correct = np.asarray(confidences), np.asarray(correct, dtype=bool)
    ax = axes_for(ax, height=3.3)
    low = np.floor(20 * confidences.min()) / 20 if confidences.size else 0.0
    edges = np.linspace(min(low, 0.95), 1.0, bins + 1)
    tallest = {}
    for side, sign, colour, name in ((correct, 1, BLUE, "right"), (~correct, -1, ORANGE, "wrong")):
        heights, _ = np.histogram(confidences[side], bins=edges)
        tallest[name] = int(heights.max(initial=0))
        drawn = sign * heights / max(tallest[name], 1)
        label = f"{name} ({int(side.sum()):,})"
        ax.bar(
            edges[:-1], drawn, np.diff(edges) * 0.9, align="edge", color=colour.light, label=label
        )
    ax.axhline(0, color=MUTED.light, linewidth=0.8)
    ax.set_ylim(-1.12, 1.12)
    ax.set_yticks([-1, 0, 1], [f"{tallest['wrong']:,}", "0", f"{tallest['right']:,}"])
    grid_on(ax, "y")
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set(xlabel="confidence of the prediction", ylabel=unit)
    legend_above(ax)
    title = "Confidence of right and wrong predictions"
    return describe(ax, title=title, alt=f"{title}. {_confidence_in_words(confidences, correct)}")


def _confidence_in_words(confidences: NDArray[Any], correct: NDArray[Any]) -> str:
    if not confidences.size:
        return "No predictions."
    words = []
    if correct.any():
        words.append(f"Right: median {percent(float(np.median(confidences[correct])))}.")
    if not correct.all():
        sure = int((confidences[~correct] >= 0.9).sum())
        words.append(
            f"Wrong: median {percent(float(np.median(confidences[~correct])))}; "
            f"{sure} of {int((~correct).sum())} with at least 90 % confidence."
        )
    else:
        words.append("None is wrong.")
    return " ".join(words)
