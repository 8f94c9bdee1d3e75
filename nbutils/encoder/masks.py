"""Dropout masks on a CPU from wide random words, made by all threads.

torch draws a dropout mask element by element on one thread: a fifth of a training step. Here one
64-bit word decides eight elements, 7 bits each. An element is dropped with probability
round(128 p) / 128 (0.1 becomes 0.1016) and the others are scaled by the exact inverse, so the
expectation is the identity. A mask is a tensor of -1 (kept) and 0 (dropped): "and" with the bits of
a floating-point number leaves it as it is, or makes it zero.
"""

from __future__ import annotations

import math

import numpy as np
import torch

LEVELS = 1 << 7
INTEGERS = {2: torch.int16, 4: torch.int32}  # by the bytes of a floating-point number
LANES = 1 << 18  # random words at once: 2 MiB, which stay in the cache
LEFT, RIGHT, LEFT_AGAIN = 13, 7, 17  # a triple of Marsaglia's, of full period


class DropoutBits:
    """The seeded source of all dropout masks of one model.

    Lanes of xorshift generators (Marsaglia, "Xorshift RNGs", 2003), side by side in a tensor, whose
    first words come from SFC64. Any two elements of a step's masks are independent: the bits that
    decide them are linearly independent sums of those of the first words (tested for 300 words of a
    lane, more than 16 texts of 512 tokens take).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._scratch = torch.empty(0, dtype=torch.int64)
        self.begin(0)

    def begin(self, *place: int) -> None:
        """Start the stream of a place in the training, such as (step, accumulation).

        Masks depend on seed and place alone, so that a training can go on anywhere.
        """
        self._seeding = np.random.SFC64(np.random.SeedSequence([self.seed, *place]))
        self._lanes = torch.empty(0, dtype=torch.int64)

    def keep(self, shape: torch.Size | tuple[int, ...], p: float) -> torch.Tensor:
        """Return an int8 mask of `shape`: 0 with probability `p` to the nearest 1/128, else -1."""
        return self.fill_(empty_mask(shape), p)

    def fill_(self, keep: torch.Tensor, p: float) -> torch.Tensor:
        """Make a contiguous int8 tensor a mask, as `keep` does, and return it."""
        for part in torch.split(keep.view(-1), 8 * LANES):
            bits = self._draw(math.ceil(len(part) / 8)).view(torch.int8)[: len(part)]
            torch.bitwise_and(bits, LEVELS - 1, out=part)
            part.add_(drop_levels(p) - LEVELS).bitwise_right_shift_(7)  # -1 where it is below 0
        return keep

    def _draw(self, count: int) -> torch.Tensor:
        """Return the next words of the first `count` lanes."""
        if missing := max(0, count - len(self._lanes)):
            fresh = self._seeding.random_raw(missing).view(np.int64)
            self._lanes = torch.cat([self._lanes, torch.from_numpy(fresh)])
            self._scratch = torch.empty_like(self._lanes)
        lanes, shifted = self._lanes[:count], self._scratch[:count]
        lanes.bitwise_xor_(torch.bitwise_left_shift(lanes, LEFT, out=shifted))
        torch.bitwise_right_shift(lanes, RIGHT, out=shifted)
        lanes.bitwise_xor_(shifted.bitwise_and_((1 << 64 - RIGHT) - 1))  # the sign is no bit of it
        lanes.bitwise_xor_(torch.bitwise_left_shift(lanes, LEFT_AGAIN, out=shifted))
        return lanes


def empty_mask(shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
    """Return room for a mask, int8; numpy asks for a large one in huge pages, which read faster."""
    return torch.from_numpy(np.empty(shape, np.int8))


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
