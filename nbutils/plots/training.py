"""Plots of a training run: loss, learning rate, gradient norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.plots.figure import axes_for, describe, legend_above, percent, plain_number, styled
from nbutils.plots.palette import BLUE, GREY, INK, MUTED, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_POINTS = 500
RING: dict[str, Any] = {  # around the state that was kept
    "marker": "o",
    "markersize": 11,
    "markerfacecolor": "none",
    "markeredgecolor": INK.light,
    "markeredgewidth": 1.5,
    "linestyle": "none",
}


@styled
def plot_loss_curves(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    *,
    best_step: int | None,
    epoch_ends: Sequence[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw training and validation loss over the optimiser steps.

    Parameters
    ----------
    train, validation
        Columns `step` and `loss`. The training loss of single batches is noisy: it is drawn faint
        with its moving mean, over a twentieth of the steps, on top.
    best_step
        Step of the checkpoint that was kept, marked; none: nothing is marked.
    epoch_ends
        Steps at which an epoch ended, drawn as thin lines.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=3.3)
    steps, losses = finite(train, "loss")
    ax.plot(*_thin(steps, losses), color=BLUE.light, linewidth=0.9, alpha=0.32)
    smooth = _moving_mean(losses)
    dot = "o" if steps.size == 1 else None
    ax.plot(*_thin(steps, smooth), color=BLUE.light, marker=dot, label="training")
    val_steps, val_losses = finite(validation, "loss")
    ax.plot(val_steps, val_losses, "o-", color=ORANGE.light, markersize=5, label="validation")
    _mark_epochs(ax, epoch_ends)
    _mark_best(ax, best_step, val_steps, val_losses)
    usual = np.concatenate([val_losses, np.quantile(losses, [0.99]) if losses.size else losses])
    ax.set_ylim(0, 1.1 * float(usual.max()) if usual.size and usual.max() > 0 else 1)
    ax.set(xlabel="optimiser step", ylabel="loss")
    legend_above(ax)
    title = "Training and validation loss"
    words = _loss_in_words(smooth, val_steps, val_losses, len(train) - losses.size)
    return describe(ax, title=title, alt=f"{title} over {_last(steps)} optimiser steps. {words}")


def _loss_in_words(
    smooth: NDArray[Any], val_steps: NDArray[Any], val_losses: NDArray[Any], lost: int
) -> str:
    words = []
    if smooth.size:
        words.append(f"Training loss goes from {smooth[0]:.3g} to {smooth[-1]:.3g}.")
    if lost:
        words.append(f"{lost} training losses are not finite.")
    if val_losses.size:
        lowest = int(val_losses.argmin())
        words.append(
            f"Validation loss is lowest, {val_losses[lowest]:.3g}, at step "
            f"{val_steps[lowest]:.0f} and ends at {val_losses[-1]:.3g}."
        )
    return " ".join(words)


@styled
def plot_learning_rate(train: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the learning rate over the optimiser steps.

    Parameters
    ----------
    train
        Columns `step` and `learning_rate`.
    ax
        Axes to draw on; none: a new figure.
    """
    ax = axes_for(ax, height=2.5)
    steps, rates = finite(train, "learning_rate")
    ax.plot(*_thin(steps, rates), color=BLUE.light)
    ax.set_ylim(bottom=0)
    ax.set(xlabel="optimiser step", ylabel="learning rate")
    ax.yaxis.set_major_formatter(plain_number)
    peak = f"{rates.max():.3g} at step {steps[rates.argmax()]:.0f}" if rates.size else "unknown"
    return describe(ax, title="Learning rate", alt=f"Learning rate by step; its peak is {peak}.")


@styled
def plot_gradient_norm(
    train: pd.DataFrame, *, max_grad_norm: float, ax: Axes | None = None
) -> Axes:
    """Draw the gradient's L2 norm before clipping, on a logarithmic axis.

    Parameters
    ----------
    train
        Columns `step` and `gradient_norm`.
    max_grad_norm
        Norm to which larger gradients are scaled down, drawn as a line.
    ax
        Axes to draw on; none: a new figure.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    ax = axes_for(ax, height=2.7)
    steps, norms = finite(train, "gradient_norm")
    steps, norms = steps[norms > 0], norms[norms > 0]
    ax.plot(*_thin(steps, norms), color=BLUE.light, linewidth=0.9, alpha=0.38)
    smooth = np.exp(_moving_mean(np.log(norms))) if norms.size else norms
    ax.plot(*_thin(steps, smooth), color=BLUE.light, label="gradient norm")
    ax.axhline(
        max_grad_norm,
        color=ORANGE.light,
        linewidth=1.4,
        linestyle=(0, (4, 3)),
        label=f"clipped to {max_grad_norm:g}",
    )
    ax.set_yscale("log")
    wide = norms.size and norms.max() > 1e3 * norms.min()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(plain_number)
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="optimiser step", ylabel="L2 norm")
    legend_above(ax)
    alt = f"Gradient norm by step, logarithmic axis. {_norms_in_words(norms, max_grad_norm)}"
    return describe(ax, title="Gradient norm before clipping", alt=alt)


def _norms_in_words(norms: NDArray[Any], most: float) -> str:
    clipped = float(np.mean(norms > most)) if norms.size else 0.0
    largest = f"{norms.max():.3g}" if norms.size else "unknown"
    return (
        f"{percent(clipped, digits=0)} of the steps were clipped to {most:g}; the largest norm is "
        f"{largest}."
    )


def finite(frame: pd.DataFrame, column: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the steps with a finite value in a column, and the values."""
    if column not in frame or frame.empty:
        return np.empty(0), np.empty(0)
    steps = frame["step"].to_numpy(dtype=float)
    values = frame[column].to_numpy(dtype=float)
    good = np.isfinite(values)
    return steps[good], values[good]


def _moving_mean(values: NDArray[Any]) -> NDArray[Any]:
    window = max(1, values.size // 20)
    if window == 1:
        return values
    kernel = np.ones(window)
    sums = np.convolve(values, kernel, mode="same")
    return sums / np.convolve(np.ones_like(values), kernel, mode="same")


def _thin(steps: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    if steps.size <= MOST_POINTS:
        return steps, values
    kept = np.unique(np.linspace(0, steps.size - 1, MOST_POINTS).round().astype(int))
    return steps[kept], values[kept]


def _last(steps: NDArray[Any]) -> str:
    return f"{steps[-1]:,.0f}" if steps.size else "no"


def _mark_epochs(ax: Axes, epoch_ends: Sequence[int]) -> None:
    if len(epoch_ends) > 20:
        return
    for epoch, step in enumerate(epoch_ends, 1):
        ax.axvline(step, color=GREY.light, linewidth=0.7, linestyle=(0, (1, 3)))
        ax.annotate(
            f"epoch {epoch}" if len(epoch_ends) <= 6 else str(epoch),
            (step, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            size=8,
            color=MUTED.light,
        )


def _mark_best(
    ax: Axes, best_step: int | None, val_steps: NDArray[Any], val_losses: NDArray[Any]
) -> None:
    at = np.flatnonzero(val_steps == best_step)
    if at.size:
        point = (val_steps[at[0]], val_losses[at[0]])
        ax.plot(*point, **RING, label=f"kept (step {best_step})")
