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
    styled,
    times,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import (
    BLUE,
    GREY,
    MUTED,
    ORANGE,
    RIGHT,
    WRONG,
)
from nbutils.plots.squares import Cells, draw_square, grade_cells

CONFIDENCE_TICKS = (0.01, 0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
SUREST = 0.9999  # confidence that is drawn no further to the right

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from nbutils.analysis.calibration import Calibration


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
    names = shorten_all(label_names)
    return (
        f"{words} The most frequent mistake: {names[row]} predicted as {names[column]}, "
        f"{times(int(wrong[row, column]))}."
    )


@styled
def plot_calibration(found: Calibration, *, ax: Axes | None = None) -> Axes:
    """Draw how often the model is right when it is so many percent sure.

    Parameters
    ----------
    found
        From `calibrate`. With a temperature, the same at it.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.9)
    drawn = {"as it is": (found.before.bins, BLUE.light, "o")}
    if found.scaling is not None:
        drawn["with a temperature"] = (found.scaling.after.bins, ORANGE.light, "D")
    places = np.concatenate([_place(bins["confidence"]) for bins, _, _ in drawn.values()])
    across = np.linspace(places.min() - 0.3, places.max() + 0.3, 200)
    perfect = ax.plot(across, 1 / (1 + np.exp(-across)), label="perfect")
    perfect[0].set(color=GREY.light, linewidth=1.2, linestyle=(0, (4, 3)))
    for name, (bins, colour, marker) in drawn.items():
        _draw_bins(ax, bins, colour, marker, label=name)
    ticks = _ticks_between(float(across[0]), float(across[-1]))
    ax.set_xticks([float(_place(share)) for share in ticks], [f"{100 * t:g}" for t in ticks])
    ax.locator_params(axis="y", nbins=8, steps=[1, 2, 5, 10])
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set(xlabel="confidence of the prediction, in percent", ylabel="share that is right")
    legend_above(ax)
    ece = found.before.ece
    interval = f"({percent(ece.low)} to {percent(ece.high)})"
    alt = f"Calibration curve. Expected calibration error {percent(ece.value)} {interval}."
    alt += f" {_trust(found.before.bins)}{_scaling_in_words(found)}"
    return describe(ax, title=f"Calibration error {percent(ece.value)} {interval}", alt=alt)


def _place(confidence: Any) -> NDArray[Any]:
    """Return log-odds: near 100 %, where a good model's confidences are, they keep apart."""
    inside = np.clip(np.asarray(confidence, dtype=float), 1 - SUREST, SUREST)
    return np.asarray(np.log(inside / (1 - inside)))


def _ticks_between(low: float, high: float) -> list[float]:
    """Return the confidences to name on the axis, far enough from each other."""
    ticks: list[float] = []
    for share in CONFIDENCE_TICKS:
        place = float(_place(share))
        room = place - float(_place(ticks[-1])) if ticks else high - low
        if low <= place <= high and room > (high - low) / 13:
            ticks.append(share)
    return ticks


def _draw_bins(ax: Axes, bins: pd.DataFrame, colour: str, marker: str, *, label: str) -> None:
    places = _place(bins["confidence"])
    ax.vlines(places, bins["low"], bins["high"], color=colour, linewidth=3, alpha=0.35)
    line = ax.plot(places, bins["accuracy"], marker, linestyle="-", label=label)
    line[0].set(color=colour, linewidth=1.0, markersize=5.5)


def _scaling_in_words(found: Calibration) -> str:
    if found.scaling is None:
        return ""
    scaling = found.scaling
    return (
        f" Divided by a temperature of {scaling.temperature:.2f}, the logits give an error of "
        f"{percent(scaling.after.ece.value)}."
    )


def _trust(bins: pd.DataFrame) -> str:
    gap = float(np.average(bins["confidence"] - bins["accuracy"], weights=bins["n"]))
    if abs(gap) < 0.005:
        return "On average the model is as sure as it is right."
    kind = "more" if gap > 0 else "less"
    return f"On average the model is {percent(abs(gap))} {kind} sure than it is right."


@styled
def plot_confidence_histogram(
    found: Calibration, *, bins: int = 20, ax: Axes | None = None
) -> Axes:
    """Draw the confidences of right and of wrong predictions, one above the other.

    Parameters
    ----------
    found
        From `calibrate`.
    bins
        Bars from the lowest confidence to 1.
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes
        Wrong predictions point down on a scale of their own: a few hundred right ones would
        flatten them.
    """
    confidences, correct = found.confidences, found.correct
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
    ax.set(xlabel="confidence of the prediction", ylabel=f"{found.unit}, each side to its scale")
    legend_above(ax)
    title = "Confidence of right and wrong predictions"
    scales = (
        f"Each side has a scale of its own: the tallest bar is {tallest['right']:,} right above, "
        f"{tallest['wrong']:,} wrong below."
    )
    words = _confidence_in_words(confidences, correct)
    return describe(ax, title=title, alt=f"{title}. {words} {scales}")


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
