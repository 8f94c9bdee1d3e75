"""TF-IDF with logistic regression: the score that a fine-tuned BERT has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.sampling import bounded_sample
from nbutils.data.shingles import WORD_PATTERN
from nbutils.metrics import Score, score_classes, score_predictions

FEATURES = 30_000  # most frequent words and word pairs that are kept
MOST_TRAINED = 100_000  # training rows; more are sampled, and the data card says how many
MOST_CHARACTERS = 30_000_000  # of those rows: their word pairs must fit into memory
INVERSE_PENALTY = 10.0  # sklearn's C; with 1.0, rows of length 1 are underfitted


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline's predictions and scores.

    Attributes
    ----------
    predictions
        `example_id`, `split`, `label`, `predicted` of the validation and test rows.
    scores
        Accuracy and macro F1 with their intervals, by split.
    classes
        Precision, recall and F1 of each class on the test split, with intervals.
    trained_on
        Training rows that were used.
    """

    predictions: pd.DataFrame
    scores: Mapping[str, Mapping[str, Score]]
    classes: pd.DataFrame
    trained_on: int

    def table(self) -> pd.DataFrame:
        """Return the scores as rows of `name`, `value`, `low`, `high`."""
        return pd.DataFrame(
            [
                {"name": f"{split} {name}", "value": s.value, "low": s.low, "high": s.high}
                for split, scores in self.scores.items()
                for name, s in scores.items()
            ]
        )

    def class_table(self) -> pd.DataFrame:
        """Return each class's F1 on the test split as rows of `name`, `value`, `low`, `high`."""
        columns = {"label": "name", "f1": "value", "f1_low": "low", "f1_high": "high"}
        return self.classes[list(columns)].rename(columns=columns)


def fit_baseline(frame: pd.DataFrame, *, label_names: Sequence[str]) -> Baseline:
    """Fit TF-IDF features and logistic regression on the training split; score the others.

    Parameters
    ----------
    frame
        `example_id`, `text`, `label`, `split` and, for pairs, `text_pair`.
    label_names
        K names.

    Returns
    -------
    Baseline
        The same for the same frame: nothing is drawn but the sample of very large data.
    """
    training = bounded_sample(
        frame[frame["split"] == "train"], most_rows=MOST_TRAINED, most_characters=MOST_CHARACTERS
    )
    held_out = frame[frame["split"].isin(["validation", "test"])]
    vectorizer, features = _vectorize(_texts(training))
    model = _fit(features, training["label"].to_numpy())
    predicted = model.predict(vectorizer.transform(_texts(held_out))).astype(np.int64)
    predictions = held_out[["example_id", "split", "label"]].assign(predicted=predicted)
    parts = {name: predictions[predictions["split"] == name] for name in ("validation", "test")}
    test = parts["test"]
    return Baseline(
        predictions=predictions.reset_index(drop=True),
        scores={
            name: score_predictions(part["label"], part["predicted"], n_classes=len(label_names))
            for name, part in parts.items()
        },
        classes=score_classes(test["label"], test["predicted"], label_names=tuple(label_names)),
        trained_on=len(training),
    )


def _texts(frame: pd.DataFrame) -> list[str]:
    if "text_pair" not in frame:
        return list(frame["text"])
    return [f"{a} {b}" for a, b in zip(frame["text"], frame["text_pair"], strict=True)]


def _vectorize(texts: list[str]) -> tuple[Any, Any]:
    """Return a fitted vectorizer and its features of `texts`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = {"token_pattern": WORD_PATTERN, "ngram_range": (1, 2)}
    characters = {"analyzer": "char", "ngram_range": (1, 3)}
    # Tiny data repeats no word, and texts of signs alone (emoji, say) have none.
    for least, kind in ((2, words), (1, words), (1, characters)):
        vectorizer = TfidfVectorizer(
            sublinear_tf=True, min_df=least, max_features=FEATURES, dtype=np.float32, **kind
        )
        try:
            return vectorizer, vectorizer.fit_transform(texts)
        except ValueError:  # "empty vocabulary", or "no terms remain"
            continue
    raise ValueError("expected texts with at least one character")  # empty ones are dropped before


def _fit(features: Any, labels: npt.NDArray[np.int64]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Newton's method takes a few steps here; lbfgs, the default, took 30 times as long on BBC News.
    model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cg", max_iter=100)
    with warnings.catch_warnings():
        # Stopping early costs a fraction of a per cent; the score is what it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)
