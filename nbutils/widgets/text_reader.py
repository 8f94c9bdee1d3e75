"""One text whole: what is known of it, its tokens as a model reads them, and its other copies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbutils.data.browsing import Browsing
from nbutils.data.labelled_texts import METADATA
from nbutils.errors import NbutilsError
from nbutils.escaping import render_text
from nbutils.params.cutting import Cutting
from nbutils.views.browsing import render_copies, render_text_card

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MOST_TOKENS = 512  # shown of what is read


class TextReader:
    """Shows a text; the tokenizer, if only its name is known, is loaded for the first one.

    Parameters
    ----------
    browsing
        The texts.
    tokenizer
        The checkpoint's own, or the checkpoint's name or folder.
    cutting
        How many tokens are read, and which.
    """

    def __init__(
        self,
        browsing: Browsing,
        *,
        tokenizer: PreTrainedTokenizerFast | str | Path,
        cutting: Cutting,
    ) -> None:
        import ipywidgets as w

        self._browsing, self._given, self._cutting = browsing, tokenizer, cutting
        self.card, self.tokens = w.HTML(), w.HTML()
        self.list_copies = w.Button(
            description="List its copies", tooltip="Show this text and its copies above"
        )
        self.list_copies.layout.display = "none"
        self.below = w.VBox([self.tokens, self.list_copies])

    def show(self, row: int, facts: Mapping[str, Any], *, patterns: list[str]) -> None:
        """Show a text.

        Parameters
        ----------
        row
            Its position.
        facts
            What is known of it, by name; its metadata is added.
        patterns
            What was searched for; it is marked.
        """
        texts = self._texts(row)
        known = {**facts, **self._metadata(row)}
        copies = self._browsing.copies_of(row)
        self.card.value = render_text_card(known, texts, patterns=patterns)
        near_known = self._browsing.copies_known
        self.tokens.value = self._read(texts) + render_copies(copies, near_known=near_known)
        self.list_copies.layout.display = "none" if copies.empty else None

    def _texts(self, row: int) -> list[str]:
        frame = self._browsing.frame
        return [str(frame[name].iat[row]) for name in ("text", "text_pair") if name in frame]

    def _metadata(self, row: int) -> dict[str, Any]:
        frame = self._browsing.frame
        return {name: frame[METADATA + name].iat[row] for name in self._browsing.metadata}

    def _read(self, texts: list[str]) -> str:
        from nbutils.reading import Reading

        text, pair = texts[0], texts[1] if len(texts) > 1 else None
        try:
            return Reading(text, self._tokenizer, self._cutting, pair, MOST_TOKENS)._repr_html_()
        except NbutilsError as error:  # the text can be read and corrected without them
            return f"<p>Its tokens cannot be shown: {render_text(error)}</p>"

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerFast:
        if not isinstance(self._given, (str, Path)):
            return self._given
        from nbutils.checkpoints.loading import load_tokenizer

        return load_tokenizer(str(self._given), only_counts=True)
