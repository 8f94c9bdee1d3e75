"""Training batches that do not fit into memory, halved."""

from __future__ import annotations

from nbutils.errors import NbutilsError
from nbutils.training.history import History


def halve_batch(history: History, *, longest: int) -> None:
    """Halve `history.batch_size` and note it; the effective batch stays, in more passes.

    Parameters
    ----------
    history
        Of the training so far.
    longest
        Tokens of the longest text in the batch that did not fit.

    Raises
    ------
    NbutilsError
        The batch was a single text.
    """
    step, size = len(history.steps) + 1, history.batch_size
    if size == 1:
        raise NbutilsError(
            f"step {step}: a single text of {longest} tokens does not fit into memory; lower "
            "fine_tune.max_length, set fine_tune.gradient_checkpointing to true, or take a smaller "
            "fine_tune.model"
        )
    history.batch_size = (size + 1) // 2
    history.notes.append(
        f"step {step}: {size} texts in one forward pass did not fit into memory; it goes on with "
        f"{history.batch_size}, in more passes per step: the effective batch stays the same"
    )
