"""Deciding with a threshold per class instead of the largest probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nbutils.analysis.beliefs import ClassBeliefs
from nbutils.paired import PairedDifference, compare_macro_f1, compare_paired
from nbutils.thresholds import Thresholds, choose_thresholds


@dataclass(frozen=True)
class ThresholdEffect:
    """What thresholds chosen on validation texts change on the test texts.

    Attributes
    ----------
    thresholds
        Of K classes. The label is then the class with the largest ratio of probability to
        threshold.
    label_names
        K names.
    macro_f1, accuracy
        With them, minus without.
    """

    thresholds: Thresholds
    label_names: tuple[str, ...]
    macro_f1: PairedDifference
    accuracy: PairedDifference

    @property
    def helps(self) -> bool:
        """Whether macro F1 is better by more than chance."""
        return self.macro_f1.low > 0

    def as_dict(self) -> Mapping[str, Any]:
        """Return it for `findings.json`: the thresholds themselves only where they help."""
        values = self.thresholds.as_dict(self.label_names) if self.helps else None
        return {
            "helps": self.helps,
            "macro_f1_change": asdict(self.macro_f1),
            "accuracy_change": asdict(self.accuracy),
            "thresholds": values,
        }


def try_thresholds(
    validation: ClassBeliefs, test: ClassBeliefs, *, label_names: Sequence[str], seed: int
) -> ThresholdEffect | None:
    """Choose for each class the threshold with the best F1 on validation; try them on test.

    Parameters
    ----------
    validation, test
        Without a validation text there is nothing to choose on, and None is returned.
    label_names
        K names.
    seed
        Seed of the bootstrap.
    """
    n_classes = len(label_names)
    if not len(validation.labels):
        return None
    true = validation.labels[:, None] == np.arange(n_classes)
    thresholds = choose_thresholds(true, np.exp(validation.logits))
    given = np.argmax(test.logits - np.log(thresholds.values), axis=1)
    return ThresholdEffect(
        thresholds,
        tuple(label_names),
        compare_macro_f1(test.labels, given, test.predicted, n_classes=n_classes, seed=seed),
        compare_paired(test.labels, given, test.predicted),
    )
