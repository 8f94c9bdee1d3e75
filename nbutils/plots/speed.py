"""Plots of measured speed: times by size, ratios, shares of a limit, bars with their quartiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.numerals import format_alone
from nbutils.plots.figure import (
    axes_for,
    describe,
    grid_on,
    label_rows,
    legend_above,
    percent,
    plain_number,
    row_height,
    styled,
)
from nbutils.plots.names import shorten, shorten_all
from nbutils.plots.palette import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Colour

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STOCK, OURS = (BLUE, "o"), (ORANGE, "s")
LOOKS = {"stock bf16": (PURPLE, "^"), "nbutils fp32": (GREEN, "D")}
PAIRS = (ORANGE, PURPLE, GREEN, BLUE)


def _look(name: object) -> tuple[Colour, str]:
    """Return the colour and the marker of a variant, the same in every plot."""
    return LOOKS.get(str(name), OURS if str(name).startswith("nbutils") else STOCK)


@styled
def plot_times(
    summary: pd.DataFrame, *, by: str, xlabel: str, title: str, ax: Axes | None = None
) -> Axes:
    """Draw median times over a size, with their quartiles, both axes logarithmic.

    Parameters
    ----------
    summary
        Columns `variant`, the one named `by`, `median`, `low`, `high`; times in seconds.
    by
        The column of the sizes.
    xlabel, title
        Words for the axis and above the plot.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.8)
    words = []
    for name, rows in summary.groupby("variant", sort=False):
        colour, marker = _look(name)
        sizes, middle = rows[by].to_numpy(float), 1000 * rows["median"].to_numpy(float)
        low, high = (1000 * rows[side].to_numpy(float) for side in ("low", "high"))
        ax.plot(sizes, middle, marker=marker, markersize=5, color=colour.light, label=name)
        ax.vlines(sizes, low, high, color=colour.light, linewidth=1.2)
        words.append(
            f"{name}: {format_alone(middle[0])} ms at {sizes[0]:g}, {format_alone(middle[-1])} ms "
            f"at {sizes[-1]:g}."
        )
    _log_sizes(ax, sorted(set(summary[by])))
    ax.set_yscale("log")
    _plain_log(ax)
    ax.set(xlabel=xlabel, ylabel="milliseconds")
    legend_above(ax)
    return describe(ax, title=title, alt=f"{title}, logarithmic axes. {' '.join(words)}")


def _log_sizes(ax: Axes, sizes: list[Any]) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())


def _plain_log(ax: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    ax.yaxis.set_major_formatter(plain_number)
    ax.yaxis.set_minor_formatter(NullFormatter())


@styled
def plot_ratios(ratios: pd.DataFrame, *, by: str, unit: str, title: str) -> Axes:
    """Draw how many times as fast one variant is as others, and how far single rounds vary.

    Parameters
    ----------
    ratios
        Columns `baseline`, `variant`, the one named `by`, `ratio`, `low`, `high`.
    by, unit
        The column of the points, and what it counts.
    title
        Words above the plot.
    """
    points = list(dict.fromkeys(ratios[by]))
    ax = axes_for(None, height=row_height(len(points)) + 0.9)
    pairs = list(ratios.groupby(["variant", "baseline"], sort=False))
    step, words = 0.7 / len(pairs), []
    for place, ((names, rows), colour) in enumerate(zip(pairs, PAIRS, strict=False)):
        label = f"{names[0]} / {names[1]}"
        heights = [points.index(point) - 0.35 + step * (place + 0.5) for point in rows[by]]
        values, low, high = (rows[side].to_numpy(float) for side in ("ratio", "low", "high"))
        ax.barh(heights, values, height=0.86 * step, color=colour.light, label=label)
        ax.hlines(heights, low, high, color=INK.light, linewidth=1.3)
        words.append(
            f"{label}: "
            + ", ".join(
                f"{value:.2f} at {point}" for value, point in zip(values, rows[by], strict=True)
            )
            + "."
        )
    label_rows(ax, shorten_all(f"{point} {unit}".strip() for point in points))
    ax.axvline(1, color=GREY.light, linewidth=1.4, linestyle=(0, (4, 3)))
    ax.set_xlim(left=0)
    ax.set_xlabel("times as fast (lines: how far single rounds vary)")
    ax.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.1, handlelength=1.4)
    return describe(ax, title=title, alt=f"{title}. {' '.join(words)}")


