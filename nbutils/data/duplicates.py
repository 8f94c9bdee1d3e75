"""Exact and near copies, and keeping copies of the test texts out of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.minhash import Positions, find_near_groups
from nbutils.data.shingles import same_words
from nbutils.described import Described
from nbutils.label_sets import flatten_labels

FOLDED = 50_000  # texts that are Python strings at once
SPLIT_RANK = {"test": 0, "validation": 1, "train": 2, "": 2}


@dataclass(frozen=True, repr=False)
class Duplicates(Described):
    """Which of N rows are copies of which.

    Attributes
    ----------
    group
        Of shape (N,): rows that are near copies, directly or through others, share a number.
    copy
        Of shape (N,): texts that are the same to the byte share a number.
    pairs
        Near copies that were found and compared, texts of the same words counted once:
        `first` and `second` (example ids) and `similarity`.
    conflicts
        Groups whose rows carry different labels, as tuples of example ids.
    threshold
        Jaccard similarity from which a pair is near.
    """

    group: Positions
    copy: Positions
    pairs: pd.DataFrame
    conflicts: tuple[tuple[int, ...], ...]
    threshold: float

    @property
    def exact_copies(self) -> int:
        """Rows that repeat an earlier row to the byte."""
        return len(self.copy) - len(pd.unique(self.copy))

    @property
    def near_groups(self) -> int:
        """Groups of at least two texts that differ."""
        distinct = pd.DataFrame({"group": self.group, "copy": self.copy}).drop_duplicates()
        return int((distinct["group"].value_counts() > 1).sum())


@dataclass(frozen=True, repr=False)
class Cleaned(Described):
    """What is left after copies were dealt with.

    Attributes
    ----------
    frame
        The rows that stay, M of them.
    groups
        Of shape (M,): near-copy group of each row.
    duplicates
        What was found.
    dropped_exact, dropped_near
        Rows dropped as exact copies, and as near copies of a text of a given split.
    across_given_splits
        Rows that had an exact or near copy in another split, as the data came.
    """

    frame: pd.DataFrame
    groups: Positions
    duplicates: Duplicates
    dropped_exact: int
    dropped_near: int
    across_given_splits: int


def find_duplicates(frame: pd.DataFrame, *, threshold: float = 0.7, seed: int = 0) -> Duplicates:
    """Find exact and near copies among all rows.

    Texts that differ in case, blanks or Unicode composition alone always share a group. A pair
    exactly at the threshold is found with a chance of 98 %, a closer one with a higher chance.

    Parameters
    ----------
    frame
        `example_id`, `text`, `label` and, for pairs, `text_pair`.
    threshold
        Jaccard similarity of the sets of word pairs, in (0, 1].
    seed
        Seed of the hash functions.

    Returns
    -------
    Duplicates
        The same for the same frame, threshold and seed, in any process.
    """
    texts = frame["text"]
    if "text_pair" in frame:
        texts = pd.Series([f"{a}\x1f{b}" for a, b in zip(texts, frame["text_pair"], strict=True)])
    copy = pd.factorize(texts)[0].astype(np.int64)
    words, distinct = pd.factorize(_fold(texts))
    first = np.empty(len(distinct), dtype=np.int64)
    first[words[::-1]] = np.arange(len(words))[::-1]
    group_of_words, near = find_near_groups(distinct, threshold=threshold, seed=seed)
    group = group_of_words[words]
    ids = frame["example_id"].to_numpy()
    pairs = pd.DataFrame(
        {"first": ids[first[near[0]]], "second": ids[first[near[1]]], "similarity": near[2]}
    ).sort_values(["similarity", "first", "second"], ascending=[False, True, True])
    return Duplicates(
        group=group,
        copy=copy,
        pairs=pairs.reset_index(drop=True),
        conflicts=_conflicts(group, frame),
        threshold=threshold,
    )


def remove_leakage(frame: pd.DataFrame, duplicates: Duplicates, *, deduplicate: bool) -> Cleaned:
    """Drop exact copies, and near copies of a given split's texts from the splits below it.

    The order is test, validation, training: a copy is dropped from the later side. A test split
    that was given stays whole, so that its scores compare with published ones. Near copies within
    what is still to be split stay: `split_examples` keeps each group on one side.

    Parameters
    ----------
    frame
        The rows that `duplicates` was found in.
    duplicates
        From `find_duplicates`.
    deduplicate
        False: drop nothing, report only.
    """
    rank = frame["split"].map(SPLIT_RANK).to_numpy()
    across = int(mixes_sides(duplicates.group, rank).sum())
    if not deduplicate:
        return Cleaned(frame, duplicates.group, duplicates, 0, 0, across)
    by_rank = pd.Series(duplicates.copy)[np.argsort(rank, kind="stable")]
    exact = by_rank.duplicated().sort_index().to_numpy() & (rank > 0)
    best = np.full(int(duplicates.group.max(initial=0)) + 1, max(SPLIT_RANK.values()))
    np.minimum.at(best, duplicates.group, rank)
    near = ~exact & (rank > best[duplicates.group])
    keep = ~exact & ~near
    return Cleaned(
        frame=frame[keep].reset_index(drop=True),
        groups=duplicates.group[keep],
        duplicates=duplicates,
        dropped_exact=int(exact.sum()),
        dropped_near=int(near.sum()),
        across_given_splits=across,
    )


def share_with_copies(
    frame: pd.DataFrame, duplicates: Duplicates, *, label_names: Sequence[str]
) -> pd.Series[float]:
    """Return for each class the share of rows that have an exact or near copy, highest first.

    Parameters
    ----------
    frame
        The rows that `duplicates` was found in.
    duplicates
        From `find_duplicates`.
    label_names
        K names.
    """
    has_copy = pd.Series(duplicates.group).duplicated(keep=False).to_numpy()
    rows, ids = flatten_labels(frame["label"])
    shares = pd.Series(has_copy[rows], dtype=float).groupby(ids).mean()
    shares.index = pd.Index([label_names[label] for label in shares.index], name="class")
    return shares.sort_values(ascending=False, kind="stable")


def least_alike(frame: pd.DataFrame, duplicates: Duplicates, *, pairs: int = 3) -> pd.DataFrame:
    """Return the near copies that are least alike: where the threshold decides.

    Parameters
    ----------
    frame
        The rows that `duplicates` was found in.
    duplicates
        From `find_duplicates`.
    pairs
        How many to return at most.

    Returns
    -------
    DataFrame
        `similarity`, the two example ids, and their texts as `text` and `text_pair`.
    """
    chosen = duplicates.pairs.tail(pairs).iloc[::-1]
    text_of = frame.set_index("example_id")["text"]
    return chosen.assign(
        text=text_of.loc[chosen["first"]].to_numpy(),
        text_pair=text_of.loc[chosen["second"]].to_numpy(),
    ).reset_index(drop=True)


def count_across_splits(frame: pd.DataFrame, groups: Positions) -> int:
    """Return how many rows have an exact or near copy in another split.

    Parameters
    ----------
    frame
        M rows, with `split`.
    groups
        Of shape (M,), as in `Cleaned`.
    """
    return int(mixes_sides(groups, pd.factorize(frame["split"])[0]).sum())


def _fold(texts: pd.Series[str]) -> pd.Series[str]:
    """Return `same_words` of each text; in pieces, as Python strings take twice the room."""
    pieces = [
        pd.Series(list(map(same_words, texts.iloc[start : start + FOLDED])))
        for start in range(0, len(texts), FOLDED)
    ]
    return pd.concat(pieces, ignore_index=True)


def mixes_sides(groups: Positions, side: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return for each row whether its group has rows of more than one side.

    Parameters
    ----------
    groups
        Of shape (N,), numbers from 0.
    side
        Of shape (N,): the number of the row's split, say, or of its label.
    """
    if not len(groups):
        return np.zeros(0, dtype=bool)
    one = np.empty(int(groups.max()) + 1, dtype=side.dtype)
    one[groups] = side  # of whichever row comes last
    mixed = np.zeros(len(one), dtype=bool)
    mixed[groups[side != one[groups]]] = True
    return np.asarray(mixed[groups])


def _conflicts(group: Positions, frame: pd.DataFrame) -> tuple[tuple[int, ...], ...]:
    mixed = mixes_sides(group, frame["label"].to_numpy())
    ids = frame["example_id"].to_numpy()[mixed]
    order = np.argsort(group[mixed], kind="stable")
    borders = np.flatnonzero(np.diff(group[mixed][order])) + 1
    rows = [tuple(part.tolist()) for part in np.split(ids[order], borders)]
    return tuple(rows) if len(ids) else ()
