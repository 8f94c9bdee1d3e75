"""A plain sentence on how a training went, drawn from its curves."""

from __future__ import annotations

import math

from nbutils.training.history import History

RISE = 0.10  # of the validation loss above its minimum before it is called overfitting
FALL = 0.05  # of the validation loss between the last two looks before it is called unfinished
NEAR_GUESSING = 0.9  # of the loss of guessing
TAIL = 10  # steps; share of an epoch that the last training loss is taken over


def describe_fit(history: History, *, n_classes: int) -> str:
    """Return a sentence that says whether the model overfits, underfits or neither.

    Parameters
    ----------
    history
        Of a finished training.
    n_classes
        K; a model that guesses has a loss of ln K nats.
    """
    if not history.steps:
        return "No step was made."
    guessing = math.log(n_classes)
    recent = history.losses[-TAIL:]
    train_loss = sum(recent) / len(recent)
    if train_loss > NEAR_GUESSING * guessing:
        return (
            f"Underfitting: the training loss ends at {train_loss:.2f}, hardly below that of "
            f"guessing among {n_classes} classes ({guessing:.2f}). Train longer, or raise the "
            "learning rate."
        )
    if not history.validations:
        return (
            f"The training loss ends at {train_loss:.2f}. Without a validation split nobody can "
            "say whether the model overfits."
        )
    return _compare(history, train_loss)


def _compare(history: History, train_loss: float) -> str:
    losses = [record.loss for record in history.validations]
    lowest = min(history.validations, key=lambda record: record.loss)
    last = history.validations[-1]
    if last.loss > (1 + RISE) * lowest.loss and last.step > lowest.step:
        return (
            f"Overfitting sets in: the validation loss is lowest after {_epochs(lowest.epoch)} "
            f"({lowest.loss:.3f}) and rises to {last.loss:.3f}, while the training loss ends at "
            f"{train_loss:.3f}. The kept state is that of {_kept(history)}; fewer epochs would do."
        )
    if len(losses) > 1 and losses[-1] < (1 - FALL) * losses[-2]:
        return (
            f"Still improving: the validation loss fell from {losses[-2]:.3f} to {losses[-1]:.3f} "
            f"at the last look, with a training loss of {train_loss:.3f}. More epochs may help."
        )
    return (
        f"No sign of overfitting: the validation loss ends at {last.loss:.3f}, with a training "
        f"loss of {train_loss:.3f}. The kept state is that of {_kept(history)}."
    )


def _kept(history: History) -> str:
    best = next(
        (record for record in history.validations if record.step == history.best_step), None
    )
    return "the last step" if best is None else _epochs(best.epoch)


def _epochs(epochs: float) -> str:
    return f"{epochs:g} epoch" + ("" if epochs == 1 else "s")
