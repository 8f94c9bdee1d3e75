"""Errors where a text has any number of labels: some are missed, others spurious."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.mistakes import describe_errors, probabilities
from nbutils.described import Described
from nbutils.label_sets import BoolArray, say_labels, set_column, to_indicators, to_sets
from nbutils.metrics import wilson_interval
from nbutils.set_metrics import score_labels

NOTHING = "(nothing)"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class MultiLabelErrors(Described):
    """Missed and spurious labels in the predictions of held-out texts.

    Parameters
    ----------
    predictions, texts, label_names
        As for `find_errors`.
    unit
        What is right or wrong: answers to whether a text has a label.
    score_name
        What is gained where it is mended.
    """

    predictions: pd.DataFrame
    texts: pd.DataFrame
    label_names: tuple[str, ...]
    unit: str = "answers"
    score_name: str = "micro F1"

    _title = "Errors on the test split"

    def _facts(self) -> dict[str, Any]:
        return describe_errors(self.test, label_names=self.label_names, pairs=self.pairs(most=3))

    @property
    def test(self) -> pd.DataFrame:
        """The predictions of the test split."""
        return self.predictions[self.predictions["split"] == "test"]

    def classes(self) -> pd.DataFrame:
        """Return precision, recall and F1 of each label."""
        labels, predicted, _ = self._matrices(self.test)
        return score_labels(labels, predicted, label_names=self.label_names)

    def outcomes(self) -> pd.DataFrame:
        """Return for each label how many test texts got it rightly, missed it, or got it wrongly.

        Returns
        -------
        DataFrame
            `label, right, missed, spurious`, a row per label.
        """
        labels, predicted, _ = self._matrices(self.test)
        return pd.DataFrame(
            {
                "label": self.label_names,
                "right": (labels & predicted).sum(0),
                "missed": (labels & ~predicted).sum(0),
                "spurious": (~labels & predicted).sum(0),
            }
        )

    def pairs(self, *, most: int = 10) -> pd.DataFrame:
        """Return which labels are missed on test texts, and what the texts got instead.

        Returns
        -------
        DataFrame
            `label, predicted, count, share, low, high`: a missed label, a spurious one of the
            same text or ``(nothing)``, and the share of the missed label's texts with its 95 %
            interval; most frequent first.
        """
        labels, predicted, _ = self._matrices(self.test)
        both = zip(to_sets(labels & ~predicted), to_sets(~labels & predicted), strict=True)
        counts = Counter(
            pair for missed, spurious in both for pair in product(missed, spurious or (-1,))
        )
        names, support = (*self.label_names, NOTHING), labels.sum(0)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
        rows = [
            (names[true], names[given], count, *_share(count, int(support[true])))
            for (true, given), count in ranked
        ]
        return pd.DataFrame(rows, columns=["label", "predicted", "count", "share", "low", "high"])

    def mistakes(self, *, split: str | None = "test") -> pd.DataFrame:
        """Return the texts whose set of labels is wrong, the surest wrong answer first.

        Returns
        -------
        DataFrame
            `example_id, split, text[, text_pair], label, predicted, missed, spurious, confidence,
            prob_label`: labels by name; the probability of the surest wrong answer, and that of
            the given answer that the model believes least.
        """
        rows = (self.predictions if split is None else self.test).reset_index(drop=True)
        labels, predicted, pred_probs = self._matrices(rows)
        wrong = labels != predicted
        answers = np.where(predicted, pred_probs, 1 - pred_probs)
        table = rows[["example_id", "split"]].assign(
            label=say_labels(rows["label"], self.label_names),
            predicted=say_labels(rows["predicted"], self.label_names),
            missed=self._say(labels & ~predicted),
            spurious=self._say(~labels & predicted),
            confidence=np.where(wrong, answers, 0.0).max(axis=1, initial=0.0),
            prob_label=np.where(labels, pred_probs, 1 - pred_probs).min(axis=1, initial=1.0),
        )
        columns = [name for name in ("text", "text_pair") if name in self.texts.columns]
        found = table[wrong.any(axis=1)].merge(
            self.texts[["example_id", *columns]], on="example_id", how="left"
        )
        found = found.sort_values(["confidence", "example_id"], ascending=[False, True])
        first = ["example_id", "split", *columns]
        rest = [name for name in table.columns if name not in first]
        kept: pd.DataFrame = found[[*first, *rest]].reset_index(drop=True)
        return kept

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        rows = self.predictions
        counts = rows.loc[rows["label"] != rows["predicted"], "split"].value_counts()
        return {
            "task": "multi_label",
            "label_names": list(self.label_names),
            "mistakes": {str(s): int(counts.get(s, 0)) for s in rows["split"].unique()},
            "outcomes": self.outcomes().to_dict("records"),
            "classes": self.classes().to_dict("records"),
            "top_confusions": self.pairs().to_dict("records"),
        }

    def _matrices(self, rows: pd.DataFrame) -> tuple[BoolArray, BoolArray, FloatArray]:
        """Return labels, predictions and probabilities, shape (N, K) each."""
        n_labels = len(self.label_names)
        return (
            to_indicators(rows["label"], n_labels=n_labels),
            to_indicators(rows["predicted"], n_labels=n_labels),
            probabilities(rows, self.label_names),
        )

    def _say(self, indicators: BoolArray) -> list[str]:
        return say_labels(set_column(to_sets(indicators)), self.label_names)


def _share(count: int, n: int) -> tuple[float, float, float]:
    return count / n, *wilson_interval(count, n)
