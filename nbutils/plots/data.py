"""Plots of labelled text: class balance, token lengths, and scores beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.numerals import below_all, count_decimals, format_value
from nbutils.plots.figure import (
    WIDTH,
    axes_for,
    describe,
    label_rows,
    legend_above,
    percent,
    row_height,
    styled,
)
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import BLUE, INK, MUTED, ORANGE, SERIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_ROWS = 60
MOST_SCORES = 150
TOLD_SCORES = 12  # in the alt text


@styled
def plot_class_balance(counts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many examples each class has, by split.

    Parameters
    ----------
    counts
        Examples by label name (rows) and split (columns).
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes
        Stacked horizontal bars, the largest class on top; past 60 classes the smallest are left
        out and counted in the title.
    """
    totals = counts.sum(axis=1).sort_values(ascending=False, kind="stable")
    shown = counts.loc[totals.index].iloc[:MOST_ROWS]
    ax = axes_for(ax, height=row_height(len(shown)) + 0.15)
    left = np.zeros(len(shown))
    for colour, split in zip(SERIES, shown.columns, strict=False):
        widths = shown[split].to_numpy(dtype=float)
        ax.barh(range(len(shown)), widths, left=left, height=0.62, color=colour.light, label=split)
        left += widths
    names = shorten_all(totals.index)
    label_rows(ax, names[:MOST_ROWS])
    for row, total in enumerate(totals.iloc[:MOST_ROWS]):
        _label_end(ax, float(total), row, f"{int(total):,}")
    ax.margins(x=0.12)
    ax.set_xlabel("examples")
    legend_above(ax)
    hidden = len(totals) - len(shown)
    title = "Examples per class" + (f", the {MOST_ROWS} largest of {len(totals)}" if hidden else "")
    return describe(ax, title=title, alt=_balance_in_words(totals, names))


def _balance_in_words(totals: pd.Series[Any], names: Sequence[str]) -> str:
    if totals.empty:
        return "No classes."
    return (
        f"Examples per class, {len(totals)} classes: from {int(totals.iloc[0]):,} "
        f"({names[0]}) down to {int(totals.iloc[-1]):,} ({names[-1]})."
    )


