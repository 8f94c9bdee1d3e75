"""The learning-rate range test: a short training under a rising rate, and what it proposes.

Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3: while the rate
rises, the loss first stands still, then falls, then blows up. Here the rate rises exponentially,
and proposed is a tenth of the rate at which the smoothed loss is lowest: there the loss still falls
fast, and a training has room for a bad batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nbutils.checkpoints.loading import load_tokenizer
from nbutils.described import Described
from nbutils.errors import ParameterError, TrainingDivergedError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.api import load_model
from nbutils.training.examples import (
    Label,
    check_trainable,
    encode_examples,
    find_classes,
    read_splits,
)
from nbutils.training.history import History
from nbutils.training.loop import Training
from nbutils.training.preparing import ready_to_train

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

MOMENTUM = 0.9  # of the smoothed loss
BLOWN_UP = 3.0  # times the lowest smoothed loss: higher rates say no more
BELOW_LOWEST = 10.0  # the proposed rate is that of the lowest loss divided by this
FALL = 0.05  # of the first losses: a loss that falls less proposes nothing
FEWEST_STEPS = 20


@dataclass(frozen=True, repr=False)
class RangeTest(Described):
    """What a range test found.

    Attributes
    ----------
    points
        One row per step: `learning_rate`, `loss` and `smoothed`, in nats.
    proposed
        A learning rate for the training; None: the loss did not fall.
    """

    points: pd.DataFrame
    proposed: float | None

    _title = "Learning rate range test"

    def _facts(self) -> dict[str, Any]:
        proposed = "none" if self.proposed is None else f"{self.proposed:.2g}"
        return {"proposed": proposed, "steps": len(self.points), "reading": str(self)}

    def __str__(self) -> str:
        """Return what is proposed, and why, as one sentence."""
        lowest = self.points.iloc[int(self.points["smoothed"].to_numpy().argmin())]
        if self.proposed is None:
            return (
                f"The loss does not fall up to {self.points['learning_rate'].max():.2g}: nothing "
                "is proposed; use more steps, or ask whether the texts decide their labels"
            )
        return (
            f"The smoothed loss is lowest, {lowest['smoothed']:.3g}, at a learning rate of "
            f"{lowest['learning_rate']:.2g}; a tenth of it, {self.proposed:.2g}, is proposed"
        )


class RangeTraining(Training):
    """A training whose learning rate rises exponentially until the loss blows up."""

    bounds = (1e-6, 1e-2)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        low, high = self.bounds
        return float(low * (high / low) ** (step / max(1, self.history.total_steps - 1)))

    def run(self) -> History:
        """Train until the last step, or until the loss has blown up."""
        with suppress(TrainingDivergedError):
            while len(self.history.steps) < self.history.total_steps and not self._has_blown_up():
                self._advance()
        return self.history

    def _has_blown_up(self) -> bool:
        smooth = smooth_losses(self.history.losses)
        return len(smooth) >= FEWEST_STEPS and bool(smooth[-1] > BLOWN_UP * smooth.min())


def find_learning_rate(
    texts: Sequence[str] | Dataset | DatasetDict,
    labels: Sequence[Label] | None = None,
    *,
    params: FineTuneParams | None = None,
    bounds: tuple[float, float] = (1e-6, 1e-2),
    steps: int = 100,
    **changes: Any,
) -> RangeTest:
    """Train a fresh copy of the model for some steps under a rising rate, and propose one.

    Nothing is kept of that training. It costs what `steps` optimiser steps cost.

    Parameters
    ----------
    texts, labels, params, **changes
        As for `nbutils.fine_tune`; a validation split is not looked at.
    bounds
        The lowest and the highest learning rate.
    steps
        Optimiser steps, at least 20.

    Raises
    ------
    ParameterError
        Bounds or steps make no test.
    DataError, CheckpointError
        As for `nbutils.fine_tune`.
    """
    _check_range(bounds, steps)
    recipe = FineTuneParams.of({**(params.model_dump() if params else {}), **changes})
    # a test has its own end and its own rates
    steps = int(steps)
    own = {"max_steps": steps, "epochs": steps, "time_limit_minutes": None, "eval_steps": None}
    recipe = recipe.model_copy(update=own)
    examples, _ = read_splits(texts, labels, None)
    classes = find_classes(examples)
    tokenizer = load_tokenizer(
        recipe.model, revision=recipe.revision, trust_remote_code=recipe.trust_remote_code
    )
    train = encode_examples(examples, classes, tokenizer, cutting=recipe.cutting)
    check_trainable(train, classes)
    model, _ = load_model(recipe, classes, tokenizer)
    with ready_to_train(model, recipe) as dropout:
        training = RangeTraining(model, train, validation=None, params=recipe, dropout=dropout)
        training.bounds = bounds
        history = training.run()
    return propose_rate(history)


def _check_range(bounds: tuple[float, float], steps: int) -> None:
    low, high = bounds
    if not 0 < low < high:
        raise ParameterError(f"bounds: expected 0 < low < high, found {low:g} and {high:g}")
    if not isinstance(steps, Integral) or steps < FEWEST_STEPS:
        raise ParameterError(
            f"steps: expected a whole number of at least {FEWEST_STEPS}, found {steps!r}"
        )


def propose_rate(history: History) -> RangeTest:
    """Return the points of a range test and the learning rate that they propose.

    Parameters
    ----------
    history
        Of a training under a rising rate, of at least one step.

    Raises
    ------
    TrainingDivergedError
        It has no step with a finite loss.
    """
    if not history.steps:
        raise TrainingDivergedError(
            "step 1: the loss is no number at the lowest learning rate; check the model, or set "
            "fine_tune.precision to fp32"
        )
    points = history.train[["learning_rate", "loss"]]
    points = points.assign(smoothed=smooth_losses(history.losses))
    smooth = points["smoothed"].to_numpy()
    at = int(smooth.argmin())
    if smooth[at] > (1 - FALL) * smooth[: at + 1].max():
        return RangeTest(points, None)
    return RangeTest(points, float(points["learning_rate"].iloc[at]) / BELOW_LOWEST)


def smooth_losses(losses: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the exponential moving mean of N losses, without the pull to zero at its start."""
    mean, smooth = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = MOMENTUM * mean + (1 - MOMENTUM) * loss
        smooth.append(mean / (1 - MOMENTUM**count))
    return np.array(smooth)
