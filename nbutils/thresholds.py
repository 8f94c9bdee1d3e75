"""From which probability on a label is given: one threshold per label, chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.described import Described
from nbutils.label_sets import BoolArray, to_indicators

DEFAULT = 0.5
FEWEST_POSITIVES = 10  # validation texts with a label, from which its threshold is chosen

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Thresholds(Described):
    """The thresholds of K labels and what they rest on.

    Attributes
    ----------
    values
        Of shape (K,), in (0, 1): a label is given where its probability is at least that.
    positives
        Of shape (K,): validation texts that have the label.
    chosen
        Of shape (K,): whether the threshold was chosen; else it is 0.5, since it would have
        been fitted to fewer than ten texts.
    """

    values: FloatArray
    positives: NDArray[np.int64]
    chosen: BoolArray

    _title = "Thresholds of labels"

    def _facts(self) -> dict[str, Any]:
        if not len(self.values):
            return {"labels": 0}
        return {
            "labels": len(self.values),
            "chosen on validation": int(self.chosen.sum()),
            "thresholds": f"{self.values.min():.2f} to {self.values.max():.2f}",
        }

    def table(self, label_names: Sequence[str]) -> pd.DataFrame:
        """Return one row per label: `label, threshold, positives, chosen`."""
        return pd.DataFrame(
            {
                "label": list(label_names),
                "threshold": self.values,
                "positives": self.positives,
                "chosen": self.chosen,
            }
        )

    def as_dict(self, label_names: Sequence[str]) -> dict[str, float]:
        """Return the thresholds by label name."""
        return dict(zip(label_names, self.values.tolist(), strict=True))


def default_thresholds(n_labels: int) -> Thresholds:
    """Return 0.5 for each of K labels."""
    zeros = np.zeros(n_labels, np.int64)
    return Thresholds(np.full(n_labels, DEFAULT), zeros, zeros.astype(bool))


def choose_thresholds(labels: BoolArray, pred_probs: FloatArray) -> Thresholds:
    """Return for each label the threshold with the highest F1 on these texts.

    Of several, the one nearest to 0.5. A maximum over as many thresholds as there are texts is
    partly luck, the more the fewer texts have the label: a label with fewer than ten keeps 0.5. A
    label that the probabilities do not tell gets a threshold that gives it to nearly every text,
    which is what the highest F1 then asks for (Lipton, Elkan and Naryanaswamy, "Optimal
    thresholding of classifiers to maximize F1 measure", 2014).

    Parameters
    ----------
    labels
        Whether validation text i has label k, shape (N, K).
    pred_probs
        Probability of each label, shape (N, K).
    """
    positives = labels.sum(axis=0).astype(np.int64)
    chosen = positives >= FEWEST_POSITIVES
    values = np.full(labels.shape[1], DEFAULT)
    for k in np.flatnonzero(chosen):
        values[k] = _best_threshold(labels[:, k], pred_probs[:, k])
    return Thresholds(values, positives, chosen)


def _best_threshold(labels: BoolArray, pred_probs: FloatArray) -> float:
    order = np.argsort(-pred_probs, kind="stable")
    sorted_probs = pred_probs[order]
    last = np.append(np.diff(sorted_probs) != 0, True)  # equal ones are given together
    hits = np.cumsum(labels[order])
    f1 = (2 * hits / (np.arange(1, len(labels) + 1) + labels.sum()))[last]
    lowest = sorted_probs[last]
    # Halfway to the next probability below, or as much of 0.5 as lies in between.
    below = np.append(lowest[1:], 0.0)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    middles = (lowest[best] + below[best]) / 2
    middles = np.where(middles > below[best], middles, lowest[best])  # neighbours among floats
    inside = (below[best] < DEFAULT) & (lowest[best] >= DEFAULT)
    candidates = np.where(inside, DEFAULT, middles)
    return float(candidates[np.argmin(np.abs(candidates - DEFAULT))])


def validation_curve(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return `threshold_curve` of the validation texts in predictions of label sets.

    Parameters
    ----------
    predictions
        `split`, `label` (tuples of ids) and `prob_<label>...`.
    """
    own = predictions[predictions["split"] == "validation"]
    pred_probs = own[[name for name in own.columns if str(name).startswith("prob_")]].to_numpy()
    return threshold_curve(to_indicators(own["label"], n_labels=pred_probs.shape[1]), pred_probs)


def threshold_curve(labels: BoolArray, pred_probs: FloatArray, *, points: int = 99) -> pd.DataFrame:
    """Return what one threshold for all labels would give, over all pairs of text and label.

    Parameters
    ----------
    labels, pred_probs
        Shape (N, K).
    points
        Thresholds between 0 and 1, evenly spaced.

    Returns
    -------
    DataFrame
        `threshold, precision, recall, f1`; precision is 1 where no label is given.
    """
    thresholds = np.linspace(0, 1, points + 2)[1:-1]
    true = np.sort(pred_probs[labels])
    every = np.sort(pred_probs, axis=None)
    hits = len(true) - np.searchsorted(true, thresholds)
    given = len(every) - np.searchsorted(every, thresholds)
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "precision": np.where(given > 0, hits / np.maximum(given, 1), 1.0),
            "recall": hits / max(1, len(true)),
            "f1": 2 * hits / np.maximum(given + len(true), 1),
        }
    )
