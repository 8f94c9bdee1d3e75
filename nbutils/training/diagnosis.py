"""A plain sentence on how a training went, drawn from its curves."""

from __future__ import annotations

from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.history import History

RISE = 0.10  # of the validation loss above its minimum before it is called overfitting
FALL = 0.05  # of the validation loss between the last two looks before it is called unfinished
LEAST_CHANGE = 0.01  # nats by which it rises or falls at least before it is called either
NEAR_GUESSING = 0.9  # of the loss of knowing the class shares alone
TAIL = 10  # steps that the last training loss is taken over


def describe_fit(history: History, *, params: FineTuneParams | None = None) -> str:
    """Return a sentence that says whether the model overfits, underfits or neither.

    Parameters
    ----------
    history
        Of a finished training.
    params
        Of that training: they decide which learning rates are usual. None: those of a training of
        all weights.
    """
    if not history.steps:
        return "No step was made."
    recent = history.losses[-TAIL:]
    train_loss = sum(recent) / len(recent)
    least = history.least_loss  # even of a model that knows it all, where labels are smoothed
    if train_loss - least > NEAR_GUESSING * (history.label_entropy - least):
        return _underfitting(history, train_loss, params)
    if not history.validations:
        return (
            f"The training loss ends at {train_loss:.2f}. Without a validation split nobody can "
            "say whether the model overfits."
        )
    return _compare(history, train_loss)


def _underfitting(history: History, train_loss: float, params: FineTuneParams | None) -> str:
    recipe = params or FineTuneParams.of({})
    rate = recipe.learning_rate if params else _peak_rate(history)
    highest = recipe.highest_usual_rate
    if rate > highest:
        advice = _lower(rate, recipe)
    else:
        higher = f", or raise the learning rate, up to {highest:g}" if rate < highest else ""
        advice = (
            f"Train longer{higher}; if that changes nothing, ask whether the texts decide their "
            "labels at all."
        )
    return (
        f"Underfitting: the training loss ends at {train_loss:.2f}, and knowing the class shares "
        f"alone gives {history.label_entropy:.2f}. {advice}"
    )


def _peak_rate(history: History) -> float:
    """Return the highest learning rate, without what rounding added to it in the schedule."""
    return float(f"{max(record.learning_rate for record in history.steps):.6g}")


def _lower(rate: float, recipe: FineTuneParams) -> str:
    """Return what to do about a learning rate that is too high for what was trained."""
    said = f"The learning rate of {rate:g} is high"
    if recipe.lora_rank is not None:
        highest = recipe.highest_usual_rate
        return f"{said}, even for low-rank updates: lower it to {highest:g} or below."
    said += " enough to destroy what pretraining learnt"
    if recipe.freeze_layers is None:
        return f"{said}: lower it to 5e-5 or below."
    return (
        f"{said} in layers that are not frozen: if there are any, lower it to 5e-5 or below; if "
        "all are frozen, freeze fewer."
    )


def _compare(history: History, train_loss: float) -> str:
    losses = [record.loss for record in history.validations]
    lowest = min(history.validations, key=lambda record: record.loss)
    last = history.validations[-1]
    rise = last.loss - lowest.loss
    if last.step > lowest.step and rise > max(RISE * lowest.loss, LEAST_CHANGE):
        return (
            f"Overfitting sets in: the validation loss is lowest after {_epochs(lowest.epoch)} "
            f"({lowest.loss:.3f}) and rises to {last.loss:.3f}, while the training loss ends at "
            f"{train_loss:.3f}. The kept state is that of {_kept(history)}; fewer epochs would do."
        )
    if len(losses) > 1 and losses[-2] - losses[-1] > max(FALL * losses[-2], LEAST_CHANGE):
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
