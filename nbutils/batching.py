"""Texts as token ids, and token ids as batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nbutils.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ROUND = 16  # tokens: a CPU prepares each new shape, and keeps what it prepared, so let few be new
SHORT = 64  # tokens up to which it is rounded half as much
POOL = 32  # batches that are sorted by length together: more wastes less padding, mixes less


@dataclass(frozen=True)
class Encoded:
    """Token ids of N texts, cut to `max_length`, not yet padded.

    `input_ids` and `token_type_ids` hold one array of shape (length,) per text.
    """

    input_ids: list[NDArray[np.int64]]
    token_type_ids: list[NDArray[np.int64]] | None
    pad_token_id: int

    def __len__(self) -> int:
        return len(self.input_ids)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per text, special tokens included, shape (N,)."""
        return np.fromiter((len(ids) for ids in self.input_ids), np.int64, len(self))

    def batch(self, rows: NDArray[np.int64], *, device: str = "cpu") -> dict[str, torch.Tensor]:
        """Return the model inputs of `rows` (B,), padded to the longest of them: (B, L) each.

        L is rounded up, and no longer than the longest of all texts.
        """
        ids = [self.input_ids[row] for row in rows]
        longest = self._rounded(max(len(row) for row in ids))
        padded = np.full((len(ids), longest), self.pad_token_id, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for place, row in enumerate(ids):
            padded[place, : len(row)] = row
            mask[place, : len(row)] = 1
        inputs = {"input_ids": padded, "attention_mask": mask}
        if self.token_type_ids is not None:
            types = np.zeros((len(ids), longest), np.int64)
            for place, row in enumerate(rows):
                types[place, : len(ids[place])] = self.token_type_ids[row]
            inputs["token_type_ids"] = types
        return {name: torch.from_numpy(array).to(device) for name, array in inputs.items()}

    def _rounded(self, length: int) -> int:
        step = ROUND // 2 if length <= SHORT else ROUND
        return min(-(-length // step) * step, int(self.lengths.max()))


def encode_texts(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int,
    text_pairs: Sequence[str] | None = None,
) -> Encoded:
    """Tokenize texts, cutting each to `max_length` tokens (the longer of a pair first).

    Parameters
    ----------
    texts
        N texts.
    tokenizer
        The checkpoint's own.
    max_length
        Tokens, special tokens included.
    text_pairs
        N second texts, where the task is on pairs.

    Raises
    ------
    DataError
        A text is not a string, or `texts` is a single one.
    """
    if isinstance(texts, str):
        raise DataError(f"texts: expected a list of strings, found one string: use [{texts!r}]")
    texts = list(texts)
    if text_pairs is not None and len(text_pairs) != len(texts):
        raise DataError(f"text_pairs: expected {len(texts)}, one per text, found {len(text_pairs)}")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {row}: expected a string, found {type(text).__name__}: {text!r}")
    if not len(texts):
        return Encoded([], None, tokenizer.pad_token_id)
    encoded = tokenizer(
        texts,
        None if text_pairs is None else list(text_pairs),
        truncation="longest_first",
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=text_pairs is not None,
    )
    types = encoded["token_type_ids"] if text_pairs is not None else None
    return Encoded(
        input_ids=[np.asarray(ids, np.int64) for ids in encoded["input_ids"]],
        token_type_ids=None if types is None else [np.asarray(ids, np.int64) for ids in types],
        pad_token_id=tokenizer.pad_token_id,
    )


def epoch_batches(
    lengths: NDArray[np.int64], *, batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return the batches of one epoch: every example once, similar lengths together.

    Examples are shuffled, sorted by length within pools of `POOL` batches, cut into batches, and
    the batches shuffled. The order depends on `seed` and `epoch` alone, so that training can go on
    in the middle of an epoch.

    Parameters
    ----------
    lengths
        Tokens per example, shape (N,).
    batch_size
        Examples per batch; one batch of the epoch may be smaller.
    seed, epoch
        What the order is drawn from.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = POOL * batch_size
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches.extend(rows[cut : cut + batch_size] for cut in range(0, len(rows), batch_size))
    return [batches[place] for place in random.permutation(len(batches))]


def sorted_batches(lengths: NDArray[np.int64], *, batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield batches for prediction: longest first, at most `batch_tokens` padded tokens each.

    Parameters
    ----------
    lengths
        Tokens per example, shape (N,).
    batch_tokens
        Tokens per batch, padding included; a single longer example makes a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
