"""What a training makes small, and what its validation is judged by: one objective per task.

With one label per text it is the cross-entropy of a choice among K classes. With several it is the
binary cross-entropy of K questions, each answered by a sigmoid of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nbutils.agreement import macro_f1, margins_of, selection_scores
from nbutils.errors import ParameterError, suggest
from nbutils.metrics import confusion_matrix
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction import cross_entropy

Rows = NDArray[np.int64]
FloatArray = NDArray[np.float64]
TINY = float(np.finfo(np.float64).tiny)
MOST_LISTED = 4  # weights that are told one by one


@dataclass(frozen=True)
class ValidationScores:
    """What a look at the validation split found: scores in [0, 1], and the loss in nats.

    The last three are those of one label per text; Matthews' correlation lies in [-1, 1].
    """

    loss: float
    accuracy: float
    macro_f1: float
    balanced_accuracy: float | None = None
    mcc: float | None = None
    weighted_f1: float | None = None


class Objective(Protocol):
    """The loss of one training, its scale, and its scores.

    Attributes
    ----------
    guessing
        Loss, in nats, of a model that knows nothing: logits of 0.
    label_entropy
        Loss, in nats, of a model that has learnt how frequent each label is and nothing else.
    least
        Loss, in nats, of a model that knows each label: 0, unless labels are smoothed.
    informed_belief
        With several labels, the mean probability of the right answers that is halfway from the
        model of `label_entropy` to that of `least`; none: each text has one.
    weights
        Of K labels, as the loss has them; none: all alike.
    """

    guessing: float
    label_entropy: float
    least: float
    informed_belief: float | None
    weights: NDArray[Any] | None

    def loss_sum(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the summed loss of B texts, given logits (B, K) in float32 and their labels."""

    def weight_of(self, rows: Rows) -> float:
        """Return what the summed loss of these training rows is divided by to be a mean.

        It is asked for the whole effective batch, not for the part of it that was just computed:
        the mean of parts of unequal size is not the mean of the whole.
        """

    def score(self, logits: FloatArray, labels: NDArray[np.integer]) -> ValidationScores:
        """Return scores and mean loss, without weights and smoothing, of logits (N, K)."""


def make_objective(
    labels: NDArray[np.integer],
    *,
    label_names: Sequence[str],
    params: FineTuneParams,
    device: str = "cpu",
) -> Objective:
    """Return the objective of a training.

    Parameters
    ----------
    labels
        Of the training split: ids (N,), or indicators (N, K) where texts have several labels.
    label_names
        K names.
    params
        `class_weights` and `label_smoothing`.
    device
        Where the logits are.

    Raises
    ------
    ParameterError
        `class_weights` names a label that there is not.
    """
    weights = _weigh(labels, label_names=label_names, params=params)
    kind = SingleLabel if labels.ndim == 1 else MultiLabel
    return kind(
        labels,
        n_labels=len(label_names),
        weights=weights,
        smoothing=params.label_smoothing,
        device=device,
    )


def _weigh(
    labels: NDArray[np.integer], *, label_names: Sequence[str], params: FineTuneParams
) -> FloatArray | None:
    """Return the weights of K labels, shape (K,); None: they change nothing."""
    if params.class_weights == "none":
        return None
    weights = _find_weights(labels, label_names=label_names, params=params)
    usual = weights[0] if labels.ndim == 1 else 1.0  # of a choice, the mean is over the weights
    return None if (weights == usual).all() else weights


def _find_weights(
    labels: NDArray[np.integer], *, label_names: Sequence[str], params: FineTuneParams
) -> FloatArray:
    if not isinstance(params.class_weights, str):
        return _weights_by_name(params.class_weights, label_names)
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=len(label_names))
        return np.asarray(len(labels) / (len(label_names) * np.maximum(counts, 1)), np.float64)
    positives = labels.sum(axis=0, dtype=np.int64)
    negatives = len(labels) - positives
    # a label of every text has nothing to be balanced with, and 0 would keep it from being learnt
    return np.where(negatives > 0, negatives / np.maximum(positives, 1), 1.0)


def _weights_by_name(weights: Mapping[str, float], names: Sequence[str]) -> FloatArray:
    for name in weights:
        if name not in names:
            raise ParameterError(f"class_weights: no label {name!r}{suggest(name, names)}")
    return np.array([weights.get(name, 1.0) for name in names])


