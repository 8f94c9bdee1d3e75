"""Dividing texts with several labels so that each part has its share of every label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.label_sets import IntArray, LabelSet, flatten_labels, set_column


def row_targets(
    label_sets: Sequence[LabelSet] | npt.NDArray[np.object_],
    shares: Mapping[str, float],
    labels: Mapping[str, IntArray],
) -> dict[str, int]:
    """Return how many rows each part should have: its share, and more for many rare labels.

    Parameters
    ----------
    label_sets
        N sets of label ids.
    shares
        Share of the rows that each part is to have.
    labels
        As for `assign_parts`.
    """
    row_of, ids = flatten_labels(set_column(label_sets))
    counts, labelled, rows = np.bincount(ids), sum(map(bool, label_sets)), {}
    for name, share in shares.items():
        more = max(int(labels[name].sum()) - round(share * len(ids)), 0)
        rows[name] = round(share * len(label_sets)) + more * labelled // max(len(ids), 1)
        # How probably each row is to be in the part, by the rarest of its labels.
        rare = share * counts < 1
        chances = np.zeros(len(label_sets))
        np.maximum.at(chances, row_of, np.where(rare, labels[name] / np.maximum(counts, 1), 0)[ids])
        if chances.sum() > rows[name]:  # rare labels alone need more
            rows[name] = max(rows[name], round(float(np.maximum(chances, share).sum())))
    return rows


class _Room:
    """How many rows, and how many of each label, the parts still want."""

    def __init__(self, rows: Mapping[str, int], labels: Mapping[str, IntArray]) -> None:
        self.rows = dict(rows)
        self.labels = {name: wanted.tolist() for name, wanted in labels.items()}

    def best(self, size: int, label: int | None) -> str:
        """Return the part that misses `label` most, then rows most, of those with room."""
        fitting = [name for name in self.rows if self.rows[name] >= size] or list(self.rows)

        def need(name: str) -> tuple[int, int]:
            return 0 if label is None else self.labels[name][label], self.rows[name]

        return max(fitting, key=need)

    def take(self, name: str, size: int, labels: Sequence[int]) -> None:
        """Note that a part was given `size` rows, which carry `labels`, repeats included."""
        self.rows[name] -= size
        for label in labels:
            self.labels[name][label] -= 1


def assign_parts(
    label_sets: Sequence[LabelSet],
    units: npt.NDArray[np.int64],
    *,
    rows: Mapping[str, int],
    labels: Mapping[str, IntArray],
    seed: int,
) -> npt.NDArray[np.object_]:
    """Return the part that each of N rows goes to, by iterative stratification.

    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011, algorithm
    1: the rarest label is dealt out first, each of its rows to the part that misses that label
    most. Rows of one unit stay together, larger units first; no part gets more rows than it
    wants while another has room.

    Parameters
    ----------
    label_sets
        N sets of label ids.
    units
        Of shape (N,): rows with the same number go to the same part.
    rows
        Rows that each part wants, N in all; the first part takes what fits nowhere.
    labels
        Of shape (K,) for each part: rows of each label that it wants.
    seed
        Of the order in which rows are dealt out.
    """
    unit, _ = pd.factorize(units)
    sizes = np.bincount(unit)
    labels_of: list[list[int]] = [[] for _ in sizes]
    for place, ids in zip(unit.tolist(), label_sets, strict=True):
        labels_of[place].extend(ids)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    dealing = _Dealing(_Room(rows, labels), sizes.tolist(), labels_of)
    for label in dealing.rarest_first(order.tolist(), len(next(iter(labels.values())))):
        dealing.deal(label)
    return np.array(dealing.chosen, dtype=object)[unit]


class _Dealing:
    """The part of each unit that has one, and what is left to deal out."""

    def __init__(
        self, room: _Room, sizes: Sequence[int], labels_of: Sequence[Sequence[int]]
    ) -> None:
        self.room, self.sizes, self.labels_of = room, sizes, labels_of
        self.chosen = [""] * len(sizes)
        self.left: IntArray = np.zeros(0, dtype=np.int64)  # rows of each label not dealt out yet
        self.members: dict[int | None, list[int]] = {}

    def rarest_first(self, order: Sequence[int], n_labels: int) -> Iterator[int | None]:
        """Yield the label with the fewest rows left, until none has any; then None."""
        self.members = {None: list(order), **{label: [] for label in range(n_labels)}}
        for place in order:
            for label in set(self.labels_of[place]):
                self.members[label].append(place)
        every = [label for labels in self.labels_of for label in labels]
        self.left = np.bincount(np.array(every, dtype=np.int64), minlength=n_labels)
        while self.left.any():
            yield int(np.argmin(np.where(self.left > 0, self.left, self.left.max() + 1)))
        yield None

    def deal(self, label: int | None) -> None:
        """Give every unit with `label` a part; None: every unit that has none yet."""
        for place in self.members[label]:
            if self.chosen[place]:
                continue
            name = self.room.best(self.sizes[place], label)
            self.room.take(name, self.sizes[place], self.labels_of[place])
            for carried in self.labels_of[place]:
                self.left[carried] -= 1
            self.chosen[place] = name
