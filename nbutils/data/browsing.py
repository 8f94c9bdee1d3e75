"""Finding texts by what is known of them: words, labels, splits, lengths, copies, metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.duplicates import find_duplicates, mixes_sides
from nbutils.data.labelled_texts import METADATA, LabelledTexts, metadata_columns
from nbutils.data.text_search import Mask, contains, holds_value, patterns_of, to_arrow
from nbutils.errors import ParameterError, suggest
from nbutils.label_sets import NO_LABEL, IntArray, flatten_labels, say_labels

if TYPE_CHECKING:
    from nbutils.data.tokens import TokenReport

Order = Literal["id", "last id", "shortest", "longest"]
Copies = Literal["with", "without", "other label", "other split"]
ORDERS = ("id", "last id", "shortest", "longest")
COPIES = ("with", "without", "other label", "other split")
REMEMBERED = 16  # words whose texts are known still, for the next letter that is typed


@dataclass(frozen=True)
class Wanted:
    """Which texts, and in which order; what is not said does not matter.

    Attributes
    ----------
    words
        All of them, in any place and of any case, also within longer words; what stands in double
        quotes as a phrase.
    split
        Name of a split.
    label
        Name of a label, or ``(none)`` for texts with several labels that have none.
    copies
        ``with`` or ``without`` an exact or near copy, or with one that has an ``other label`` or is
        in an ``other split``.
    shortest, longest
        Bounds of the length, both included.
    corrected
        Whether a correction of the label is on file.
    metadata
        A column of metadata and what it must hold: words, or for numbers ``3``, ``2..5``, ``2..``.
    like
        An example id: this text and its copies.
    order
        By example id, or by length.
    """

    words: str = ""
    split: str | None = None
    label: str | None = None
    copies: Copies | None = None
    shortest: int = 0
    longest: int | None = None
    corrected: bool | None = None
    metadata: tuple[str, str] | None = None
    like: int | None = None
    order: Order = "id"


class Browsing:
    """Texts that can be searched, filtered and sorted quickly, a hundred thousand of them too.

    Parameters
    ----------
    texts
        N texts, with a split in every row.
    tokens
        What `measure_tokens` found; lengths are in characters where it did not measure every text.
    copies
        The near-copy group of each row, of shape (N,), as in `Cleaned`; or the similarity from
        which texts are near copies: they are looked for when they are first asked for.
    """

    def __init__(
        self,
        texts: LabelledTexts,
        *,
        tokens: TokenReport | None = None,
        copies: IntArray | float = 0.7,
    ) -> None:
        self.texts, self.frame = texts, texts.frame
        self._tokens, self._copies = tokens, copies
        self._containing = lru_cache(REMEMBERED)(self._contains)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def ids(self) -> IntArray:
        """Example ids, of shape (N,)."""
        return self.frame["example_id"].to_numpy(dtype=np.int64)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.texts.split_sizes())

    @cached_property
    def metadata(self) -> tuple[str, ...]:
        """Names of the metadata, as the data calls them."""
        return tuple(name.removeprefix(METADATA) for name in metadata_columns(self.frame))

    @cached_property
    def unit(self) -> str:
        """What lengths are counted in: ``tokens`` or ``characters``."""
        return "characters" if self._measured is None else "tokens"

    @cached_property
    def lengths(self) -> IntArray:
        """Length of each text, or of both of a pair, of shape (N,)."""
        import pyarrow.compute

        if self._measured is not None:
            return self._measured
        parts = [pyarrow.compute.utf8_length(column).to_numpy() for column in self._arrow]
        return np.asarray(np.sum(parts, axis=0), dtype=np.int64)

    @property
    def copies_known(self) -> bool:
        """Whether near copies need not be looked for any more."""
        return "groups" in self.__dict__ or not isinstance(self._copies, (int, float))

    @cached_property
    def groups(self) -> IntArray:
        """Near-copy group of each row, of shape (N,); looking for them takes a while."""
        if isinstance(self._copies, (int, float)):
            return find_duplicates(self.frame, threshold=self._copies).group
        return np.asarray(self._copies)

    def row_of(self, example_id: int) -> int:
        """Return the position of a text.

        Raises
        ------
        ParameterError
            There is no such text.
        """
        found = np.flatnonzero(self.ids == example_id)
        if not len(found):
            raise ParameterError(f"there is no example {example_id} among these {len(self):,}")
        return int(found[0])

    def find(self, wanted: Wanted, *, corrected: Collection[int] = ()) -> IntArray:
        """Return the positions of the texts that are wanted, in their order.

        Parameters
        ----------
        wanted
            Which ones.
        corrected
            Ids of the examples that a correction is on file for.

        Raises
        ------
        ParameterError
            There is no such split, label or column, or a range of numbers cannot be read.
        """
        kept = np.ones(len(self), dtype=bool)
        for mask in self._masks(wanted, corrected):
            kept &= mask
        return self._in_order(np.flatnonzero(kept), wanted.order)

    def count_labels(self, rows: IntArray) -> list[tuple[str, int]]:
        """Return how many of the rows have each label, the most frequent first; no label unseen."""
        chosen = np.zeros(len(self), dtype=bool)
        chosen[rows] = True
        places, ids = self._labels
        counts = np.bincount(ids[chosen[places]], minlength=len(self.texts.label_names))
        without = int(self._unlabelled[rows].sum())
        named = [*zip(self.texts.label_names, counts.tolist(), strict=True), (NO_LABEL, without)]
        return sorted((pair for pair in named if pair[1]), key=lambda pair: -pair[1])

    def copies_of(self, row: int) -> pd.DataFrame:
        """Return the other copies of a text; near ones only once they are known.

        Parameters
        ----------
        row
            Position of the text.

        Returns
        -------
        DataFrame
            `example_id, split, label` (by name), `same_text`, `same_label`.
        """
        alike, same = self._alike(row), self._same_texts(row)
        alike[row] = False
        copies, own = self.frame[alike], self.frame["label"].iat[row]
        return pd.DataFrame(
            {
                "example_id": copies["example_id"].to_numpy(),
                "split": copies["split"].to_numpy(),
                "label": say_labels(copies["label"], self.texts.label_names),
                "same_text": same[alike],
                "same_label": [label == own for label in copies["label"]],
            }
        )

    def _masks(self, wanted: Wanted, corrected: Collection[int]) -> Iterator[Mask]:
        if wanted.split is not None:
            _refuse_unknown("split", wanted.split, self.splits)
            yield self._splits == wanted.split
        if wanted.label is not None:
            yield self._has_label(wanted.label)
        if wanted.shortest > 0:
            yield self.lengths >= wanted.shortest
        if wanted.longest is not None:
            yield self.lengths <= wanted.longest
        if wanted.corrected is not None:
            yield np.isin(self.ids, list(corrected)) == wanted.corrected
        if wanted.copies is not None:
            yield self._has_copies(wanted.copies)
        if wanted.metadata is not None:
            yield self._has_metadata(*wanted.metadata)
        if wanted.like is not None:
            yield self._alike(self.row_of(wanted.like))
        for pattern in patterns_of(wanted.words):
            yield self._containing(pattern)

    def _in_order(self, rows: IntArray, order: Order) -> IntArray:
        _refuse_unknown("order", order, ORDERS)
        keys = self.ids if "id" in order else self.lengths
        sign = -1 if order in ("last id", "longest") else 1
        return rows[np.lexsort((self.ids[rows], sign * keys[rows]))]

    def _contains(self, pattern: str) -> Mask:
        found = [contains(column, pattern) for column in self._arrow]
        return np.asarray(np.any(found, axis=0))

    def _has_label(self, name: str) -> Mask:
        names = self.texts.label_names
        if name == NO_LABEL and NO_LABEL not in names:
            return self._unlabelled
        _refuse_unknown("label", name, names)
        places, ids = self._labels
        found = np.zeros(len(self), dtype=bool)
        found[places[ids == names.index(name)]] = True
        return found

    def _has_copies(self, copies: Copies) -> Mask:
        _refuse_unknown("copies", copies, COPIES)
        if copies == "other label":
            return mixes_sides(self.groups, pd.factorize(self.frame["label"])[0])
        if copies == "other split":
            return mixes_sides(self.groups, pd.factorize(self._splits)[0])
        shared = np.asarray(pd.Series(self.groups).duplicated(keep=False))
        return shared if copies == "with" else ~shared

    def _has_metadata(self, name: str, asked: str) -> Mask:
        _refuse_unknown("metadata", name, self.metadata)
        return holds_value(self.frame[METADATA + name], asked)

    def _alike(self, row: int) -> Mask:
        if self.copies_known:
            return np.asarray(self.groups == self.groups[row])
        return self._same_texts(row)

    def _same_texts(self, row: int) -> Mask:
        from pyarrow import compute

        found = [compute.equal(column, column[row]) for column in self._arrow]
        return np.asarray(np.all([np.asarray(mask) for mask in found], axis=0), dtype=bool)

    @cached_property
    def _arrow(self) -> list[Any]:
        names = [name for name in ("text", "text_pair") if name in self.frame]
        return [to_arrow(self.frame[name]) for name in names]

    @cached_property
    def _splits(self) -> npt.NDArray[np.object_]:
        return self.frame["split"].to_numpy(dtype=object)

    @cached_property
    def _labels(self) -> tuple[IntArray, IntArray]:
        return flatten_labels(self.frame["label"])

    @cached_property
    def _unlabelled(self) -> Mask:
        without = np.ones(len(self), dtype=bool)
        without[self._labels[0]] = False
        return without

    @cached_property
    def _measured(self) -> IntArray | None:
        if self._tokens is None or self._tokens.sampled:
            return None
        lengths = self._tokens.table.set_index("example_id")["length"].reindex(self.ids)
        return None if lengths.isna().any() else lengths.to_numpy(dtype=np.int64)


def _refuse_unknown(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        hint = suggest(name, known) if known else "; there are none"
        raise ParameterError(f"{what} {name!r}: there is no such {what} here{hint}")