class SingleLabel:
    """Cross-entropy of one choice among K classes.

    A class weight multiplies the loss of the class's texts; the mean is over the weights. Label
    smoothing by s takes s of the target from the label and shares it out among all classes. Of
    both at once torch makes another loss: it weights each class's share of the target, so that
    the texts of a frequent class pull towards a rare one (0.96 and 0.04 of the texts, balanced,
    s = 0.1: every text is given the rare class). Here the weight stays that of the text's class.
    """

    def __init__(
        self,
        labels: NDArray[np.integer],
        *,
        n_labels: int,
        weights: FloatArray | None,
        smoothing: float,
        device: str,
    ) -> None:
        self.labels, self.smoothing = labels, smoothing
        # in the loss they are float32 too: the mean of equal losses is that loss
        self.weights: NDArray[Any] | None = None if weights is None else weights.astype(np.float32)
        self.tensor = _to_device(weights, device)
        counts = np.bincount(labels, minlength=n_labels)
        weighted = counts * (1.0 if weights is None else weights)
        self.guessing = math.log(n_labels)
        shares = _smooth(weighted / max(weighted.sum(), TINY), smoothing)
        self.label_entropy = float(_entropy(shares))
        self.informed_belief: float | None = None
        self.least = float(_entropy(_smooth(np.eye(n_labels)[0], smoothing)))

    def loss_sum(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the summed loss of a part of a batch; see `Objective`."""
        if self.tensor is None:
            return F.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="sum")
        losses = F.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        return (self.tensor[labels] * losses).sum()

    def weight_of(self, rows: Rows) -> float:
        """Return the sum of the class weights of these rows."""
        if self.weights is None:
            return float(len(rows))
        return float(self.weights[self.labels[rows]].sum())

    def score(self, logits: FloatArray, labels: NDArray[np.integer]) -> ValidationScores:
        """Return the scores of a choice, F1 over the classes that occur, and the mean loss."""
        matrix = confusion_matrix(labels, logits.argmax(1), n_classes=logits.shape[1])
        return ValidationScores(
            loss=cross_entropy(logits, labels.astype(np.int64)),
            accuracy=float(np.trace(matrix) / matrix.sum()),
            macro_f1=float(macro_f1(margins_of(matrix))),
            **selection_scores(matrix),
        )


class MultiLabel:
    """Binary cross-entropy of K labels, each with a sigmoid; the mean is over texts and labels.

    A weight multiplies the loss where a text has the label (as torch's `pos_weight`) and leaves it
    where it has not; ``balanced`` is the ratio of texts without the label to texts with it.
    Label smoothing by s turns the targets 1 and 0 into 1 - s/2 and s/2; the weight stays that of
    the label as it was.
    """

    def __init__(
        self,
        labels: NDArray[np.integer],
        *,
        n_labels: int,
        weights: FloatArray | None,
        smoothing: float,
        device: str,
    ) -> None:
        self.n_labels, self.smoothing = n_labels, smoothing
        self.weights: NDArray[Any] | None = weights
        self.tensor = _to_device(weights, device)
        shares, half = labels.mean(axis=0), smoothing / 2
        weighted, others = shares if weights is None else shares * weights, 1 - shares
        present = weighted * (1 - half) + others * half
        absent = weighted * half + others * (1 - half)
        total = float((weighted + others).mean())
        self.guessing = math.log(2) * total
        self.label_entropy = float(_constant_loss(present, absent).mean())
        self.least = total * float(_entropy(np.array([half, 1 - half])))
        believed = present / np.maximum(present + absent, TINY)
        share_belief = float((shares * believed + others * (1 - believed)).mean())
        self.informed_belief: float | None = (share_belief + 1 - half) / 2

    def loss_sum(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the summed loss of a part of a batch; see `Objective`."""
        given = labels.to(logits.dtype)
        weights = None if self.tensor is None else torch.where(labels > 0, self.tensor, 1.0)
        targets = given * (1 - self.smoothing) + self.smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, targets, weight=weights, reduction="sum")

    def weight_of(self, rows: Rows) -> float:
        """Return the number of pairs of text and label."""
        return float(len(rows) * self.n_labels)

    def score(self, logits: FloatArray, labels: NDArray[np.integer]) -> ValidationScores:
        """Return subset accuracy and macro F1 at a probability of 0.5, and the mean loss."""
        true, predicted = labels.astype(bool), logits >= 0  # a probability of 0.5
        hits, total = (true & predicted).sum(0), true.sum(0) + predicted.sum(0)
        f1 = 2 * hits / np.maximum(total, 1)
        # log(1 + exp(x)) - y x, without overflow
        losses = np.logaddexp(0, logits) - true * logits
        return ValidationScores(
            loss=float(losses.mean()),
            accuracy=float((true == predicted).all(axis=1).mean()),
            macro_f1=float(f1[total > 0].mean()) if (total > 0).any() else 0.0,
        )


def describe_scale(objective: Objective, label_names: Sequence[str]) -> list[str]:
    """Return a sentence on why training and validation losses are no twins; none: they are."""
    said = []
    if objective.weights is not None:
        order = np.argsort(objective.weights, kind="stable")
        few = len(order) <= MOST_LISTED
        named = [f"{objective.weights[k]:.3g} for {label_names[k]}" for k in order]
        listed = ", ".join(named) if few else f"{named[0]} to {named[-1]}"
        said.append(f"weighted ({listed})")
    if objective.least > 0:
        said.append(f"smoothed (never below {objective.least:.2g})")
    if not said:
        return []
    return [
        f"The training loss is {' and '.join(said)}, the validation loss is not: "
        "the height of one says nothing about that of the other."
    ]


def sigmoid(logits: FloatArray) -> FloatArray:
    """Return the probability of each label, each for itself, shape (N, K)."""
    from scipy.special import expit

    return np.asarray(expit(logits), np.float64)


def _smooth(shares: FloatArray, smoothing: float) -> FloatArray:
    return np.asarray(shares * (1 - smoothing) + smoothing / len(shares), np.float64)


def _entropy(shares: FloatArray) -> FloatArray:
    """Return the entropy along the first axis, in nats."""
    from scipy.special import entr

    return np.asarray(entr(shares).sum(axis=0), np.float64)


def _constant_loss(present: FloatArray, absent: FloatArray) -> FloatArray:
    """Return the least loss of one constant answer to questions of these weights of yes and no."""
    total = present + absent
    share = present / np.maximum(total, TINY)
    return np.asarray(total * _entropy(np.stack([share, 1 - share])), np.float64)


def _to_device(weights: FloatArray | None, device: str) -> torch.Tensor | None:
    if weights is None:
        return None
    return torch.tensor(weights, dtype=torch.float32, device=device)
