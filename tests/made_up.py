"""Errors of models that never were, of any size, with a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.errors import find_errors
from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.analysis.single_label import SingleLabelErrors
from nbutils.label_sets import set_column, to_sets

# What somebody may type.
AWKWARD = {
    "empty": "",
    "spaces": " \n\t ",
    "control": "good\x00 \x1b[31m film\x07",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd good \u0645\u0631\u062d\u0628\u0627",
    "emoji": "good \U0001f469\u200d\U0001f680 film \U0001f1e9\U0001f1ea",
    "half a pair": "good \ud83d film",
    "long": "good film " * 10_000,
    "one long word": "x" * 100_000,
}

WORDS = [
    "oil",
    "crop",
    "bank",
    "rate",
    "ship",
    "grain",
    "market",
    "profit",
    "share",
    "trade",
    "tariff",
    "minister",
    "talks",
    "board",
]


def make_errors(
    n_texts: int, n_classes: int, *, accuracy: float = 0.9, words: int = 30, seed: int = 0
) -> SingleLabelErrors:
    """Return predictions of which this share is right; the others fall on any class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, n_classes, n_texts)
    wrong = random.random(n_texts) > accuracy
    predicted = (labels + wrong * random.integers(1, n_classes, n_texts)) % n_classes
    return errors_of(labels, predicted, n_classes=n_classes, words=words, seed=seed)


def errors_of(
    labels: Sequence[int] | NDArray[np.int64],
    predicted: Sequence[int] | NDArray[np.int64],
    *,
    n_classes: int,
    words: int = 30,
    seed: int = 0,
) -> SingleLabelErrors:
    """Return given predictions with made-up probabilities, of texts of `words` words at most."""
    random = np.random.default_rng(seed)
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    rows = np.arange(len(labels))
    scores = random.normal(0, 0.3, (len(rows), n_classes))
    scores[rows, predicted] += random.uniform(2, 8, len(rows))
    pred_probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    table = pd.DataFrame(
        {"example_id": rows, "split": "test", "label": labels, "predicted": predicted}
    )
    found = find_errors(
        _with_probabilities(table, pred_probs, names=[f"class {k}" for k in range(n_classes)]),
        _texts(len(rows), words=words, random=random),
        label_names=[f"class {k}" for k in range(n_classes)],
    )
    assert isinstance(found, SingleLabelErrors)
    return found


def make_label_errors(n_texts: int, n_labels: int, *, seed: int = 0) -> MultiLabelErrors:
    """Return predictions of any number of labels, some missed and some spurious."""
    random = np.random.default_rng(seed)
    labels = random.random((n_texts, n_labels)) < 0.2
    pred_probs = np.clip(0.8 * labels + 0.1 + random.normal(0, 0.25, labels.shape), 0.01, 0.99)
    sets = [set_column(to_sets(each)) for each in (labels, pred_probs > 0.5)]
    table = pd.DataFrame(
        {"example_id": range(n_texts), "split": "test", "label": sets[0], "predicted": sets[1]}
    )
    names = [f"topic {k}" for k in range(n_labels)]
    found = find_errors(
        _with_probabilities(table, pred_probs, names=names),
        _texts(n_texts, words=20, random=random),
        label_names=names,
    )
    assert isinstance(found, MultiLabelErrors)
    return found


def _with_probabilities(
    table: pd.DataFrame, pred_probs: NDArray[np.float64], *, names: Sequence[str]
) -> pd.DataFrame:
    columns = [f"prob_{name}" for name in names]
    return pd.concat([table, pd.DataFrame(pred_probs, columns=columns)], axis=1)


def _texts(n: int, *, words: int, random: np.random.Generator) -> pd.DataFrame:
    chosen = np.array(WORDS)[random.integers(0, len(WORDS), (n, words))]
    lengths = random.integers(3, words + 1, n)
    texts = [
        f"text {k}: " + " ".join(row[:length])
        for k, (row, length) in enumerate(zip(chosen, lengths, strict=True))
    ]
    return pd.DataFrame({"example_id": range(n), "text": pd.Series(texts, dtype=str)})
