"""A text as a model reads it: its tokens, the unknown ones marked, and where it is cut."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbutils.escaping import visible_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MOST_TOKENS = 160  # shown on either side of the cut
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
    max_length
        Tokens that are kept.
    """

    text: str
    tokenizer: PreTrainedTokenizerFast
    max_length: int

    def tokens(self) -> tuple[list[str], int]:
        """Return the tokens that are kept, and how many are cut off."""
        kept = self.tokenizer(self.text, truncation=True, max_length=self.max_length)["input_ids"]
        whole = self.tokenizer(self.text, truncation=False, verbose=False)["input_ids"]
        return list(self.tokenizer.convert_ids_to_tokens(kept)), len(whole) - len(kept)

    def __repr__(self) -> str:
        tokens, cut = self.tokens()
        return f"{visible_text(' '.join(tokens))} ({len(tokens)} tokens, {cut} cut off)"

    def _repr_html_(self) -> str:
        tokens, cut = self.tokens()
        chips = " ".join(self._chip(token) for token in tokens[:MOST_TOKENS])
        left_out = f" and {len(tokens) - MOST_TOKENS} more" if len(tokens) > MOST_TOKENS else ""
        unknown = sum(token == self.tokenizer.unk_token for token in tokens)
        return (
            f'<div class="nb-reading" style="line-height:1.9">{chips}{left_out}</div>'
            f"<p>{len(tokens)} tokens are read, {cut} are cut off, {unknown} are unknown.</p>"
        )

    def _chip(self, token: str) -> str:
        strong = token == self.tokenizer.unk_token
        style = CHIP + (";font-weight:bold;border-width:2px" if strong else "")
        return f'<bdi style="{style}">{html.escape(visible_text(token))}</bdi>'
