"""The tokens that a model reads of one text, with the unknown ones and the cut marked."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from nbutils.escaping import visible_text
from nbutils.reading import CHIP, MOST_TOKENS

if TYPE_CHECKING:
    from nbutils.analysis.asking import Answer

UNKNOWN = ";font-weight:bold;border-width:2px;border-style:dashed"


def render_tokens(answer: Answer) -> str:
    """Return the tokens as chips, chunk by chunk, and the counts in words."""
    cuts, room, rows = _find_cuts(answer), MOST_TOKENS, []
    for number, tokens in enumerate(answer.tokens):
        chips = [
            _chip(token, unknown=token == answer.unknown_token)
            + _mark(cuts.get((number, place), 0))
            for place, token in enumerate(tokens[:room])
        ]
        rows.append(" ".join(chips))
        room = max(room - len(tokens), 0)
    more = answer.read - MOST_TOKENS
    lines = "<br>".join(filter(None, rows)) + (f" and {more:,} more" if more > 0 else "")
    return (
        f'<div class="nb-reading" style="line-height:1.9">{lines}</div>'
        f'<p style="margin:.2em 0">{say_tokens(answer)}</p>'
    )


def say_tokens(answer: Answer) -> str:
    """Return how many tokens are read, cut off and unknown, as a sentence."""
    count = len(answer.pieces)
    chunks = f" in {count} chunks" if count > 1 else ""
    return (
        f"{answer.read:,} tokens are read{chunks}, {answer.cut:,} are cut off, "
        f"{answer.unknown:,} are unknown."
    )


def _find_cuts(answer: Answer) -> dict[tuple[int, int], int]:
    """Return how many tokens are not read after a token, by its piece and its place in it."""
    found: dict[tuple[int, int], int] = {}
    for lost in answer.unread:
        for number, piece in reversed(list(enumerate(answer.pieces))):
            before = (piece.owners == lost.part) & (piece.spans[:, 1] <= lost.start)
            if before.any():
                found[number, int(np.flatnonzero(before)[-1])] = lost.tokens
                break
    return found


def _chip(token: str, *, unknown: bool) -> str:
    style = CHIP + UNKNOWN * unknown
    title = ' title="unknown to the tokenizer"' * unknown
    return f'<bdi style="{style}"{title}>{html.escape(visible_text(token))}</bdi>'


def _mark(tokens: int) -> str:
    if not tokens:
        return ""
    return f' <em class="nb-cut">\N{BLACK SCISSORS} {tokens:,} tokens are not read</em>'
