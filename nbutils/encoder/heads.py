"""Scaled dot-product attention over blocks of heads, forward and backward.

Vaswani et al., "Attention is all you need", 2017, equation 1. As in Dao et al., "FlashAttention",
2022, algorithm 4, the backward pass computes the attention weights again from queries and keys:
between the passes they are not kept, and while they are used they stay in the cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nbutils.encoder.masks import INTEGERS, DropoutBits, drop_, empty_mask, kept_scale

BLOCK = 1 << 21  # attention weights at once: 4 MiB in bf16
LN_2 = math.log(2)
# Sums of powers outside have lost numbers, or their inverses times small gradients will.
SMALLEST, LARGEST = 1e-24, 1e24


def split_heads(rows: Tensor, size: tuple[int, int, int, int]) -> Tensor:
    """Return (B * T, groups * D) as (groups, B * heads, T, width).

    Parameters
    ----------
    rows
        One row per token.
    size
        B, T, groups, heads.
    """
    batch, tokens, groups, heads = size
    parts = rows.view(batch, tokens, groups, heads, -1).permute(2, 0, 3, 1, 4)
    return parts.reshape(groups, batch * heads, tokens, -1)


def join_heads(parts: Tensor, heads: int) -> Tensor:
    """Return (groups, B * heads, T, width) as (B * T, groups * D), the inverse of `split_heads`."""
    groups, _, tokens, width = parts.shape
    rows = parts.view(groups, -1, heads, tokens, width).permute(1, 3, 0, 2, 4)
    return rows.reshape(-1, groups * heads * width)


@dataclass(eq=False)
class Heads:
    """The queries, keys and values of all heads of a batch.

    Attributes
    ----------
    query
        Shape (B * heads, Q, width), scaled so that scores are powers of two.
    key, value
        Shape (B * heads, L, width).
    bias
        Added to the scores, shape (B * heads, 1, L); None: nothing is.
    count
        Heads.
    first_only
        Whether Q is 1 because only the first token asks.
    keep, scale
        The mask of the attention weights and what the kept ones are multiplied by; None: all are.
    shifts
        Taken from a block's scores, by the block's start.
    sums
        Of the powers of a token's scores, (B * heads, Q).
    """

    query: Tensor
    key: Tensor
    value: Tensor
    bias: Tensor | None
    count: int
    first_only: bool
    keep: Tensor | None = None
    scale: float = 1.0
    shifts: dict[int, Tensor] = field(default_factory=dict)
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sums = torch.empty(self.query.shape[:2], dtype=torch.float32)

    def split(self, rows: Tensor) -> Tensor:
        """Return (B * Q, D) as (B * heads, Q, width)."""
        batch = len(self.query) // self.count
        return split_heads(rows, (batch, self.query.size(1), 1, self.count))[0]

    def join(self, part: Tensor) -> Tensor:
        """Return (B * heads, T, width) as (B * T, D)."""
        return join_heads(part[None], self.count)

    def attend(self, bits: DropoutBits | None, dropout: float) -> Tensor:
        """Return the attended values, (B * heads, Q, width).

        Parameters
        ----------
        bits
            Source of the mask; None: nothing is dropped.
        dropout
            Share of the attention weights to be dropped.
        """
        if bits is not None and dropout > 0:
            size = (*self.query.shape[:2], self.key.size(1))
            self.keep, self.scale = empty_mask(size), kept_scale(dropout)
        mixed = torch.empty_like(self.query)
        for block in self._blocks():
            powers = self._summed_powers(block)
            if bits is not None and self.keep is not None:
                drop_(powers, bits.fill_(self.keep[block], dropout))
            torch.bmm(powers, self.value[block], out=mixed[block])
        return mixed.mul_(self._factors(mixed.dtype))

    def attend_backward(self, d_mixed: Tensor, mixed: Tensor) -> list[Tensor]:
        """Return the gradients of what was split into queries, keys and values, side by side.

        They are one of (B * L, 3D), or, where only the first token asks, that of the queries (B, D)
        and that of keys and values (B * L, 2D).
        """
        shared = (d_mixed.float() * mixed.float()).sum(-1, keepdim=True) / self.sums[:, :, None]
        shared, d_mixed = shared.to(mixed.dtype), d_mixed * self._factors(mixed.dtype)
        found, (d_query, d_key, d_value) = self._empty_gradients()
        for block in self._blocks():
            powers = self._powers(block)
            d_scores = torch.bmm(d_mixed[block], self.value[block].transpose(1, 2))
            kept = powers
            if self.keep is not None:
                integers = INTEGERS[powers.element_size()]
                keep = self.keep[block].to(integers)
                kept = torch.bitwise_and(powers.view(integers), keep).view(powers.dtype)
            torch.bmm(kept.transpose(1, 2), d_mixed[block], out=d_value[block])
            d_scores.mul_(kept).addcmul_(powers, shared[block], value=-1)
            torch.bmm(d_scores, self.key[block], out=d_query[block])
            torch.bmm(d_scores.transpose(1, 2), self.query[block], out=d_key[block])
        d_query.mul_(LN_2)
        d_key.mul_(LN_2)
        return [join_heads(parts, self.count) for parts in found]

    def _empty_gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return room for gradients as `join_heads` takes it, and its parts, one after another."""
        if self.first_only:
            found = [torch.empty_like(self.query)[None], self.key.new_empty(2, *self.key.shape)]
        else:
            found = [self.query.new_empty(3, *self.key.shape)]
        return found, [part for parts in found for part in parts]

    def _summed_powers(self, block: slice) -> Tensor:
        """Return `_powers`, with their sums noted; scores that need it are shifted first.

        The softmax does not change when all scores of a row are. Powers of scores as they are save
        a pass, and fit into the range of numbers for nearly all of them.
        """
        powers, sums = self._powers(block), self.sums[block]
        sums.copy_(powers.sum(-1))
        if sums.min() < SMALLEST or not sums.max() < LARGEST:
            self.shifts[block.start] = self._scores(block).amax(-1, keepdim=True)
            powers = self._powers(block)
            sums.copy_(powers.sum(-1))
        return powers

    def _factors(self, dtype: torch.dtype) -> Tensor:
        return (self.scale / self.sums).to(dtype)[:, :, None]

    def _blocks(self) -> list[slice]:
        step = max(1, BLOCK // (self.query.size(1) * self.key.size(1)))
        return [slice(start, start + step) for start in range(0, len(self.query), step)]

    def _powers(self, block: slice) -> Tensor:
        """Return 2 ** score for the heads of a block."""
        return self._scores(block).exp2_()

    def _scores(self, block: slice) -> Tensor:
        scores = torch.bmm(self.query[block], self.key[block].transpose(1, 2))
        if self.bias is not None:
            scores += self.bias[block]
        if block.start in self.shifts:
            scores -= self.shifts[block.start]
        return scores
