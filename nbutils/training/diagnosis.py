"""A plain sentence on how a training went, drawn from its curves."""

from __future__ import annotations

from nbutils.params.fine_tune import HIGHEST_USUAL_RATE
from nbutils.training.history import History

RISE = 0.10  # of the validation loss above its minimum before it is called overfitting
FALL = 0.05  # of the validation loss between the last two looks before it is called unfinished
NEAR_GUESSING = 0.9  # of the loss of knowing the class shares alone
TAIL = 10  # steps that the last training loss is taken over


def describe_fit(history: History) -> str:
    """Return a sentence that says whether the model overfits, underfits or neither.

    Parameters
    ----------
    history
        Of a finished training.
    """
    if not history.steps:
        return "No step was made."
    recent = history.losses[-TAIL:]
    train_loss = sum(recent) / len(recent)
    least = history.least_loss  # even of a model that knows it all, where labels are smoothed
    if train_loss - least > NEAR_GUESSING * (history.label_entropy - least):
        return _underfitting(history, train_loss)
    if not history.validations:
        return (
            f"The training loss ends at {train_loss:.2f}. Without a validation split nobody can "
            "say whether the model overfits."
        )
    return _compare(history, train_loss)


def _underfitting(history: History, train_loss: float) -> str:
    rate = max(record.learning_rate for record in history.steps)
    advice = (
        f"The learning rate of {rate:g} is high enough to destroy what pretraining learnt: lower "
        "it to 5e-5 or below."
        if rate > HIGHEST_USUAL_RATE
        else "Train longer, or raise the learning rate, up to 1e-4; if that changes nothing, ask "
        "whether the texts decide their labels at all."
    )
    return (
        f"Underfitting: the training loss ends at {train_loss:.2f}, and knowing the class shares "
        f"alone gives {history.label_entropy:.2f}. {advice}"
    )


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
