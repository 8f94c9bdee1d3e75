"""Texts as token ids, and token ids as batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nbutils.chunks import chunk, head_and_tail, pool_logits
from nbutils.described import Described
from nbutils.errors import DataError
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerFast

ROUND = 16  # tokens: a CPU prepares each new shape, and keeps what it prepared, so let few be new
SHORT = 64  # tokens up to which it is rounded half as much
POOL = 32  # batches that are sorted by length together: more wastes less padding, mixes less
# Padded tokens of a forward pass. On a CPU more of them take memory and save no time; elsewhere a
# pass should be long beside the start of its kernels.
CPU_TOKENS, OTHER_TOKENS = 4096, 16384


@dataclass(frozen=True, repr=False)
class Encoded(Described):
    """Token ids of N texts, cut to what is read of them, not yet padded.

    `input_ids` and `token_type_ids` hold one array of shape (length,) per text, or, where `counts`
    (N,) is given, that many for each text: its chunks, one after the other.
    """

    input_ids: list[NDArray[np.int64]]
    token_type_ids: list[NDArray[np.int64]] | None
    pad_token_id: int
    counts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.input_ids) if self.counts is None else len(self.counts)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per text, special tokens included, of all its chunks, shape (N,)."""
        if self.counts is None:
            return self._chunk_lengths
        return np.add.reduceat(self._chunk_lengths, [places[0] for places in self._places])

    @cached_property
    def _chunk_lengths(self) -> NDArray[np.int64]:
        return np.fromiter(map(len, self.input_ids), np.int64, len(self.input_ids))

    @cached_property
    def inputs(self) -> NDArray[np.int64]:
        """Rows of inputs that `batch` makes of each text, one or its chunks, shape (N,)."""
        return np.ones(len(self), np.int64) if self.counts is None else self.counts

    @cached_property
    def widths(self) -> NDArray[np.int64]:
        """Tokens that each text, or its longest chunk, is padded to at least, shape (N,)."""
        longest = self._chunk_lengths
        if self.counts is not None:
            longest = np.maximum.reduceat(longest, [places[0] for places in self._places])
        step = np.where(longest <= SHORT, ROUND // 2, ROUND)
        return np.asarray(np.minimum(-(-longest // step) * step, longest.max(initial=0)))

    @cached_property
    def _places(self) -> list[NDArray[np.int64]]:
        """Where the chunks of each text stand in `input_ids`, N arrays."""
        return np.split(np.arange(self.inputs.sum()), np.cumsum(self.inputs)[:-1])

    @property
    def chunks(self) -> Encoded:
        """The same token ids with every chunk as a text of its own."""
        return self if self.counts is None else replace(self, counts=None)

    def pool(
        self, logits: torch.Tensor, rows: NDArray[np.int64] | slice = slice(None)
    ) -> torch.Tensor:
        """Return one row of logits for each text, (B, K): the mean of those of its chunks.

        Parameters
        ----------
        logits
            Of the inputs that `batch` makes of `rows`.
        rows
            The texts, (B,); all by default.
        """
        return logits if self.counts is None else pool_logits(logits, self.counts[rows])

    def padded_tokens(self, rows: NDArray[np.int64]) -> int:
        """Return how many tokens `batch` makes of some texts (B,), padding included."""
        return int(self.inputs[rows].sum() * self.widths[rows].max())

    def batch(self, rows: NDArray[np.int64], *, device: str = "cpu") -> dict[str, torch.Tensor]:
        """Return the model inputs of `rows` (B,), padded to the longest of them: (B, L) each.

        L is rounded up, and no longer than the longest text or chunk of all. Where texts are
        read in chunks, there is a row of inputs for each chunk.
        """
        longest = int(self.widths[rows].max())
        if self.counts is not None:
            rows = np.concatenate([self._places[row] for row in rows])
        ids = [self.input_ids[row] for row in rows]
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


def encode_texts(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    *,
    cutting: Cutting,
    text_pairs: Sequence[str] | None = None,
) -> Encoded:
    """Tokenize texts, cutting those that are too long (the longer of a pair first).

    Parameters
    ----------
    texts
        N texts.
    tokenizer
        The checkpoint's own.
    cutting
        How many tokens of a text are read, and which.
    text_pairs
        N second texts, where the task is on pairs.

    Raises
    ------
    DataError
        A text is not a string, or `texts` is a single one; or pairs were to be read in chunks.
    """
    texts = _checked(texts, text_pairs, cutting)
    if not len(texts):
        return Encoded([], None, tokenizer.pad_token_id)
    ends_only = cutting.truncation == "head"
    encoded = tokenizer(
        texts,
        None if text_pairs is None else list(text_pairs),
        truncation="longest_first" if ends_only else False,
        max_length=cutting.max_length if ends_only else None,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=text_pairs is not None,
        verbose=False,  # of a text longer than the model's positions: it is cut below
    )
    types = encoded["token_type_ids"] if text_pairs is not None else None
    found = Encoded(
        input_ids=[np.asarray(ids, np.int64) for ids in encoded["input_ids"]],
        token_type_ids=None if types is None else [np.asarray(ids, np.int64) for ids in types],
        pad_token_id=tokenizer.pad_token_id,
    )
    return found if ends_only else _cut(found, encoded, cutting)


def _checked(texts: Sequence[str], text_pairs: Sequence[str] | None, cutting: Cutting) -> list[str]:
    if isinstance(texts, str):
        raise DataError(f"texts: expected a list of strings, found one string: use [{texts!r}]")
    texts = list(texts)
    if text_pairs is not None and len(text_pairs) != len(texts):
        raise DataError(f"text_pairs: expected {len(texts)}, one per text, found {len(text_pairs)}")
    if text_pairs is not None and cutting.truncation == "chunks":
        raise DataError("truncation: expected head or head_tail for pairs of texts, found chunks")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {row}: expected a string, found {type(text).__name__}: {text!r}")
    return texts


def _cut(whole: Encoded, encoding: BatchEncoding, cutting: Cutting) -> Encoded:
    """Return the texts with the long ones cut; where none is long, `whole` itself."""
    long = np.flatnonzero(whole.lengths > cutting.max_length)
    if not len(long):
        return whole
    parts = {int(row): _positions(encoding.sequence_ids(int(row)), cutting) for row in long}
    return Encoded(
        input_ids=_taken(whole.input_ids, parts),
        token_type_ids=whole.token_type_ids and _taken(whole.token_type_ids, parts),
        pad_token_id=whole.pad_token_id,
        counts=_count(len(whole), parts) if cutting.truncation == "chunks" else None,
    )


def _positions(owners: Sequence[int | None], cutting: Cutting) -> list[NDArray[np.int64]]:
    known = np.array([-1 if owner is None else owner for owner in owners], np.int64)
    if cutting.truncation == "chunks":
        return list(chunk(known, cutting))
    return [head_and_tail(known, max_length=cutting.max_length)]


def _taken(
    arrays: list[NDArray[np.int64]], parts: dict[int, list[NDArray[np.int64]]]
) -> list[NDArray[np.int64]]:
    taken: list[NDArray[np.int64]] = []
    for row, array in enumerate(arrays):
        taken.extend([array[places] for places in parts[row]] if row in parts else [array])
    return taken


def _count(n: int, parts: dict[int, list[NDArray[np.int64]]]) -> NDArray[np.int64]:
    counts = np.ones(n, np.int64)
    for row, places in parts.items():
        counts[row] = len(places)
    return counts


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


def pass_tokens(device: str) -> int:
    """Return how many tokens, padding included, a forward pass on a device should have at most."""
    return CPU_TOKENS if device == "cpu" else OTHER_TOKENS


def split_passes(
    encoded: Encoded, rows: NDArray[np.int64], *, texts: int, tokens: int
) -> list[NDArray[np.int64]]:
    """Return the texts of a batch in the forward passes that it takes, filled one after the other.

    Parameters
    ----------
    encoded
        N tokenized texts.
    rows
        The batch, (B,), B > 0; with similar lengths side by side little is padded.
    texts
        Texts in a pass at most.
    tokens
        Tokens in a pass at most, padding included; a single longer text has a pass of its own.
    """
    cuts, start, inputs, width = [], 0, 0, 0
    for place, row in enumerate(rows):
        inputs += encoded.inputs[row]
        width = max(width, encoded.widths[row])
        if place > start and (place - start == texts or inputs * width > tokens):
            cuts.append(place)
            start, inputs, width = place, encoded.inputs[row], encoded.widths[row]
    return np.split(rows, cuts)


def sorted_batches(lengths: NDArray[np.int64], *, batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield batches for prediction: longest first, at most `batch_tokens` tokens each.

    Parameters
    ----------
    lengths
        Tokens per example, shape (N,).
    batch_tokens
        Tokens per batch, padding to its longest example included, before that is rounded up; a
        single longer example makes a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
