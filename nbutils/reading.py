"""A text as a model reads it: its tokens, the unknown ones marked, and where it is cut."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nbutils.batching import encode_texts
from nbutils.chunks import head_size
from nbutils.escaping import visible_text
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MOST_TOKENS = 160  # shown of a text
CHIP = "display:inline-block;border:1px solid #8a8f98;border-radius:4px;padding:0 .3em;margin:.1em"


@dataclass(frozen=True)
class Reading:
    """The tokens of one text, special tokens included.

    Parameters
    ----------
    text
        Any text.
    tokenizer
        The checkpoint's own.
    cutting
        How many tokens are read, and which.
    """

    text: str
    tokenizer: PreTrainedTokenizerFast
    cutting: Cutting

    @cached_property
    def parts(self) -> list[list[str]]:
        """The tokens that are read: of each chunk, or of what is left on either side of a cut."""
        encoded = encode_texts([self.text], self.tokenizer, cutting=self.cutting)
        parts = [list(self.tokenizer.convert_ids_to_tokens(ids)) for ids in encoded.input_ids]
        if self.cutting.truncation != "head_tail" or not self.cut:
            return parts
        tokens, specials = parts[0], self._owners.count(None)
        head = self._owners.index(0) + head_size(len(tokens) - specials)
        return [tokens[:head], tokens[head:]]

    @cached_property
    def cut(self) -> int:
        """How many tokens are not read."""
        limit = self.cutting.limit(self._owners.count(None))
        return max(len(self._owners) - limit, 0)

    @cached_property
    def _owners(self) -> list[int | None]:
        whole = self.tokenizer(self.text, truncation=False, verbose=False)
        return list(whole.sequence_ids(0))

    def __repr__(self) -> str:
        shown = " | ".join(visible_text(" ".join(tokens)) for tokens in self.parts)
        return f"{shown} ({self._summary()})"

    def _repr_html_(self) -> str:
        room, rows = MOST_TOKENS, []
        for tokens in self.parts:
            rows.append(" ".join(self._chip(token) for token in tokens[:room]))
            room = max(room - len(tokens), 0)
        more = sum(map(len, self.parts)) - MOST_TOKENS
        lines = "<br>".join(row for row in rows if row) + (f" and {more} more" if more > 0 else "")
        return (
            f'<div class="nb-reading" style="line-height:1.9">{lines}</div>'
            f"<p>{self._summary()}.</p>"
        )

    def _summary(self) -> str:
        read = sum(map(len, self.parts))
        unknown = sum(token == self.tokenizer.unk_token for part in self.parts for token in part)
        chunked = self.cutting.truncation == "chunks" and len(self.parts) > 1
        chunks = f" in {len(self.parts)} chunks" if chunked else ""
        middle = " from the middle" if self.cutting.truncation == "head_tail" and self.cut else ""
        return (
            f"{read} tokens are read{chunks}, {self.cut} are cut off{middle}, {unknown} are unknown"
        )

    def _chip(self, token: str) -> str:
        strong = token == self.tokenizer.unk_token
        style = CHIP + (";font-weight:bold;border-width:2px" if strong else "")
        return f'<bdi style="{style}">{html.escape(visible_text(token))}</bdi>'