@styled
def plot_shares(shares: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Draw the share of the machine's own matrix-product rate that steps reach, by length.

    Parameters
    ----------
    shares
        Columns `length`, `variant`, `share`, `low`, `high`; shares of the limit.
    title
        Words above the plot.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.5)
    words = []
    for name, rows in shares.groupby("variant", sort=False):
        colour, marker = _look(name)
        lengths, share = rows["length"].to_numpy(float), rows["share"].to_numpy(float)
        ax.plot(lengths, share, marker=marker, markersize=5, color=colour.light, label=name)
        ax.vlines(lengths, rows["low"], rows["high"], color=colour.light, linewidth=1.2)
        words.append(
            f"{name}: from {percent(share.min(), digits=0)} to {percent(share.max(), digits=0)}."
        )
    _log_sizes(ax, sorted(set(shares["length"])))
    ax.axhline(1, color=GREY.light, linewidth=1.4, linestyle=(0, (4, 3)))
    ax.set_ylim(0, max(1.05, 1.05 * float(shares["high"].max())))
    ax.yaxis.set_major_formatter(lambda value, _: percent(value, digits=0))
    ax.set(xlabel="tokens per text", ylabel="share of the limit")
    legend_above(ax)
    return describe(ax, title=title, alt=f"{title}. {' '.join(words)}")


@styled
def plot_amounts(summary: pd.DataFrame, *, name: str, xlabel: str, title: str) -> Axes:
    """Draw amounts as bars, with their quartiles where there are any.

    Parameters
    ----------
    summary
        The column named `name`, `median`, and `low` and `high` where there were several rounds.
    name
        Column with the names of the rows.
    xlabel, title
        Words for the axis and above the plot.
    """
    ax = axes_for(None, height=row_height(len(summary)))
    values = summary["median"].to_numpy(float)
    rows = np.arange(len(values))
    colours = [_look(label)[0].light for label in summary[name]]
    ax.barh(rows, values, height=0.62, color=colours)
    ends = values
    if "low" in summary:
        ends = summary["high"].to_numpy(float)
        ax.hlines(rows, summary["low"], ends, color=INK.light, linewidth=1.3)
    for row, (value, end) in enumerate(zip(values, ends, strict=True)):
        ax.annotate(
            f"{value:,.0f}",
            (max(value, end), row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=9,
            color=INK.light,
        )
    label_rows(ax, shorten_all(summary[name], width=34))
    ax.margins(x=0.14)
    ax.set_xlim(left=0)
    ax.set_xlabel(xlabel)
    words = ", ".join(
        f"{label} {value:,.0f}" for label, value in zip(summary[name], values, strict=True)
    )
    return describe(ax, title=title, alt=f"{title}, {xlabel}: {words}.")


@styled
def plot_paired(measurements: pd.DataFrame, *, value: str, title: str) -> Axes:
    """Draw a value of two variants for each dataset and seed, joined by a line.

    Parameters
    ----------
    measurements
        Columns `dataset`, `seed`, `variant` and the one named `value`, in [0, 1].
    value
        The column that is drawn.
    title
        Words above the plot.
    """
    from matplotlib.ticker import MaxNLocator

    table = measurements.pivot(index=["dataset", "seed"], columns="variant", values=value)
    order = dict.fromkeys(zip(measurements["dataset"], measurements["seed"], strict=True))
    table = table.loc[list(order), list(dict.fromkeys(measurements["variant"]))]
    ax = axes_for(None, height=row_height(len(table)))
    rows = np.arange(len(table))
    ax.hlines(rows, table.min(axis=1), table.max(axis=1), color=GREY.light, linewidth=2)
    for name in table.columns:
        colour, marker = _look(name)
        ax.plot(table[name], rows, marker, color=colour.light, markersize=7, label=name)
    label_rows(ax, [f"{shorten(dataset)}, seed {seed}" for dataset, seed in order])
    grid_on(ax, "x")
    ax.margins(x=0.1)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(lambda share, _: percent(share, digits=1))
    ax.set_xlabel(value)
    legend_above(ax)
    words = " ".join(
        f"{dataset}, seed {seed}: "
        + ", ".join(f"{name} {percent(share)}" for name, share in row.items())
        + "."
        for (dataset, seed), row in zip(order, table.to_dict("records"), strict=True)
    )
    return describe(ax, title=title, alt=f"{title}. {words}")
