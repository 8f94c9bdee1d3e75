"""A text as a model reads it: its tokens, the unknown ones marked, and where it is cut."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nbutils.chunks import Positions, chunk, head_and_tail, heads
from nbutils.errors import DataError
from nbutils.escaping import visible_text
from nbutils.params.cutting import Cutting
from nbutils.plots.names import shorten

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerFast

MOST_TOKENS = 160  # shown of a text
LAST_TOKENS = 8  # shown before a cut, where not all are
CUT_TOKENS = 6  # shown of those that are not read
MOST_UNKNOWN = 10  # spelt out
WIDEST_UNKNOWN = 40  # columns of one that is spelt out
CHIP = "display:inline-block;border:1px solid #8a8f98;border-radius:4px;padding:0 .3em;margin:.1em"
MARK = "border-left:4px double;border-right:4px double;padding:0 .5em;margin:0 .3em"


@dataclass(frozen=True)
class Reading:
    """The tokens of one text or of a pair, special tokens included.

    Parameters
    ----------
    text
        Any text.
    tokenizer
        The checkpoint's own.
    cutting
        How many tokens are read, and which.
    text_pair
        The second text, where the task is on pairs.
    most
        Tokens that are shown of what is read; the last ones before a cut always are.

    Raises
    ------
    DataError
        A pair was to be read in chunks.
    """

    text: str
    tokenizer: PreTrainedTokenizerFast
    cutting: Cutting
    text_pair: str | None = None
    most: int = MOST_TOKENS

    def __post_init__(self) -> None:
        if self.text_pair is not None and self.cutting.truncation == "chunks":
            raise DataError("truncation: expected head or head_tail for a pair, found chunks")

    @cached_property
    def parts(self) -> list[list[str]]:
        """The tokens that are read: of each chunk, or of what is left on either side of a cut."""
        return [[self._tokens[place] for place in part] for part in self._parts]

    @cached_property
    def cut(self) -> int:
        """How many tokens are not read."""
        limit = self.cutting.limit(int((self._owners < 0).sum()))
        return max(len(self._owners) - limit, 0)

    @cached_property
    def unknown(self) -> list[str]:
        """What the vocabulary does not have, as it stands in the text, each once."""
        places = np.flatnonzero(np.array(self._tokens) == self.tokenizer.unk_token)
        found = [self._spelt(int(place)) for place in places]
        return list(dict.fromkeys(word for word in found if word))

    @cached_property
    def _parts(self) -> list[Positions]:
        owners = self._owners
        if len(owners) <= self.cutting.max_length:
            return [np.arange(len(owners))]
        if self._in_chunks:
            return list(chunk(owners, self.cutting))
        keep = head_and_tail if self.cutting.truncation == "head_tail" else heads
        kept = keep(owners, max_length=self.cutting.max_length)
        return np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1)

    @property
    def _in_chunks(self) -> bool:
        return self.cutting.truncation == "chunks"

    @cached_property
    def _whole(self) -> BatchEncoding:
        # as lists of one: by itself, an empty second text is taken for none
        pairs = None if self.text_pair is None else [self.text_pair]
        return self.tokenizer([self.text], pairs, truncation=False, verbose=False)

    @cached_property
    def _tokens(self) -> list[str]:
        return list(self.tokenizer.convert_ids_to_tokens(self._whole["input_ids"][0]))

    @cached_property
    def _owners(self) -> Positions:
        owners = self._whole.sequence_ids(0)
        return np.array([-1 if owner is None else owner for owner in owners], np.int64)

    def _spelt(self, place: int) -> str:
        span, of_first = self._whole.token_to_chars(0, place), self._owners[place] <= 0
        text = self.text if of_first else str(self.text_pair)
        return "" if span is None else text[span.start : span.end]

    def __repr__(self) -> str:
        shown = " | ".join(visible_text(" ".join(tokens)) for tokens in self.parts)
        return f"{shown} ({self._summary()})"

    def _repr_html_(self) -> str:
        between = [self._break_before(number) for number in range(1, len(self._parts))]
        room, rows = self.most, [""]
        for part, mark in zip(self._parts, [*between, self._end()], strict=True):
            rows.append(self._row(part, room) + mark)
            room = max(room - len(part), 0)
        return (
            f'<div class="nb-reading" style="line-height:1.9">{"".join(rows)}</div>'
            f"<p>{self._summary()}.{self._vocabulary()}</p>"
        )

    def _break_before(self, number: int) -> str:
        before, after = self._parts[number - 1], self._parts[number]
        if self._in_chunks:
            return f"<br><strong>chunk {number + 1}:</strong> "
        return self._mark(range(before[-1] + 1, after[0]))

    def _end(self) -> str:
        """Return the mark behind the last chunk; the others have theirs between the parts."""
        if not self._in_chunks or not self.cut:
            return ""
        last = self._parts[-1][self._owners[self._parts[-1]] >= 0][-1]
        content = np.flatnonzero(self._owners >= 0)
        return self._mark(content[content > last].tolist())

    def _mark(self, unread: Sequence[int]) -> str:
        words = " ".join(self._tokens[place] for place in unread[:CUT_TOKENS])
        more = " …" if len(unread) > CUT_TOKENS else ""
        tokens = "1 token is" if len(unread) == 1 else f"{len(unread):,} tokens are"
        shown = f"<bdi>{html.escape(visible_text(words))}{more}</bdi>"
        return f' <span style="{MARK}"><strong>cut:</strong> {tokens} not read ({shown})</span> '

    def _row(self, part: Positions, room: int) -> str:
        if len(part) <= max(room, LAST_TOKENS):
            return self._chips(part)
        first, last = part[: max(room - LAST_TOKENS, 0)], part[-LAST_TOKENS:]
        hidden = len(part) - len(first) - len(last)
        return f"{self._chips(first)} … {hidden:,} more … {self._chips(last)}"

    def _chips(self, part: Positions) -> str:
        second = np.flatnonzero(self._owners == 1)[:1]
        return " ".join(
            ("<br>" if place in second else "") + self._chip(self._tokens[place]) for place in part
        )

    def _summary(self) -> str:
        read = sum(map(len, self.parts))
        unknown = sum(token == self.tokenizer.unk_token for part in self.parts for token in part)
        chunks = f" in {len(self.parts)} chunks" if self._in_chunks and len(self.parts) > 1 else ""
        middle = " from the middle" if self.cutting.truncation == "head_tail" and self.cut else ""
        return (
            f"{read} tokens are read{chunks}, {self.cut} are cut off{middle}, {unknown} are unknown"
        )

    def _vocabulary(self) -> str:
        if not self.unknown:
            return ""
        words = [shorten(word, width=WIDEST_UNKNOWN) for word in self.unknown[:MOST_UNKNOWN]]
        shown = [f"<bdi>{html.escape(word)}</bdi>" for word in words]
        more = " and others" if len(self.unknown) > MOST_UNKNOWN else ""
        return f" The vocabulary lacks {', '.join(shown)}{more}."

    def _chip(self, token: str) -> str:
        strong = token == self.tokenizer.unk_token
        style = CHIP + (";font-weight:bold;border-width:2px" if strong else "")
        return f'<bdi style="{style}">{html.escape(visible_text(token))}</bdi>'
