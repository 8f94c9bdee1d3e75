"""What beginners meet: refused, or said aloud, with the reason."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbutils.errors import DataError, TrainingDivergedError
from nbutils.few_texts import ENOUGH_STEPS, describe_expectation, has_few_texts
from nbutils.params.fine_tune import MOST_EPOCHS, FineTuneParams
from nbutils.training.limits import plan_steps

WINDOW = 20  # steps
RUNAWAY = 2.0  # times the loss of guessing
FIRST_STEPS = 3
MOST_AT_START = 3.0  # times the loss of guessing that a start is allowed


def find_cautions(params: FineTuneParams, card: Mapping[str, Any]) -> list[str]:
    """Return what is usually a mistake for this data, and what to expect where texts are few.

    Parameters
    ----------
    params
        Of the training.
    card
        The data card of what it is trained on; empty: not known yet.
    """
    return [
        *params.cautions(few_texts=has_few_texts(card)),
        *advise_steps(params, card),
        *(describe_expectation(card) if card else []),
    ]


def advise_steps(params: FineTuneParams, card: Mapping[str, Any]) -> list[str]:
    """Return which parameters make enough steps of few texts, as one sentence or none.

    Parameters
    ----------
    params
        Of the training that is planned.
    card
        The data card of what it is trained on.
    """
    if not has_few_texts(card):
        return []
    n = card["splits"]["train"]
    planned = plan_steps(params, _steps_per_epoch(params, n))
    if planned >= ENOUGH_STEPS:
        return []
    longer = _lengthen(params, n)
    changes = [
        f"fine_tune.{name} to {getattr(longer, name)}"
        for name in ("epochs", "max_steps", "batch_size", "gradient_accumulation")
        if getattr(longer, name) != getattr(params, name)
    ]
    return [
        f"{planned} optimiser steps are not enough where texts are few: set "
        f"{' and '.join(changes)}, which makes {plan_steps(longer, _steps_per_epoch(longer, n))}"
    ]


def _steps_per_epoch(params: FineTuneParams, n: int) -> int:
    return math.ceil(n / (params.batch_size * params.gradient_accumulation))


def _lengthen(params: FineTuneParams, n: int) -> FineTuneParams:
    """Return the parameters with enough epochs and, where no epochs are enough, smaller steps."""
    if not _can_be_enough(params, n):
        params = params.model_copy(update={"gradient_accumulation": 1})
    while not _can_be_enough(params, n) and params.batch_size > 1:
        params = params.model_copy(update={"batch_size": params.batch_size // 2})
    epochs = min(math.ceil(ENOUGH_STEPS / _steps_per_epoch(params, n)), MOST_EPOCHS)
    steps = None if params.max_steps is None else max(params.max_steps, ENOUGH_STEPS)
    return params.model_copy(update={"epochs": max(epochs, params.epochs), "max_steps": steps})


def _can_be_enough(params: FineTuneParams, n: int) -> bool:
    return MOST_EPOCHS * _steps_per_epoch(params, n) >= ENOUGH_STEPS


def check_labels(labels: ArrayLike | None, *, n_texts: int, n_classes: int) -> NDArray[np.int64]:
    """Return `labels` as ids, or refuse them.

    Parameters
    ----------
    labels
        N integers in [0, K).
    n_texts
        N.
    n_classes
        K.

    Raises
    ------
    DataError
        Labels are missing, too few or too many, not whole numbers, outside the range, or all of
        one class: without them the model has no loss to learn from.
    """
    if labels is None:
        raise DataError(
            f"labels: expected one for each of the {n_texts} texts, found none; without labels the "
            "forward pass has no loss, and nothing is learnt"
        )
    found = np.asarray(labels)
    if found.shape != (n_texts,):
        raise DataError(f"labels: expected {n_texts}, one per text, found {found.shape}")
    if not np.issubdtype(found.dtype, np.integer):
        raise DataError(f"labels: expected whole numbers, found {found.dtype}")
    outside = np.flatnonzero((found < 0) | (found >= n_classes))
    if outside.size:
        row = int(outside[0])
        raise DataError(
            f"labels: expected ids from 0 to {n_classes - 1} for {n_classes} classes, found "
            f"{found[row]} at row {row}; number the classes from 0 without gaps"
        )
    if np.unique(found).size < 2:
        raise DataError(
            f"labels: expected at least two classes, found only class {found[0]}; a classifier "
            "learns nothing from one class: check the label column and how the data was filtered"
        )
    return found.astype(np.int64)


def check_label_sets(indicators: NDArray[np.integer], label_names: Sequence[str]) -> None:
    """Refuse label sets that teach nothing.

    Parameters
    ----------
    indicators
        Whether text i has label k, shape (N, K).
    label_names
        K names.

    Raises
    ------
    DataError
        There are fewer than two labels, or every text has the same set of them.
    """
    if len(label_names) < 2:
        raise DataError(
            f"labels: expected at least two different ones in the lists, found {len(label_names)}; "
            "for one label that a text has or has not, give 1 or 0 for each text instead of a list"
        )
    if (indicators == indicators[0]).all():
        raise DataError(
            "labels: expected texts with different labels, found the same for every text; a "
            "classifier learns nothing from them"
        )


NOT_THE_RATE = (
    "no weight was changed before it, so it is not the learning rate: look for NaN in the "
    "checkpoint's weights and for extreme fine_tune.class_weights"
)


class LossWatch:
    """Stops a training whose loss is not a number any more or has run away.

    Parameters
    ----------
    guessing
        Loss of guessing, in nats: ln K for K classes.
    learning_rate
        Peak of the schedule, for the advice.
    highest_usual_rate
        Above which such trainings usually fail, for the advice.
    precision
        ``fp32`` or ``bf16``, for the advice.
    """

    def __init__(
        self, *, guessing: float, learning_rate: float, highest_usual_rate: float, precision: str
    ) -> None:
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.start: float | None = None
        self.guessing = guessing
        self.learning_rate = learning_rate
        self.safe_rate = highest_usual_rate / 2
        self.exact = "" if precision == "fp32" else ", or set fine_tune.precision to fp32"

    def look(self, step: int, loss: float, gradient_norm: float) -> None:
        """Take in one optimiser step.

        Raises
        ------
        TrainingDivergedError
            The loss or the gradient is NaN or infinite, or the median loss of the last `WINDOW`
            steps is more than `RUNAWAY` times that of guessing and of the first steps.
        """
        if not math.isfinite(loss) or not math.isfinite(gradient_norm):
            raise TrainingDivergedError(
                f"step {step}: the loss is {loss:g} and the gradient norm {gradient_norm:g}; "
                f"{self._advice() if step > 1 else NOT_THE_RATE + self.exact}"
            )
        self.recent.append(loss)
        if step <= FIRST_STEPS:  # a badly drawn head may begin far above guessing
            worst = MOST_AT_START * self.guessing
            self.start = min(max(loss, self.start or 0.0), worst)
        if len(self.recent) < WINDOW:
            return
        level = median(self.recent)  # single spikes are no divergence
        if level > RUNAWAY * max(self.guessing, self.start or 0.0):
            raise TrainingDivergedError(
                f"step {step}: the median loss of the last {WINDOW} steps is {level:.2f}, that of "
                f"guessing {self.guessing:.2f}: the training diverges; {self._advice()}"
            )

    def _advice(self) -> str:
        lower = min(self.learning_rate / 5, self.safe_rate)
        return (
            f"lower fine_tune.learning_rate (now {self.learning_rate:g}, try {lower:.0e}) or raise "
            f"fine_tune.warmup_fraction{self.exact}"
        )
