"""Batches that do not fit into memory: told from other errors, and halved."""

from __future__ import annotations

import torch

from nbutils.errors import NbutilsError
from nbutils.training.history import History

# What torch's allocators say on Linux, on Windows, and on MPS and older CUDA builds.
SAYINGS = ("can't allocate memory", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory was asked for and not to be had."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(say in str(error).lower() for say in SAYINGS)


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


def release_memory(device: str) -> None:
    """Give back what torch's allocator holds and does not use, so that smaller batches find it."""
    if device == "cuda":
        torch.cuda.empty_cache()
