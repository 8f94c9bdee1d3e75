"""Labels checked against predictions, whether a text has one label or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nbutils.analysis.label_noise import FloatArray, LabelNoise, estimate_noise
from nbutils.analysis.mistakes import probabilities
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import (
    BoolArray,
    IntArray,
    holds_sets,
    say_labels,
    set_column,
    to_indicators,
    to_sets,
)
from nbutils.metrics import wilson_interval

NOTHING = "(nothing)"
PAIRS = ["label", "suggested_label", "estimated", "suspects"]


@dataclass(frozen=True, repr=False)
class LabelCheck(Described):
    """What the predictions of one model, or of one cross-validation, say of the labels.

    Attributes
    ----------
    ranking
        `example_id, split, label, suggested_label, self_confidence, flagged` of each text.
    pairs
        `label, suggested_label, estimated, suspects`; ``(nothing)`` stands for no label.
    n
        How many labels were checked, or answers, yes or no, to each label of each text.
    right
        How many of them the model agrees with.
    most_frequent
        How many of them agree with who always gives the most frequent one.
    wrong, confident
        How many are estimated to be wrong, and how many the estimate rests on.
    unit
        ``labels`` or ``answers``.
    design_effect
        How many of them are worth one that is independent of the others: answers of one text are
        right and wrong together (Kish, "Survey sampling", 1965).
    """

    ranking: pd.DataFrame
    pairs: pd.DataFrame
    n: int
    right: int
    most_frequent: int
    wrong: int
    confident: int
    unit: str = "labels"
    design_effect: float = 1.0

    @property
    def believable(self) -> bool:
        """Whether the model knows more than which label is the most frequent."""
        low, _ = wilson_interval(self.right / self.design_effect, self.n / self.design_effect)
        return low > self.most_frequent / self.n

    def share_wrong(self) -> tuple[float, float, float]:
        """Return the estimated share of wrong labels in [0, 1] with its 95 % interval."""
        share, worth = self.wrong / self.n, self.confident / self.design_effect
        low, high = wilson_interval(share * worth, worth)
        return share, min(low, share), max(high, share)


def check_labels_of(predictions: pd.DataFrame, label_names: Sequence[str]) -> LabelCheck:
    """Check the labels of texts against out-of-sample predictions of either kind.

    Parameters
    ----------
    predictions
        `example_id, split, label, prob_<label>...`, from a model that was not trained on them.
    label_names
        K names, index = id.

    Raises
    ------
    NotApplicableError
        All texts have the same label.
    """
    if holds_sets(predictions["label"]):
        return _check_label_sets(predictions, label_names)
    return _check_classes(predictions, label_names)


def _check_classes(predictions: pd.DataFrame, label_names: Sequence[str]) -> LabelCheck:
    labels = predictions["label"].to_numpy(np.int64)
    pred_probs = probabilities(predictions, label_names)
    counts = np.bincount(labels)
    if (counts > 0).sum() < 2:
        raise NotApplicableError(
            f"expected texts of at least two classes, found {len(labels)} of one: nothing to take "
            "a wrong label for"
        )
    noise, suggested = estimate_noise(labels, pred_probs), pred_probs.argmax(axis=1)
    return LabelCheck(
        ranking=predictions[["example_id", "split"]].assign(
            label=[label_names[k] for k in labels],
            suggested_label=[label_names[k] for k in suggested],
            self_confidence=pred_probs[np.arange(len(labels)), labels],
            flagged=noise.flagged,
        ),
        pairs=_pair_classes(noise, labels, suggested, label_names),
        n=len(labels),
        right=int((suggested == labels).sum()),
        most_frequent=int(counts.max()),
        wrong=noise.wrong,
        confident=noise.confident,
    )


def _pair_classes(
    noise: LabelNoise,
    labels: IntArray,
    suggested: IntArray,
    label_names: Sequence[str],
) -> pd.DataFrame:
    listed = np.zeros_like(noise.joint)
    np.add.at(listed, (labels[noise.flagged], suggested[noise.flagged]), 1)
    found = noise.joint * ~np.eye(len(label_names), dtype=bool)
    rows = [
        (label_names[i], label_names[j], int(found[i, j]), int(listed[i, j]))
        for i, j in np.argwhere(found + listed > 0)
    ]
    return pd.DataFrame(rows, columns=PAIRS)


def _check_label_sets(predictions: pd.DataFrame, label_names: Sequence[str]) -> LabelCheck:
    """Check each label by itself: given or not."""
    given = to_indicators(predictions["label"], n_labels=len(label_names))
    pred_probs = probabilities(predictions, label_names)
    noises = {
        k: estimate_noise(given[:, k].astype(np.int64), _as_two(pred_probs[:, k]))
        for k in np.flatnonzero(given.any(axis=0) & ~given.all(axis=0)).tolist()
    }
    if not noises:
        raise NotApplicableError(
            f"expected texts with different labels, found {len(given)} with the same ones"
        )
    flagged = np.zeros(given.shape, dtype=bool)
    for k, noise in noises.items():
        flagged[:, k] = noise.flagged
    answers = np.where(given, pred_probs, 1 - pred_probs)
    counts = given[:, list(noises)].sum(axis=0)
    agreed = ((pred_probs >= 0.5) == given)[:, list(noises)]
    return LabelCheck(
        ranking=predictions[["example_id", "split"]].assign(
            label=say_labels(predictions["label"], label_names),
            suggested_label=say_labels(set_column(to_sets(given ^ flagged)), label_names),
            self_confidence=answers.min(axis=1),
            flagged=np.asarray(flagged.any(axis=1)),
        ),
        pairs=_pair_labels(noises, given, flagged, label_names),
        n=len(given) * len(noises),
        right=int(agreed.sum()),
        most_frequent=int(np.maximum(counts, len(given) - counts).sum()),
        wrong=sum(noise.wrong for noise in noises.values()),
        confident=sum(noise.confident for noise in noises.values()),
        unit="answers",
        design_effect=_find_design_effect(agreed),
    )


def _find_design_effect(agreed: BoolArray) -> float:
    """Return by what factor texts vary more than independent answers would, shape (N, K)."""
    shares = agreed.mean(axis=0)
    independent = len(agreed) * float((shares * (1 - shares)).sum())
    if not independent:  # nothing varies: as if the answers of a text were one
        return float(agreed.shape[1])
    return max(1.0, float(((agreed - shares).sum(axis=1) ** 2).sum()) / independent)


def _as_two(probability: FloatArray) -> FloatArray:
    return np.stack([1 - probability, probability], axis=1)


def _pair_labels(
    noises: dict[int, LabelNoise],
    given: BoolArray,
    flagged: BoolArray,
    label_names: Sequence[str],
) -> pd.DataFrame:
    spurious, missing = (flagged & given).sum(axis=0), (flagged & ~given).sum(axis=0)
    rows = [
        row
        for k, noise in noises.items()
        for row in (
            (label_names[k], NOTHING, int(noise.joint[1, 0]), int(spurious[k])),
            (NOTHING, label_names[k], int(noise.joint[0, 1]), int(missing[k])),
        )
        if row[2] + row[3]
    ]
    return pd.DataFrame(rows, columns=PAIRS)
