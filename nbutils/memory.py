"""Memory that was asked for and not to be had: told from other errors, and given back."""

from __future__ import annotations

import re

import torch

# What torch's allocators say on Linux, on Windows, and on MPS and older CUDA builds; the system of
# a file that is mapped; then the C++ library, oneDNN (whose primitives have their code and scratch
# space in memory), and what CUDA's own libraries ask for beside torch.
SAYINGS = re.compile(
    "can't allocate memory|not enough memory|out of memory|cannot allocate memory|bad_alloc"
    "|could not create a memory object|could not create a primitive(?! desc)|status_alloc_failed",
    re.IGNORECASE,
)
MOST_SAID = 200  # characters


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory was asked for and not to be had."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and SAYINGS.search(str(error)) is not None


def say_shortage(error: BaseException) -> str:
    """Return what such an error said, for the end of a sentence: it may be of something else."""
    said = " ".join(str(error).split())[:MOST_SAID]
    return f" (the error was: {said})" if said else ""


def release_memory(device: str) -> None:
    """Give back what torch's allocator holds and does not use, so that smaller batches find it."""
    if device == "cuda":
        torch.cuda.empty_cache()
