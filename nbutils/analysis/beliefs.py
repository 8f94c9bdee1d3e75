"""What a model believed of held-out texts, at any temperature, beside what was true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.mistakes import probabilities
from nbutils.label_sets import BoolArray, holds_sets, to_indicators

SMALLEST = 1e-12  # probability that stands for 0, so that one mistake costs 28 nats and no more
NEAREST = 1e-7  # to 0 and to 1, of a yes or no: as near as 32-bit numbers come to 1

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """How probabilities fare against the truth.

    Attributes
    ----------
    losses
        Of each of N texts in nats: minus the logarithm of the true label's probability, or the
        mean of that over its answers, where texts have several labels.
    squares
        Of each text the squared distance of probabilities and truth, in [0, 2] (Brier, 1950), or
        the mean of it over its answers, in [0, 1].
    confidences, correct
        Of each of A predictions the probability that it was given, and whether it is right; there
        is one per text, or one per text and label.
    """

    losses: FloatArray
    squares: FloatArray
    confidences: FloatArray
    correct: BoolArray


@dataclass(frozen=True)
class ClassBeliefs:
    """One label per text.

    Attributes
    ----------
    logits
        Logarithms of the probabilities, shape (N, K).
    labels, predicted
        Ids, shape (N,).
    """

    logits: FloatArray
    labels: IntArray
    predicted: IntArray

    def judge(self, temperature: float = 1.0) -> Judged:
        """Return how the probabilities fare when logits are divided by a temperature."""
        logits = self.logits / temperature
        logits = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        rows, pred_probs = np.arange(len(logits)), np.exp(logits)
        true = pred_probs[rows, self.labels]
        return Judged(
            losses=-np.maximum(logits[rows, self.labels], np.log(SMALLEST)),
            squares=np.maximum((pred_probs**2).sum(1) - 2 * true + 1, 0.0),
            confidences=pred_probs[rows, self.predicted],
            correct=self.labels == self.predicted,
        )

    def wholes(self) -> tuple[FloatArray, BoolArray]:
        """Return the probability of each text's prediction, and whether it is right."""
        found = self.judge()
        return found.confidences, found.correct

    def take(self, rows: IntArray) -> ClassBeliefs:
        """Return those of some texts."""
        return ClassBeliefs(self.logits[rows], self.labels[rows], self.predicted[rows])


@dataclass(frozen=True)
class SetBeliefs:
    """Any number of labels per text: K answers, each yes or no.

    Attributes
    ----------
    logits
        Of a yes, shape (N, K).
    labels, predicted
        Shape (N, K).
    """

    logits: FloatArray
    labels: BoolArray
    predicted: BoolArray

    def judge(self, temperature: float = 1.0) -> Judged:
        """Return how the probabilities fare when logits are divided by a temperature."""
        logits = self.logits / temperature
        yes = 1 / (1 + np.exp(-logits))
        return Judged(
            losses=np.logaddexp(0, np.where(self.labels, -logits, logits)).mean(1),
            squares=((yes - self.labels) ** 2).mean(1),
            confidences=np.where(self.predicted, yes, 1 - yes).ravel(),
            correct=(self.labels == self.predicted).ravel(),
        )

    def wholes(self) -> tuple[FloatArray, BoolArray]:
        """Return the probability of each text's whole set, and whether it is right.

        As if the labels were independent of each other: it puts texts in order, no more.
        """
        answers = np.logaddexp(0, np.where(self.predicted, -self.logits, self.logits))
        return np.exp(-answers.sum(1)), (self.labels == self.predicted).all(1)

    def take(self, rows: IntArray) -> SetBeliefs:
        """Return those of some texts."""
        return SetBeliefs(self.logits[rows], self.labels[rows], self.predicted[rows])


Beliefs = ClassBeliefs | SetBeliefs


def read_beliefs(predictions: pd.DataFrame, *, label_names: Sequence[str]) -> Beliefs:
    """Return what a model believed of N texts.

    Parameters
    ----------
    predictions
        `label, predicted, prob_<label>...`, of one split.
    label_names
        K names, index = id.
    """
    pred_probs = probabilities(predictions, label_names)
    if not holds_sets(predictions["label"]):
        labels, predicted = (
            predictions[name].to_numpy(np.int64) for name in ("label", "predicted")
        )
        return ClassBeliefs(np.log(np.maximum(pred_probs, SMALLEST)), labels, predicted)
    inside = np.clip(pred_probs, NEAREST, 1 - NEAREST)
    labels, predicted = (
        to_indicators(predictions[name], n_labels=len(label_names))
        for name in ("label", "predicted")
    )
    return SetBeliefs(np.log(inside) - np.log1p(-inside), labels, predicted)
