"""The section on confusion: which classes, or labels, are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.confusion import order_classes, reorder, top_confusions
from nbutils.analysis.errors import Errors
from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.analysis.overlaps import find_overlaps
from nbutils.described import Described

IntArray = NDArray[np.int64]

LARGEST_BLOCK = 20  # classes of which all cells are shown
MOST_PAIRS = 10  # of the most frequent mistakes; three times as many where only a block is shown
MOST_LABELS = 30  # labels whose outcomes are shown
MOST_OVERLAPS = 3  # advised on
MANY = 50  # texts that nobody reads all of


@dataclass(frozen=True, repr=False)
class ConfusedClasses(Described):
    """Which classes are taken for which; one label per text.

    Parameters
    ----------
    matrix
        Confusion counts (K, K) on the test split, rows true.
    label_names
        K names.
    """

    matrix: IntArray
    label_names: tuple[str, ...]

    @cached_property
    def block(self) -> tuple[int, ...]:
        """The classes whose cells are shown, those confused with each other side by side."""
        kept = find_block(self.matrix)
        return tuple(kept[k] for k in order_classes(reorder(self.matrix, kept)))

    @property
    def is_whole(self) -> bool:
        """Whether the block has all classes."""
        return len(self.block) == len(self.label_names)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The most frequent mistakes by class pair, see `top_confusions`."""
        most = MOST_PAIRS if self.is_whole else 3 * MOST_PAIRS
        return top_confusions(self.matrix, label_names=self.label_names, most=most)

    @cached_property
    def overlaps(self) -> pd.DataFrame:
        """Pairs confused more than chance explains, see `find_overlaps`."""
        return find_overlaps(self.matrix, label_names=self.label_names)

    def findings(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        return {
            "block": [self.label_names[k] for k in self.block],
            "pairs": self.pairs.to_dict("records"),
            "overlaps": self.overlaps.head(3 * MOST_PAIRS).to_dict("records"),
        }

    def advice(self) -> Sequence[Advice]:
        """Return which classes to tell apart."""
        rows = self.overlaps.head(MOST_OVERLAPS).to_dict("records")
        return [self._tell_apart(row) for row in rows]

    def _tell_apart(self, row: dict[Any, Any]) -> Advice:
        count, expected = int(row["count"]), float(row["expected"])
        mistakes, n = int(self.matrix.sum() - np.trace(self.matrix)), int(self.matrix.sum())
        some = "some of " if count > MANY else ""
        chance = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
        return Advice(
            action=f"Read {some}the {count:,} texts where {row['first']} and {row['second']} are "
            "taken for each other, and sharpen the line between the two classes or merge them.",
            evidence=f"{count:,} of the {mistakes:,} mistakes are between the two; {expected:.1f} "
            "would be, if mistakes fell on classes as often as those are predicted "
            f"({chance}, corrected for all pairs). The worth assumes that it comes down to that.",
            gain=(count - expected) / n,
            section="confusion",
        )


@dataclass(frozen=True, repr=False)
class ConfusedLabels(Described):
    """Which labels are missed, and which are given to texts that have them not.

    Parameters
    ----------
    outcomes
        `label, right, missed, spurious`, a row per label.
    pairs
        As `MultiLabelErrors.pairs` makes them.
    """

    outcomes: pd.DataFrame
    pairs: pd.DataFrame

    @cached_property
    def worst(self) -> pd.DataFrame:
        """The labels with most mistakes, their ids in the index."""
        wrong = self.outcomes["missed"] + self.outcomes["spurious"]
        order = wrong.sort_values(ascending=False, kind="stable").index
        return self.outcomes.loc[order].head(MOST_LABELS)

    def findings(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        return {"pairs": self.pairs.to_dict("records")}

    def advice(self) -> Sequence[Advice]:
        """Return nothing: what is missed says of itself not what to do about it."""
        return ()


def find_confusions(errors: Errors) -> ConfusedClasses | ConfusedLabels:
    """Return what is taken for what on the test split.

    Parameters
    ----------
    errors
        Of either kind.
    """
    if isinstance(errors, MultiLabelErrors):
        return ConfusedLabels(errors.outcomes(), errors.pairs(most=MOST_PAIRS))
    return ConfusedClasses(errors.confusion, errors.label_names)


def find_block(matrix: IntArray, *, most: int = LARGEST_BLOCK) -> list[int]:
    """Return the classes that are confused most, so that their cells hold what there is to see.

    Parameters
    ----------
    matrix
        Confusion counts (K, K), rows true.
    most
        Classes at the most; all of them where there are no more.

    Returns
    -------
    list of int
        Class ids in ascending order: those of the pairs with most mistakes in both directions.
    """
    n_classes = len(matrix)
    if n_classes <= most:
        return list(range(n_classes))
    between = np.triu(matrix + matrix.T, k=1)
    kept: dict[int, None] = {}
    for cell in np.argsort(-between, axis=None, kind="stable"):
        kept.update(dict.fromkeys(divmod(int(cell), n_classes)))
        if len(kept) >= most:
            break
    return sorted(list(kept)[:most])