@styled
def plot_token_lengths(
    lengths: NDArray[np.integer[Any]], *, max_length: int, ax: Axes | None = None
) -> Axes:
    """Draw how long the texts are in tokens, and what `max_length` cuts.

    Parameters
    ----------
    lengths
        ``(N,)``, tokens of each text, special tokens included.
    max_length
        Tokens that the model reads of a text, in chunks or at once.
    ax
        Axes to draw on; none: a new figure.

    Returns
    -------
    Axes
        A histogram; texts longer than `max_length` are in the second colour. The longest 0.5 %
        share the last bar.
    """
    lengths = np.asarray(lengths)
    ax = axes_for(ax)
    longest = max(np.quantile(lengths, 0.995), 1.2 * max_length) if lengths.size else max_length
    step = max(1, round(float(longest) / 45))
    edges = np.arange(max_length % step, longest + 2 * step, step) + 0.5
    edges = np.concatenate([[edges[0] - step], edges])
    heights, _ = np.histogram(np.minimum(lengths, edges[-1] - 0.5), bins=edges)
    middles = (edges[:-1] + edges[1:]) / 2
    for kept, colour, label in ((True, BLUE, "whole"), (False, ORANGE, "cut")):
        side = (middles <= max_length + 0.5) == kept
        ax.bar(middles[side], heights[side], width=0.88 * step, color=colour.light, label=label)
    ax.axvline(max_length + 0.5, color=INK.light, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.set(xlabel="tokens", ylabel="texts", xlim=(0, edges[-1]))
    legend_above(ax)
    share = float(np.mean(lengths > max_length)) if lengths.size else 0.0
    title = f"Text lengths: {percent(below_all(share))} are cut at {max_length:,} tokens"
    return describe(ax, title=title, alt=_lengths_in_words(lengths, share, max_length))


def _lengths_in_words(lengths: NDArray[Any], share: float, max_length: int) -> str:
    if not lengths.size:
        return "No texts."
    median, most = np.quantile(lengths, [0.5, 0.95])
    return (
        f"Histogram of the token lengths of {lengths.size:,} texts: median {median:.0f}, "
        f"95th percentile {most:.0f}, longest {lengths.max():,}. {percent(below_all(share))} are "
        f"longer than {max_length:,} tokens and are cut."
    )


@styled
def plot_bars(
    values: pd.Series[Any], *, title: str, x_label: str, alt: str, ax: Axes | None = None
) -> Axes:
    """Draw one horizontal bar per value, in the order given.

    Parameters
    ----------
    values
        Numbers by name; the first 60 are drawn.
    title, x_label
        What the figure says, and what the bars measure.
    alt
        Alt text: the message of the figure in a sentence.
    ax
        Axes to draw on; none: a new figure.
    """
    shown = values.iloc[:MOST_ROWS].astype(float)
    ax = axes_for(ax, height=row_height(len(shown)))
    digits = min(count_decimals(shown.tolist()), 2)
    ax.barh(range(len(shown)), shown.to_numpy(), height=0.62, color=BLUE.light)
    label_rows(ax, shorten_all(values.index)[:MOST_ROWS])
    for row, value in enumerate(shown):
        _label_end(ax, value, row, format_value(value, percent=False, digits=digits))
    ax.margins(x=0.14)
    ax.set_xlabel(x_label)
    return describe(ax, title=title, alt=alt)


@styled
def plot_score_intervals(
    scores: pd.DataFrame,
    *,
    title: str = "Scores with 95 % intervals",
    most: int = MOST_SCORES,
    ax: Axes | None = None,
) -> Axes:
    """Draw scores as dots on their intervals, the first row on top.

    Parameters
    ----------
    scores
        Columns `name`, `value`, `low`, `high`; values in [0, 1], higher is better.
    title
        Title of the figure.
    most
        Rows that are drawn, from the first on.
    ax
        Axes to draw on; none: a new figure.
    """
    shown, names = scores.iloc[:most], shorten_all(scores["name"])[:most]
    rows = np.arange(len(shown))
    ax = axes_for(ax, width=WIDTH, height=row_height(len(shown)))
    ax.hlines(rows, shown["low"], shown["high"], color=BLUE.light, linewidth=3.2, alpha=0.38)
    ax.plot(shown["value"], rows, "o", color=BLUE.light, markersize=6)
    label_rows(ax, names)
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    lows = shown["low"].dropna()
    low = float(lows.min()) if len(lows) else 0.0
    ax.set_xlim(max(0.0, low - 0.03 * max(1 - low, 0.1)), 1.0 + 0.03 * max(1 - low, 0.1))
    ax.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    for row, value in enumerate(shown["value"].to_numpy(dtype=float)):
        ax.annotate(
            percent(value),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            size=8.5,
            color=MUTED.light,
            annotation_clip=False,
        )
    return describe(ax, title=title, alt=f"{title}: {_scores_in_words(shown, names)}.")


def _scores_in_words(scores: pd.DataFrame, names: Sequence[str]) -> str:
    first = scores.head(TOLD_SCORES)
    columns = (first[column] for column in ("value", "low", "high"))
    words = [
        f"{name} {percent(value)} ({percent(low)} to {percent(high)})"
        for name, value, low, high in zip(names[:TOLD_SCORES], *columns, strict=True)
    ]
    more = f", and {len(scores) - len(first)} more" if len(scores) > len(first) else ""
    return f"{'; '.join(words)}{more}"


def _label_end(ax: Axes, x: float, row: int, text: str) -> None:
    ax.annotate(
        text,
        (max(x, 0.0), row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        size=8.5,
        color=MUTED.light,
    )
