"""How long a training goes on: epochs, steps or minutes, whichever ends first."""

from __future__ import annotations

from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.history import History

ALL_EPOCHS = "all epochs done"


def plan_steps(params: FineTuneParams, steps_per_epoch: int) -> int:
    """Return the optimiser steps that are planned; the learning rate's schedule fits them.

    Parameters
    ----------
    params
        `epochs` and `max_steps`; how far `time_limit_minutes` lets it come is not known beforehand.
    steps_per_epoch
        At least 1.
    """
    steps = params.epochs * steps_per_epoch
    return steps if params.max_steps is None else min(steps, params.max_steps)


def describe_plan(params: FineTuneParams, steps_per_epoch: int) -> str:
    """Return how a training ends that nothing stops before its planned last step."""
    if plan_steps(params, steps_per_epoch) == params.epochs * steps_per_epoch:
        return ALL_EPOCHS
    return f"max_steps: {params.max_steps} of {params.epochs * steps_per_epoch} steps in all epochs"


def is_time_over(params: FineTuneParams, *, seconds: float, history: History) -> bool:
    """Return whether the time is used up; one step is always made.

    Parameters
    ----------
    params
        `time_limit_minutes`.
    seconds
        Used so far, those before a kill counted.
    history
        Of the training so far.
    """
    if params.time_limit_minutes is None or not history.steps:
        return False
    return seconds >= 60 * params.time_limit_minutes


def describe_time_over(params: FineTuneParams, history: History) -> str:
    """Return how a training ended whose time was up."""
    return (
        f"time limit: {params.time_limit_minutes:g} minutes were over after step "
        f"{len(history.steps)} of {history.total_steps}"
    )
