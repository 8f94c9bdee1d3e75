"""Forward passes that do not fit into memory, halved."""

from __future__ import annotations

from nbutils.errors import NbutilsError
from nbutils.training.history import History


def halve_passes(history: History, *, texts: int, tokens: int, shortage: str) -> None:
    """Halve `history.batch_tokens` and note it; the effective batch stays, in more passes.

    Shorter texts keep their larger passes: what counts for memory is tokens.

    Parameters
    ----------
    history
        Of the training so far.
    texts, tokens
        Of the pass that did not fit, padding included.
    shortage
        What the error said, as `say_shortage` has it.

    Raises
    ------
    NbutilsError
        It was a single text.
    """
    step = len(history.steps) + 1
    if texts == 1:
        raise NbutilsError(
            f"step {step}: a single text of {tokens} tokens does not fit into memory; lower "
            "fine_tune.max_length, set fine_tune.gradient_checkpointing to true, or take a smaller "
            f"fine_tune.model{shortage}"
        )
    history.batch_tokens = tokens // 2
    history.notes.append(
        f"step {step}: {texts} texts ({tokens} tokens with padding) in one forward pass did not "
        f"fit into memory; it goes on with at most {history.batch_tokens} tokens, in more passes "
        "per step: the effective batch stays the same"
    )
