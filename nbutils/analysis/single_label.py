"""Errors where each text has one label: one class is taken for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.confusion import top_confusions
from nbutils.analysis.findings import build_findings
from nbutils.analysis.mistakes import describe_errors, find_mistakes
from nbutils.described import Described
from nbutils.metrics import confusion_matrix, score_classes


@dataclass(frozen=True, repr=False)
class SingleLabelErrors(Described):
    """Wrong classes in the predictions of held-out texts.

    Parameters
    ----------
    predictions, texts, label_names
        As for `find_errors`.
    unit, score_name
        What is right or wrong, and what is gained where it is mended.
    """

    predictions: pd.DataFrame
    texts: pd.DataFrame
    label_names: tuple[str, ...]
    unit: str = "texts"
    score_name: str = "accuracy"

    _title = "Errors on the test split"

    def _facts(self) -> dict[str, Any]:
        return describe_errors(self.test, label_names=self.label_names, pairs=self.pairs(most=3))

    @property
    def test(self) -> pd.DataFrame:
        """The predictions of the test split."""
        return self.predictions[self.predictions["split"] == "test"]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (K, K) on the test split, rows true."""
        test = self.test
        return confusion_matrix(test["label"], test["predicted"], n_classes=len(self.label_names))

    def classes(self) -> pd.DataFrame:
        """Return precision, recall and F1 of each class."""
        test = self.test
        return score_classes(test["label"], test["predicted"], label_names=self.label_names)

    def pairs(self, *, most: int = 10) -> pd.DataFrame:
        """Return the most frequent mistakes by class pair."""
        return top_confusions(self.confusion, label_names=self.label_names, most=most)

    def mistakes(self, *, split: str | None = "test") -> pd.DataFrame:
        """Return the wrong predictions, the most confident first."""
        rows = self.predictions if split is None else self.test
        return find_mistakes(rows, self.texts, label_names=self.label_names)

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        return build_findings(
            self.predictions,
            label_names=self.label_names,
            confusion=self.confusion,
            tables={
                "classes": self.classes(),
                "top_confusions": self.pairs(),
            },
        )
