"""Which tokens of a text a model reads, and where each of them stands in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbutils.batching import Encoded
from nbutils.chunks import chunk, head_and_tail
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IntArray = NDArray[np.int64]
Texts = tuple[str, ...]

NOBODY = -1


@dataclass(frozen=True)
class Piece:
    """What a model reads at once of one text, or of a pair: L tokens.

    Attributes
    ----------
    input_ids
        Shape (L,).
    token_type_ids
        Shape (L,), for a pair; else None.
    owners
        Whose each token is, shape (L,): 0 of the first text, 1 of the second, -1 a special token.
    spans
        First character of each token in its text and the one after its last, shape (L, 2).
    words
        Number of the word of its text that each token belongs to, shape (L,); -1: of none.
    """

    input_ids: IntArray
    token_type_ids: IntArray | None
    owners: IntArray
    spans: IntArray
    words: IntArray


def read_pieces(
    texts: Texts, tokenizer: PreTrainedTokenizerFast, *, cutting: Cutting
) -> list[Piece]:
    """Return the chunks of one text or pair, a single one unless it is cut into several.

    The tokens are those of `nbutils.batching.encode_texts`.

    Parameters
    ----------
    texts
        A text, or both of a pair.
    tokenizer
        The checkpoint's own.
    cutting
        How many tokens are read, and which.
    """
    ends_only = cutting.truncation == "head"
    whole = _read(texts, tokenizer, most=cutting.max_length if ends_only else None)
    parts = _positions(whole.owners, cutting)
    return [
        Piece(**{name: _taken(array, part) for name, array in vars(whole).items()})
        for part in parts
    ]


def read_whole(texts: Texts, tokenizer: PreTrainedTokenizerFast) -> Piece:
    """Return all tokens of one text or pair, as they would be read if none were cut off."""
    return _read(texts, tokenizer, most=None)


def _read(texts: Texts, tokenizer: PreTrainedTokenizerFast, *, most: int | None) -> Piece:
    paired = len(texts) > 1
    encoding = tokenizer(
        *([text] for text in texts),  # by itself, an empty second text is taken for none
        truncation=False if most is None else "longest_first",
        max_length=most,
        return_offsets_mapping=True,
        return_token_type_ids=paired,
        verbose=False,
    )
    return Piece(
        input_ids=np.asarray(encoding["input_ids"][0], np.int64),
        token_type_ids=np.asarray(encoding["token_type_ids"][0], np.int64) if paired else None,
        owners=_numbers(encoding.sequence_ids(0)),
        spans=np.asarray(encoding["offset_mapping"][0], np.int64).reshape(-1, 2),
        words=_numbers(encoding.word_ids(0)),
    )


@dataclass(frozen=True)
class Unread:
    """A stretch of a text that is not read: its characters from `start` to `end`.

    `part` says which text it is (0, or 1: the second of a pair), `tokens` how many those are.
    """

    part: int
    start: int
    end: int
    tokens: int


def find_unread(pieces: Sequence[Piece], whole: Piece) -> tuple[Unread, ...]:
    """Return the stretches of a text or pair that no piece has, in their order.

    Parameters
    ----------
    pieces, whole
        As `read_pieces` and `read_whole` return them.
    """
    places = np.concatenate([_places(piece) for piece in pieces])
    missing = (whole.owners >= 0) & ~np.isin(_places(whole), places)
    parts = np.where(missing, whole.owners, NOBODY)
    edges = np.flatnonzero(np.diff(parts, prepend=NOBODY, append=NOBODY))
    found = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if missing[low]:
            start, end = int(whole.spans[low, 0]), int(whole.spans[high - 1, 1])
            found.append(Unread(int(parts[low]), start, end, high - low))
    return tuple(found)


def _places(piece: Piece) -> IntArray:
    """Return a number for each token that tells those apart that begin at different characters."""
    return np.asarray(2 * piece.spans[:, 0] + piece.owners)


def _numbers(values: list[int | None]) -> IntArray:
    return np.array([NOBODY if value is None else value for value in values], np.int64)


def _taken(array: Any, positions: IntArray) -> Any:
    return None if array is None else array[positions]


def _positions(owners: Any, cutting: Cutting) -> Iterator[IntArray]:
    if cutting.truncation == "head" or len(owners) <= cutting.max_length:
        yield np.arange(len(owners))
    elif cutting.truncation == "chunks":
        yield from chunk(owners, cutting)
    else:
        yield head_and_tail(owners, max_length=cutting.max_length)


def unique_texts(encoded: Encoded) -> tuple[Encoded, IntArray]:
    """Return the texts whose tokens differ from those of all before them, and where each is found.

    Parameters
    ----------
    encoded
        N tokenized texts.

    Returns
    -------
    encoded, places
        M <= N texts, and for each of the N the number of its equal among them, shape (N,).
    """
    counts = np.ones(len(encoded), np.int64) if encoded.counts is None else encoded.counts
    ends = np.cumsum(counts)
    chunks = [range(end - count, end) for count, end in zip(counts, ends, strict=True)]
    first: dict[tuple[bytes, ...], int] = {}
    places = np.array(
        [first.setdefault(_key(encoded, own), len(first)) for own in chunks], np.int64
    )
    _, rows = np.unique(places, return_index=True)
    kept = [place for row in rows for place in chunks[row]]
    types = encoded.token_type_ids
    return Encoded(
        input_ids=[encoded.input_ids[place] for place in kept],
        token_type_ids=None if types is None else [types[place] for place in kept],
        pad_token_id=encoded.pad_token_id,
        counts=None if encoded.counts is None else encoded.counts[rows],
    ), places


def _key(encoded: Encoded, chunks: range) -> tuple[bytes, ...]:
    arrays = [encoded.input_ids[place] for place in chunks]
    if encoded.token_type_ids is not None:
        arrays += [encoded.token_type_ids[place] for place in chunks]
    return tuple(array.tobytes() for array in arrays)
