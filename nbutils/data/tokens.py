"""How long the texts are in tokens, what `max_length` cuts, and how much the tokenizer knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.sampling import bounded_sample
from nbutils.described import Described
from nbutils.label_sets import flatten_labels
from nbutils.numerals import below_all
from nbutils.params.cutting import Cutting

MOST_MEASURED = 100_000  # rows; more are sampled, and the report says so
MOST_CHARACTERS = 25_000_000  # of those rows: fewer are sampled where texts are long
BATCH = 2_000  # rows tokenized at once


@dataclass(frozen=True, repr=False)
class TokenReport(Described):
    """Token counts of N texts, or of a sample of them.

    Attributes
    ----------
    table
        One row per measured text: `example_id`, `split`, `label`, `length` (tokens, specials
        included) and `unknown` (tokens that the vocabulary does not have).
    specials
        Special tokens that the tokenizer adds to each text.
    cutting
        How many tokens of a text are read, and which.
    sampled
        Whether there were more texts than `MOST_MEASURED`, or more characters than
        `MOST_CHARACTERS`, so that a sample was measured.
    """

    table: pd.DataFrame
    specials: int
    cutting: Cutting
    sampled: bool

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens per text, specials included, of shape (N,)."""
        return self.table["length"].to_numpy(dtype=np.int64)

    @property
    def limit(self) -> int:
        """Tokens of the longest text that is read whole."""
        return self.cutting.limit(self.specials)

    @property
    def cut_share(self) -> float:
        """Share of the texts that are not read whole."""
        return float((self.lengths > self.limit).mean())

    @property
    def lost_share(self) -> float:
        """Share of all tokens that cutting takes away."""
        lengths = self.lengths
        return float(np.maximum(lengths - self.limit, 0).sum() / max(lengths.sum(), 1))

    @property
    def unknown_share(self) -> float:
        """Share of the tokens, specials aside, that are the unknown token."""
        return _unknown_share(self.table, self.specials)

    def by_split(self) -> pd.DataFrame:
        """Return lengths and what is cut, a row per split and one for all.

        Returns
        -------
        DataFrame
            `split`, `texts`, `median`, `p95`, `longest`, `cut_share` (of texts), `lost_share` (of
            tokens).
        """
        names = [
            name for name in ("train", "validation", "test") if name in set(self.table["split"])
        ]
        parts = {name: self.table[self.table["split"] == name] for name in names}
        parts["all"] = self.table
        return pd.DataFrame([{"split": name, **self._summary(p)} for name, p in parts.items()])

    def unknown_by_class(self, label_names: Sequence[str]) -> pd.Series[float]:
        """Return the share of unknown tokens in each class, highest first."""
        rows, ids = flatten_labels(self.table["label"])
        shares = {
            name: _unknown_share(self.table.iloc[rows[ids == label]], self.specials)
            for label, name in enumerate(label_names)
        }
        return pd.Series(shares, name="unknown_share", dtype=float).sort_values(
            ascending=False, kind="stable"
        )

    def _summary(self, part: pd.DataFrame) -> dict[str, float | int]:
        own = TokenReport(part, self.specials, self.cutting, self.sampled)
        return {
            "texts": len(part),
            "median": round(float(np.median(own.lengths)), 1),
            "p95": round(float(np.quantile(own.lengths, 0.95)), 1),
            "longest": int(own.lengths.max()),
            "cut_share": own.cut_share,
            "lost_share": own.lost_share,
        }


def measure_tokens(frame: pd.DataFrame, tokenizer: Any, *, cutting: Cutting) -> TokenReport:
    """Count the tokens of every text, uncut.

    Parameters
    ----------
    frame
        `example_id`, `text`, `label`, `split` and, for pairs, `text_pair`.
    tokenizer
        A fast tokenizer with its own padding and truncation switched off, as
        `nbutils.checkpoints.loading.load_tokenizer` returns it.
    cutting
        How many tokens of a text will be read, and which.

    Returns
    -------
    TokenReport
        Of all rows, or of a seeded sample that `MOST_MEASURED` and `MOST_CHARACTERS` bound.
    """
    rows = len(frame)
    frame = bounded_sample(frame, most_rows=MOST_MEASURED, most_characters=MOST_CHARACTERS)
    pairs = "text_pair" in frame
    texts = frame["text"].tolist()
    inputs = list(zip(texts, frame["text_pair"], strict=True)) if pairs else texts
    counts = [
        counted
        for start in range(0, len(inputs), BATCH)
        for counted in _count(inputs[start : start + BATCH], tokenizer)
    ]
    lengths, unknown = np.array(counts, dtype=np.int64).reshape(-1, 2).T
    table = frame[["example_id", "split", "label"]].assign(length=lengths, unknown=unknown)
    specials = int(tokenizer.num_special_tokens_to_add(pair=pairs))
    return TokenReport(table.reset_index(drop=True), specials, cutting, len(frame) < rows)


def _count(inputs: Sequence[Any], tokenizer: Any) -> list[tuple[int, int]]:
    # The backend directly: the wrapper would build masks and token types for every text.
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(list(inputs))
    unknown = tokenizer.unk_token_id
    ids = [encoding.ids for encoding in encodings]
    return [(len(row), row.count(unknown) if unknown is not None else 0) for row in ids]


def _unknown_share(part: pd.DataFrame, specials: int) -> float:
    words = int((part["length"] - specials).sum())
    return float(part["unknown"].sum() / max(words, 1))


def say_share(share: float) -> str:
    """Return a share as percent, in which what rounds to all is not all."""
    return f"{below_all(share):.1%}"
