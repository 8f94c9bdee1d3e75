"""The last good state of a training that diverged: put back into the model, not lost with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nbutils.errors import TrainingDivergedError

if TYPE_CHECKING:
    from nbutils.training.api import FineTuned
    from nbutils.training.loop import Training

LAST_GOOD = "last-good"  # folder of the kept model, beside the checkpoints

Tensors = Mapping[str, torch.Tensor]


def rescue(training: Training, error: TrainingDivergedError) -> TrainingDivergedError:
    """Restore the best validated state, else the last checkpoint, and say so in the error.

    Parameters
    ----------
    training
        Its model gets the weights.
    error
        What happened, at which step, and what to change.

    Returns
    -------
    TrainingDivergedError
        With `kept_step`; None where no good state was left.
    """
    for step, kept, weights in _candidates(training):
        if all(_is_finite(tensor) for tensor in weights.values()):
            training.model.load_state_dict(weights)
            history = training.history
            history.best_step, history.stopped = step, "diverged"
            return TrainingDivergedError(f"{error}; kept: {kept}", kept_step=step, history=history)
    return TrainingDivergedError(f"{error}; nothing is kept: no state before it was saved")


def hand_over(
    error: TrainingDivergedError, classifier: FineTuned, folder: str | Path | None
) -> TrainingDivergedError:
    """Return the error with the classifier in its last good state, saved where states are saved.

    Parameters
    ----------
    error
        As `rescue` made it.
    classifier
        In the state that was kept.
    folder
        The training's checkpoint folder; None: it is not saved.
    """
    message = str(error)
    if folder is not None:
        message += f"; saved in {classifier.save(Path(folder) / LAST_GOOD)}"
    return TrainingDivergedError(
        message, kept_step=error.kept_step, history=error.history, kept=classifier
    )


def _candidates(training: Training) -> Iterator[tuple[int, str, Tensors]]:
    """Yield step, description and weights of the states that there are, the best first."""
    best = training.history.best_step
    if training.best_state is not None and best is not None:
        text = f"the best validated state, that of step {best}"
        yield best, text, training.best_state
    for state in training.checkpoints.states() if training.checkpoints is not None else ():
        text = f"the last good checkpoint, that of step {state.step}, which no validation has seen"
        yield state.step, text, state.tensors["weights"]


def _is_finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
