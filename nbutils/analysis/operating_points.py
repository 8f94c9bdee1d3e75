"""What a threshold brings: any threshold, at once, from predictions that were put in order once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.abstention import trace_risk
from nbutils.analysis.beliefs import read_beliefs
from nbutils.analysis.errors import Errors
from nbutils.analysis.held_out import SplitRows
from nbutils.label_sets import holds_sets, to_indicators
from nbutils.metrics import Score, proportion, tabulate_classes
from nbutils.thresholds import DEFAULT, choose_thresholds

SPLITS = ("validation", "test")
POINTS = 100  # of a curve, and of the thresholds at which something changes
EVEN = 101  # thresholds from 0 to 1, evenly spaced

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Answering:
    """The texts of a split, answered from some confidence on.

    Attributes
    ----------
    confidences
        In ascending order, shape (N,).
    wrong_from
        Of the texts from each place to the last, how many are wrong; shape (N + 1,), 0 at the end.
    """

    confidences: FloatArray
    wrong_from: IntArray

    @classmethod
    def of(cls, confidences: FloatArray, correct: BoolArray) -> Answering:
        """Put predictions in order.

        Parameters
        ----------
        confidences, correct
            Shape (N,).
        """
        order = np.argsort(confidences, kind="stable")
        wrong = np.cumsum(~correct[order][::-1])[::-1]
        return cls(confidences[order], np.append(wrong, 0).astype(np.int64))

    def __len__(self) -> int:
        return len(self.confidences)

    @property
    def correct(self) -> BoolArray:
        """Whether each is right, shape (N,)."""
        return np.asarray(np.diff(self.wrong_from) == 0)

    def at(self, threshold: float) -> tuple[Score, Score]:
        """Return the share that is answered, and the share of those answers that is wrong."""
        first = int(np.searchsorted(self.confidences, threshold))
        answered = len(self) - first
        return (
            proportion(answered, len(self)),
            proportion(int(self.wrong_from[first]), answered),
        )

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The coverage-risk curve, see `trace_risk`; of no text it has no row."""
        if not len(self):
            return pd.DataFrame({name: [] for name in ("coverage", "error", "low", "high")})
        return trace_risk(self.confidences, self.correct)


@dataclass(frozen=True)
class Given:
    """How the outcome of one class depends on its threshold.

    Attributes
    ----------
    pred_probs
        Of the class, in ascending order, shape (N,).
    of_positives
        The same of the texts that have it, shape (P,).
    """

    pred_probs: FloatArray
    of_positives: FloatArray

    @classmethod
    def of(cls, pred_probs: FloatArray, positive: BoolArray) -> Given:
        """Put the probabilities of a class in order.

        Parameters
        ----------
        pred_probs, positive
            Of N texts: the class's probability, and whether they have it.
        """
        return cls(np.sort(pred_probs), np.sort(pred_probs[positive]))

    def at(self, threshold: float) -> dict[str, Any]:
        """Return what the class comes to, given where its probability is at least the threshold.

        Returns
        -------
        dict
            `support, given`, and `precision, recall, f1`, each with `_low, _high`, as
            `score_classes` has them.
        """
        given = len(self.pred_probs) - int(np.searchsorted(self.pred_probs, threshold))
        hits = len(self.of_positives) - int(np.searchsorted(self.of_positives, threshold))
        counts = (np.array([count]) for count in (hits, given, len(self.of_positives)))
        table = tabulate_classes(next(counts), given=next(counts), true=next(counts), names=[""])
        row: dict[str, Any] = {str(name): value for name, value in table.iloc[0].items()}
        return row | {"given": given}

    @cached_property
    def curve(self) -> pd.DataFrame:
        """`recall, precision`, from the surest text on; without a text that has it no row."""
        if not len(self.of_positives):
            return pd.DataFrame({"recall": [], "precision": []})
        cuts = np.unique(_spread(self.of_positives))[::-1]
        hits = len(self.of_positives) - np.searchsorted(self.of_positives, cuts)
        given = len(self.pred_probs) - np.searchsorted(self.pred_probs, cuts)
        return pd.DataFrame({"recall": hits / len(self.of_positives), "precision": hits / given})


def read_answering(errors: Errors) -> dict[str, Answering]:
    """Return what is answered of each of `SPLITS` that has a text; right or wrong as a whole."""
    found = {}
    for split in SPLITS:
        rows = SplitRows(errors, split).rows
        if len(rows):
            own = read_beliefs(errors.predictions.iloc[rows], label_names=errors.label_names)
            found[split] = Answering.of(*own.wholes())
    return found


@dataclass(frozen=True)
class ClassOutcomes:
    """The outcome of each class by its threshold, on each of `SPLITS` that has a text.

    Each class is decided by itself: where texts have one label, one may be given none, or several.

    Parameters
    ----------
    errors
        Of either kind.
    """

    errors: Errors

    @cached_property
    def splits(self) -> dict[str, SplitRows]:
        """The splits that have a text, by name."""
        every = [SplitRows(self.errors, split) for split in SPLITS]
        return {rows.split: rows for rows in every if len(rows)}

    def of_class(self, k: int) -> dict[str, Given]:
        """Return the outcome of one class, by split."""
        return {split: Given.of(*self._believed(split, k)) for split in self.splits}

    def start(self, k: int) -> float:
        """Return the threshold with the best F1 on the validation texts, as the report chooses it.

        One half where there are none, or too few that have the class.
        """
        if "validation" not in self.splits:
            return DEFAULT
        pred_probs, positive = self._believed("validation", k)
        chosen = choose_thresholds(positive[:, None], pred_probs[:, None])
        return float(chosen.values[0])

    def _believed(self, split: str, k: int) -> tuple[FloatArray, BoolArray]:
        name = self.errors.label_names[k]
        return self.splits[split].pred_probs([name])[:, 0], self._positive(split, k)

    def _positive(self, split: str, k: int) -> BoolArray:
        rows = self.splits[split].rows
        if self._indicators is not None:
            return np.asarray(self._indicators[rows, k])
        return np.asarray(self.errors.predictions["label"].to_numpy()[rows] == k)

    @cached_property
    def _indicators(self) -> BoolArray | None:
        labels = self.errors.predictions["label"]
        if not holds_sets(labels):
            return None
        return to_indicators(labels, n_labels=len(self.errors.label_names))


def list_thresholds(values: Iterable[FloatArray], *, kept: Iterable[float]) -> dict[str, float]:
    """Return thresholds to choose among, ascending, as they are said: no two alike.

    Parameters
    ----------
    values
        Probabilities at which something changes, each sorted; they are spread over the list.
    kept
        Thresholds that must be in it.
    """
    spread = [_spread(own) for own in values if len(own)]
    offered = np.unique(np.concatenate([np.linspace(0, 1, EVEN), *spread])).tolist()
    said = {say_threshold(threshold): threshold for threshold in [*offered, *kept]}
    return dict(sorted(said.items(), key=lambda item: item[1]))


def say_threshold(threshold: float) -> str:
    """Return a threshold with four digits, or more where it is nearer to 0 or to 1."""
    left = min(threshold, 1 - threshold)
    digits = 4 if left <= 0 else min(9, max(4, 1 - int(np.floor(np.log10(left)))))
    return f"{threshold:.{digits}f}"


def _spread(values: FloatArray) -> FloatArray:
    """Return at most `POINTS` of some sorted values, the first and the last among them."""
    places = np.linspace(0, len(values) - 1, min(POINTS, len(values)))
    return np.asarray(values[places.round().astype(np.int64)])
