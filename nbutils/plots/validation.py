"""The scores on the validation split, with the one that the kept state was selected by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbutils.plots.figure import axes_for, describe, legend_above, percent, plain_number, styled
from nbutils.plots.palette import BLUE, GREEN, GREY, ORANGE, PURPLE
from nbutils.plots.training import RING, finite

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

LINES = {"accuracy": (BLUE, "o-"), "macro_f1": (GREEN, "s--"), "loss": (ORANGE, "D:")}
OTHER = (PURPLE, "D:")
NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "mcc": "MCC",
    "loss": "loss",
}


@styled
def plot_validation_scores(
    validation: pd.DataFrame,
    *,
    baseline: float | None,
    selected_by: str,
    best_step: int | None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy, macro F1 and the selection metric over the optimiser steps.

    Parameters
    ----------
    validation
        Columns `step`, `epoch`, `accuracy`, `macro_f1` and `selected_by`; scores in [0, 1], MCC in
        [-1, 1], the loss in nats, on an axis of its own.
    baseline
        Accuracy that the model has to beat, drawn as a line; none: no line.
    selected_by
        ``selection_metric``, by which the kept state was chosen.
    best_step
        Step of that state, marked on the metric's line; none: nothing is marked.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax)
    words = []
    for column in dict.fromkeys(["accuracy", "macro_f1", selected_by]):
        steps, scores = finite(validation, column)
        side = _loss_side(ax) if column == "loss" else ax
        colour, line = LINES.get(column, OTHER)
        side.plot(steps, scores, line, color=colour.light, markersize=5)
        label = NAMES[column] + (" (selects)" if column == selected_by else "")
        # one legend, whichever side it is drawn on
        ax.plot([], [], line, color=colour.light, markersize=5, label=label)
        words.append(_best_in_words(column, steps, scores))
        if column == selected_by:
            words.append(_mark_kept(side, ax, validation[validation["step"] == best_step], column))
    words.append(_draw_baseline(ax, baseline))
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, digits=_digits(ax)))
    ax.margins(y=0.12)
    ax.set(xlabel="optimiser step", ylabel="score on validation texts")
    legend_above(ax, columns=3)
    alt = " ".join(filter(None, ["Validation scores.", *words]))
    return describe(ax, title="Validation scores", alt=alt)


def _loss_side(ax: Axes) -> Axes:
    """Return an axis on the right for the loss, which is no share of anything."""
    side = ax.twinx()
    side.grid(False)
    side.set_ylabel("loss on validation texts")
    side.yaxis.set_major_formatter(plain_number)
    return side


def _best_in_words(column: str, steps: NDArray[Any], scores: NDArray[Any]) -> str:
    if not scores.size:
        return ""
    at = scores.argmin() if column == "loss" else scores.argmax()
    best = "Lowest" if column == "loss" else "Best"
    return f"{best} {NAMES[column]} {_said(column, scores[at])} at step {steps[at]:.0f}."


def _said(column: str, score: float) -> str:
    return f"{score:.3g}" if column in ("loss", "mcc") else percent(score)


def _mark_kept(side: Axes, ax: Axes, kept: pd.DataFrame, column: str) -> str:
    """Draw a ring around the kept state and return what it is, in words; none: there is none."""
    if kept.empty:
        return f"The state is selected by {NAMES[column]}."
    epoch, step = f"epoch {kept['epoch'].iloc[0]:.3g}", f"step {kept['step'].iloc[0]:.0f}"
    side.plot(kept["step"], kept[column], **RING)
    ax.plot([], [], **RING, label=f"kept ({epoch})")
    score = _said(column, float(kept[column].iloc[0]))
    return f"Kept, selected by {NAMES[column]} ({score}), is the state of {epoch}, {step}."


def _draw_baseline(ax: Axes, baseline: float | None) -> str:
    if baseline is None:
        return ""
    look: dict[str, Any] = {"color": GREY.light, "linewidth": 1.4, "linestyle": (0, (4, 3))}
    ax.axhline(baseline, **look)
    ax.plot([], [], **look, label="baseline")
    return f"The baseline's accuracy is {percent(baseline)}."


def _digits(ax: Axes) -> int:
    low, high = ax.get_ylim()
    return 1 if high - low < 0.06 else 0
