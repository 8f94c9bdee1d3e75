"""Scores of each class with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbutils.plots.data import plot_score_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nbutils.analysis.scores import ModelScores

MOST_CLASSES = 40


def plot_class_scores(found: ModelScores, *, ax: Axes | None = None) -> Axes:
    """Draw the F1 of each class with its interval, the lowest on top.

    Parameters
    ----------
    found
        From `score_model`. Of more than forty classes the lowest are drawn, and those that no test
        text says anything of come last.
    ax
        Axes to draw on; none: a new figure.
    """
    columns = {"label": "name", "f1": "value", "f1_low": "low", "f1_high": "high"}
    ranked = found.classes.rename(columns=columns).assign(
        unknown=lambda table: (table["low"] == 0) & (table["high"] == 1)
    )
    ranked = ranked.sort_values(["unknown", "value"], kind="stable")
    title = "F1 per class with 95 % intervals"
    if len(ranked) > MOST_CLASSES:
        title = f"F1 of the {MOST_CLASSES} lowest of {len(ranked)} classes"
    return plot_score_intervals(ranked, title=title, most=MOST_CLASSES, ax=ax)
