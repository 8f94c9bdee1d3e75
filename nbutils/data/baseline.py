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
from nbutils.described import Described
from nbutils.label_sets import BoolArray, holds_sets, set_column, to_indicators, to_sets
from nbutils.metrics import Score, score_classes, score_predictions
from nbutils.set_metrics import score_label_sets, score_labels
from nbutils.thresholds import choose_thresholds

FEATURES = 30_000  # most frequent words and word pairs that are kept
MOST_TRAINED = 100_000  # training rows; more are sampled, and the data card says how many
MOST_CHARACTERS = 30_000_000  # of those rows: their word pairs must fit into memory
MOST_LABELLED = 2_000_000  # training rows times labels, where texts have several
INVERSE_PENALTY = 10.0  # sklearn's C; with 1.0, rows of length 1 are underfitted
HEADLINES = {"accuracy": "accuracy", "micro_f1": "micro F1"}


@dataclass(frozen=True, repr=False)
class Baseline(Described):
    """A fitted baseline's predictions and scores.

    Attributes
    ----------
    predictions
        `example_id`, `split`, `label`, `predicted` of the validation and test rows.
    scores
        Accuracy and macro F1 with their intervals, by split; more of them for several labels.
    classes
        Precision, recall and F1 of each class on the test split, with intervals.
    trained_on
        Training rows that were used.
    """

    predictions: pd.DataFrame
    scores: Mapping[str, Mapping[str, Score]]
    classes: pd.DataFrame
    trained_on: int

    _title = "Baseline: TF-IDF with logistic regression"

    def _facts(self) -> dict[str, Any]:
        firsts = {split: headline_score(scores) for split, scores in self.scores.items() if scores}
        return {
            **{f"{split} {name}": score for split, (name, score) in firsts.items()},
            "classes": len(self.classes),
            "trained on": f"{self.trained_on:,} texts",
        }

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
    several = holds_sets(frame["label"])
    training = bounded_sample(
        frame[frame["split"] == "train"],
        most_rows=min(MOST_TRAINED, MOST_LABELLED // len(label_names) if several else MOST_TRAINED),
        most_characters=MOST_CHARACTERS,
    )
    held_out = frame[frame["split"].isin(["validation", "test"])]
    vectorizer, features = _vectorize(_texts(training))
    if holds_sets(frame["label"]):
        return _fit_each_label(training, held_out, vectorizer, features, label_names)
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


def _fit_each_label(
    training: pd.DataFrame,
    held_out: pd.DataFrame,
    vectorizer: Any,
    features: Any,
    label_names: Sequence[str],
) -> Baseline:
    """Fit one logistic regression per label, with thresholds chosen on the validation split."""
    n_labels = len(label_names)
    true = to_indicators(training["label"], n_labels=n_labels)
    labels = to_indicators(held_out["label"], n_labels=n_labels)
    unseen = vectorizer.transform(_texts(held_out))
    columns = [_probability(features, true[:, k], unseen) for k in range(n_labels)]
    pred_probs = np.stack(columns, axis=1)
    in_split = {name: (held_out["split"] == name).to_numpy() for name in ("validation", "test")}
    choosing = in_split["validation"]
    thresholds = choose_thresholds(labels[choosing], pred_probs[choosing])
    predicted = pred_probs >= thresholds.values
    table = held_out[["example_id", "split", "label"]].reset_index(drop=True)
    return Baseline(
        predictions=table.assign(predicted=set_column(to_sets(predicted))),
        scores={
            name: score_label_sets(labels[own], predicted[own], pred_probs[own])
            for name, own in in_split.items()
        },
        classes=score_labels(
            labels[in_split["test"]], predicted[in_split["test"]], label_names=label_names
        ),
        trained_on=len(training),
    )


def _probability(features: Any, labels: BoolArray, unseen: Any) -> npt.NDArray[np.float64]:
    """Return the probability of one label for the texts that were not trained on."""
    if labels.all() or not labels.any():  # there is nothing to tell apart
        return np.full(unseen.shape[0], float(labels.any()))
    return np.asarray(_fit(features, labels).predict_proba(unseen)[:, 1], np.float64)


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


def _fit(features: Any, labels: npt.NDArray[Any]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Newton's method takes a few steps here; lbfgs, the default, took 30 times as long on BBC News.
    model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cg", max_iter=100)
    with warnings.catch_warnings():
        # Stopping early costs a fraction of a per cent; the score is what it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)


def headline_score(scores: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the value of the score that is shown first: micro F1 for label sets."""
    key = "micro_f1" if "micro_f1" in scores else "accuracy"
    return HEADLINES[key], scores[key]
