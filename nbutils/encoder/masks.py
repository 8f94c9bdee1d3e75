"""Dropout masks on a CPU from one wide random draw.

torch draws a dropout mask element by element on one thread: a fifth of a training step. Here one
64-bit draw decides eight elements, 7 bits each. An element is dropped with probability
round(128 p) / 128 (0.1 becomes 0.1016) and the others are scaled by the exact inverse, so the
expectation is the identity. A mask is a tensor of -1 (kept) and 0 (dropped): "and" with the bits of
a floating-point number leaves it as it is, or makes it zero.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

LEVELS = 1 << 7
INTEGERS = {2: torch.int16, 4: torch.int32}  # by the bytes of a floating-point number
STREAMS = 2  # random streams of one mask, on as many threads; a constant, or masks would follow it
FEW = 1 << 17  # words; fewer are drawn sooner than a thread is woken
CHUNK = 1 << 15  # words that are made into a mask at once, in the cache


class DropoutBits:
    """The seeded source of all dropout masks of one model."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._helper = ThreadPoolExecutor(STREAMS - 1, "nbutils-dropout")
        self.begin(0)

    def begin(self, *place: int) -> None:
        """Start the streams of a place in the training, such as (step, accumulation).

        Masks depend on seed and place alone, so that a training can go on anywhere.
        """
        seeds = np.random.SeedSequence([self.seed, *place]).spawn(STREAMS)
        self._streams = [np.random.SFC64(seed) for seed in seeds]

    def keep(self, shape: torch.Size | tuple[int, ...], p: float) -> torch.Tensor:
        """Return an int8 mask of `shape`: 0 with probability `p` to the nearest 1/128, else -1."""
        count = math.prod(shape)
        words = -(-count // 8)
        if words <= FEW:
            mask = np.empty(count, np.int8)
            _fill(mask, self._streams[0], p)
        else:
            half = 8 * -(-words // STREAMS)
            mask = np.empty(STREAMS * half, np.int8)
            other = self._helper.submit(_fill, mask[half:], self._streams[1], p)
            _fill(mask[:half], self._streams[0], p)
            other.result()
        return torch.from_numpy(mask[:count]).view(*shape)


def _fill(mask: NDArray[np.int8], stream: np.random.SFC64, p: float) -> None:
    """Fill a mask from a stream: 7 random bits keep an element where they are small enough."""
    for start in range(0, len(mask), 8 * CHUNK):
        part = mask[start : start + 8 * CHUNK]
        bits = stream.random_raw(-(-len(part) // 8)).view(np.int8)[: len(part)]
        np.bitwise_and(bits, LEVELS - 1, out=bits)
        np.less(bits, LEVELS - drop_levels(p), out=part.view(np.bool_))
        np.negative(part, out=part)


def drop_levels(p: float) -> int:
    """Return how many of the 128 levels are dropped."""
    return round(p * LEVELS)


def kept_scale(p: float) -> float:
    """Return what kept elements are multiplied with: 1 / (1 - p), `p` to the nearest 1/128."""
    return LEVELS / (LEVELS - drop_levels(p))


def drop_(values: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Zero in place what `keep`, a mask of the same shape, drops; nothing is scaled."""
    integers = INTEGERS[values.element_size()]
    values.view(integers).bitwise_and_(keep.to(integers))
    return values
