"""Which tokens of a long text are read, and what is made of the logits of its chunks.

Positions are chosen among the tokens of the whole text as the tokenizer returns them, special
tokens included. `owners` says of each token whose it is: 0 of the first text, 1 of the second,
-1 a special token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    import torch

HEAD = 128  # tokens at most, of the beginning; Sun et al. kept 128 and the last 382
HEAD_SHARE = 4  # and at most this fraction of what is kept

Positions = NDArray[np.int64]


def head_and_tail(owners: NDArray[np.int64], *, max_length: int) -> Positions:
    """Return the positions that are kept of a text whose middle is cut out.

    A quarter of what is kept, and at most 128 tokens, is the beginning; the rest is the end. Of
    512 tokens these are the 128 and 382 of Sun et al., "How to fine-tune BERT for text
    classification?", 2019, section 5.3.1. A pair loses tokens of its longer text until both are
    equally long, as where ends are cut; each text that is cut keeps its own beginning and end.

    Parameters
    ----------
    owners
        Whose each token is, shape (L,), L > `max_length`.
    max_length
        Tokens that are kept, special ones included.
    """
    return _keep_shares(owners, max_length, beginning=head_size)


def heads(owners: NDArray[np.int64], *, max_length: int) -> Positions:
    """Return the positions that are kept of a text whose end is cut off, as tokenizers cut it.

    A pair loses tokens of its longer text until both are equally long, then of both.

    Parameters
    ----------
    owners
        Whose each token is, shape (L,), L > `max_length`.
    max_length
        Tokens that are kept, special ones included.
    """
    return _keep_shares(owners, max_length, beginning=lambda share: share)


def _keep_shares(
    owners: NDArray[np.int64], max_length: int, *, beginning: Callable[[int], int]
) -> Positions:
    """Keep of each text its share: so many tokens of its beginning, and the rest of its end."""
    parts = [np.flatnonzero(owners == text) for text in range(int(owners.max()) + 1)]
    room = max_length - int((owners < 0).sum())
    kept = np.ones(len(owners), bool)
    for part, share in zip(parts, share_room([len(part) for part in parts], room), strict=True):
        head = beginning(share)
        kept[part[head : len(part) - (share - head)]] = False
    return np.flatnonzero(kept)


def head_size(kept: int) -> int:
    """Return how many of the kept tokens of a text are its beginning."""
    return min(HEAD, -(-kept // HEAD_SHARE))


def share_room(lengths: list[int], room: int) -> list[int]:
    """Return the tokens kept of one text or two: the longer loses first."""
    if len(lengths) == 1:
        return [min(lengths[0], room)]
    shorter = int(np.argmin(lengths))
    kept = min(lengths[shorter], room // 2)
    others = min(lengths[1 - shorter], room - kept)
    return [kept, others] if shorter == 0 else [others, kept]


def chunk(owners: NDArray[np.int64], cutting: Cutting) -> Iterator[Positions]:
    """Yield the positions of each chunk of a text, its special tokens around it.

    Chunks are as few as can be and equally long, to within one token: a short last one would count
    as much as the others. Each begins with the last `cutting.overlap` tokens of the one before.

    Parameters
    ----------
    owners
        Whose each token is, shape (L,), L > `max_length`; one text.
    cutting
        How many chunks there may be, and how long.
    """
    content = np.flatnonzero(owners >= 0)
    specials = np.flatnonzero(owners < 0)
    before, after = np.split(specials, [np.searchsorted(specials, content[0])])
    room, overlap = cutting.max_length - len(specials), cutting.overlap(len(specials))
    content = content[: cutting.limit(len(specials)) - len(specials)]
    count = -(-(len(content) - overlap) // (room - overlap))
    size, longer = divmod(len(content) + (count - 1) * overlap, count)
    start = 0
    for number in range(count):
        end = start + size + (number < longer)
        yield np.concatenate([before, content[start:end], after])
        start = end - overlap


def pool_logits(logits: torch.Tensor, counts: NDArray[np.int64]) -> torch.Tensor:
    """Return the mean logits of the chunks of each text, shape (N, K).

    Parameters
    ----------
    logits
        Shape (M, K): the chunks of the first text, those of the second, and so on.
    counts
        Chunks of each text, shape (N,), with sum M.
    """
    import torch  # here: a browser of texts asks for positions alone

    return torch.stack([part.mean(0) for part in torch.split(logits, counts.tolist())])
