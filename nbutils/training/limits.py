"""How long a training goes on: epochs, steps or minutes, whichever ends first."""

from __future__ import annotations

from dataclasses import dataclass

from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.history import History

ALL_EPOCHS = "all epochs done"
BY_HAND = "by hand"


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


@dataclass(frozen=True)
class EarlyEnd:
    """Why a training ends before its planned last step.

    Attributes
    ----------
    reason
        In words.
    caution
        What that means for whoever runs it again; "": nothing.
    """

    reason: str
    caution: str = ""


def find_early_end(
    params: FineTuneParams,
    history: History,
    *,
    seconds: float,
    without_gain: int,
    is_stopped: bool,
) -> EarlyEnd | None:
    """Return why a training is over before its planned last step; None: it is not.

    Parameters
    ----------
    params
        `early_stopping_patience` and `time_limit_minutes`; one step is always made.
    history
        Of the training so far.
    seconds
        Used so far, those before a kill counted.
    without_gain
        Validations since the last better score.
    is_stopped
        Whether somebody who looks on has stopped it.
    """
    patience, minutes = params.early_stopping_patience, params.time_limit_minutes
    where = f"after step {len(history.steps)} of {history.total_steps}"
    if patience is not None and without_gain >= patience:
        return EarlyEnd(f"early, after {patience} validations without a better score")
    if is_stopped and history.steps:
        return EarlyEnd(f"{BY_HAND} {where}", "a run that nobody stops has another result")
    if minutes is not None and history.steps and seconds >= 60 * minutes:
        return EarlyEnd(
            f"time limit: {minutes:g} minutes were over {where}",
            "on another machine, or beside other work, it would be another step and another result",
        )
    return None


def describe_ignored(params: FineTuneParams, *, has_validation: bool) -> list[str]:
    """Return a note on what is asked for and cannot be done without validation texts."""
    if has_validation or params.early_stopping_patience is None:
        return []
    return [
        f"early_stopping_patience {params.early_stopping_patience} does nothing: there are no "
        "validation texts to stop by"
    ]


def is_stopped_by_hand(history: History) -> bool:
    """Return whether somebody who looked on has ended a training."""
    return history.stopped.startswith(BY_HAND)
