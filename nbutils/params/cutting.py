"""What is read of a text that is longer than the model reads at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Truncation = Literal["head", "head_tail", "chunks"]

CUTTING = ("max_length", "truncation", "max_chunks")
MAX_CHUNKS = 8
OVERLAP = 8  # a chunk begins with this fraction of what fits into one, the end of the one before


@dataclass(frozen=True)
class Cutting:
    """How texts longer than `max_length` are cut; shorter ones are read as they are.

    Attributes
    ----------
    max_length
        Tokens that are read at once, special tokens included.
    truncation
        ``head``: the first tokens are read. ``head_tail``: the first and the last. ``chunks``: all
        of them, chunk by chunk, each with its own special tokens.
    max_chunks
        Chunks of one text; what lies beyond is not read.
    """

    max_length: int
    truncation: Truncation = "head"
    max_chunks: int = MAX_CHUNKS

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Cutting:
        """Return what `as_dict` was called on; other keys are not read."""
        return cls(values["max_length"], values["truncation"], values["max_chunks"])

    def as_dict(self) -> dict[str, int | str]:
        """Return `max_length`, `truncation` and `max_chunks`, for JSON."""
        return asdict(self)

    def overlap(self, specials: int) -> int:
        """Return the tokens that two neighbouring chunks share.

        Parameters
        ----------
        specials
            Special tokens in each.
        """
        return (self.max_length - specials) // OVERLAP

    def limit(self, specials: int) -> int:
        """Return the tokens, special ones counted once, of the longest text that is read whole.

        Parameters
        ----------
        specials
            Special tokens that the tokenizer adds to a text.
        """
        if self.truncation != "chunks":
            return self.max_length
        step = self.max_length - specials - self.overlap(specials)
        return self.max_length + (self.max_chunks - 1) * step

    def describe(self) -> str:
        """Return where a long text is cut: ``at 128 tokens``."""
        return {
            "head": f"at {self.max_length} tokens",
            "head_tail": f"in the middle, to {self.max_length} tokens",
            "chunks": f"after {self.max_chunks} chunks of {self.max_length} tokens",
        }[self.truncation]
