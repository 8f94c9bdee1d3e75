"""How good a model is, with what certainty, and beside what it has to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.beliefs import SetBeliefs, read_beliefs
from nbutils.analysis.errors import Errors
from nbutils.analysis.weak_classes import WeakClass, find_weak_classes
from nbutils.bootstrap import resample_rows
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import flatten_labels, holds_sets, set_column, to_indicators
from nbutils.metrics import Score, confusion_matrix, score_matrix
from nbutils.paired import PairedDifference, compare_paired
from nbutils.ranking import rank_classes
from nbutils.set_metrics import compare_micro_f1, score_given_sets, score_label_sets

TFIDF, MAJORITY = "TF-IDF baseline", "majority class"


@dataclass(frozen=True, repr=False)
class Rival(Described):
    """Something that the model has to beat.

    Attributes
    ----------
    name
        `TFIDF` or `MAJORITY`.
    scores
        Its own, by name; those that need probabilities are not among them.
    against
        The model's accuracy, or micro F1 of several labels, minus its, on the same texts.
    """

    name: str
    scores: Mapping[str, Score]
    against: PairedDifference


@dataclass(frozen=True, repr=False)
class ModelScores(Described):
    """The scores of a model on the test split.

    Attributes
    ----------
    scores
        By name, the main one first.
    compared
        What rivals are compared by: `accuracy` or `micro_f1`.
    rivals
        What it has to beat.
    classes
        A row per class: `label, support`, and `precision, recall, f1, roc_auc, average_precision`,
        each with `_low, _high`.
    weak
        Classes that are rare in training and found less often than the others.
    """

    scores: Mapping[str, Score]
    compared: str
    rivals: tuple[Rival, ...]
    classes: pd.DataFrame
    weak: tuple[WeakClass, ...]

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`."""
        return {
            "scores": {name: _as_dict(score) for name, score in self.scores.items()},
            "classes": _records(self.classes),
            "rivals": {
                rival.name: {
                    "scores": {name: _as_dict(score) for name, score in rival.scores.items()},
                    "compared": self.compared,
                    "against": asdict(rival.against),
                }
                for rival in self.rivals
            },
        }

    def advice(self) -> Sequence[Advice]:
        """Return which rivals do as well or better, and of which classes to add texts."""
        found = [self._advise_rival(rival) for rival in self.rivals]
        lost = [advice for advice in found if advice is not None]
        return [*lost, *(weak.advice() for weak in self.weak)]

    def _advise_rival(self, rival: Rival) -> Advice | None:
        gain = rival.against
        if gain.low > 0:
            return None
        evidence = (
            f"The fine-tuned model's {self.compared.replace('_f1', ' F1')} minus its is "
            f"{100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}) on "
            f"the same {gain.n:,} test texts."
        )
        worth = -gain.value if gain.high < 0 else None
        return Advice(_say_lost(rival.name, is_sure=gain.high < 0), evidence, worth, "scores")


def _say_lost(rival: str, *, is_sure: bool) -> str:
    """Return what to do about a rival that is better, or else may be as good."""
    if rival == MAJORITY:
        better = "is right more often" if is_sure else "may be right as often"
        return (
            f"Find out what went wrong in training: the {MAJORITY}, said of every text, {better}."
        )
    if is_sure:
        return f"Use the {rival}, or find out what went wrong in training."
    return f"Ask whether the model is worth its cost: the {rival} may do as well."


def score_model(
    errors: Errors,
    *,
    baseline: pd.DataFrame | None,
    train_labels: pd.Series[Any],
    seed: int = 0,
) -> ModelScores:
    """Score the predictions of the test split, beside the baseline and the most frequent label.

    Parameters
    ----------
    errors
        From `find_errors`.
    baseline
        `example_id, split, label, predicted`, as data preparation keeps them; None: there is none.
    train_labels
        Of the training texts: ids, or sets of them.
    seed
        Seed of the bootstrap.

    Raises
    ------
    NotApplicableError
        There is no test text.
    """
    test, names = errors.test, errors.label_names
    if test.empty:
        raise NotApplicableError("There is no text in the test split.")
    several = holds_sets(test["label"])
    scores, ranked = _score_sets(errors, seed) if several else _score_classes(errors, seed)
    classes = errors.classes().merge(ranked, on="label", validate="one_to_one")
    counts = np.bincount(flatten_labels(_sets_sorted(train_labels))[1], minlength=len(names))
    return ModelScores(
        scores=scores,
        compared="micro_f1" if several else "accuracy",
        rivals=tuple(
            _compare(test, guesses, name=name, n_labels=len(names), seed=seed)
            for name, guesses in _rival_guesses(test, baseline, train_labels)
        ),
        classes=classes,
        weak=() if several else find_weak_classes(classes, in_training=counts),
    )


def _score_classes(errors: Errors, seed: int) -> tuple[dict[str, Score], pd.DataFrame]:
    test, names = errors.test, errors.label_names
    beliefs = read_beliefs(test, label_names=names)
    matrix = confusion_matrix(test["label"], test["predicted"], n_classes=len(names))
    true = beliefs.labels[:, None] == np.arange(len(names))
    ranking = rank_classes(true, np.exp(beliefs.logits), label_names=names)
    log_loss = _mean_score(beliefs.judge().losses, seed)
    return {**score_matrix(matrix), **ranking.macro, "log_loss": log_loss}, (ranking.classes)


def _score_sets(errors: Errors, seed: int) -> tuple[dict[str, Score], pd.DataFrame]:
    names = errors.label_names
    beliefs = read_beliefs(errors.test, label_names=names)
    assert isinstance(beliefs, SetBeliefs)  # by the kind of labels
    pred_probs = 1 / (1 + np.exp(-beliefs.logits))
    scores = score_label_sets(beliefs.labels, beliefs.predicted, pred_probs, seed=seed)
    ranking = rank_classes(beliefs.labels, pred_probs, label_names=names)
    area = {name: score for name, score in ranking.macro.items() if name == "roc_auc"}
    log_loss = _mean_score(beliefs.judge().losses, seed)
    return {**scores, **area, "log_loss": log_loss}, ranking.classes


def _mean_score(values: NDArray[np.float64], seed: int) -> Score:
    resampled = resample_rows(values[:, None], seed=seed)
    return Score(*resampled.interval(lambda means: means[:, 0]), len(values))


def _sets_sorted(labels: pd.Series[Any]) -> pd.Series[Any]:
    return set_column(labels) if holds_sets(labels) else labels


def _rival_guesses(
    test: pd.DataFrame, baseline: pd.DataFrame | None, train_labels: pd.Series[Any]
) -> list[tuple[str, pd.Series[Any]]]:
    """Return the names of the rivals, and what each says of the N test texts."""
    found: list[tuple[str, pd.Series[Any]]] = []
    if baseline is not None:
        own = baseline.set_index("example_id")["predicted"]
        found.append((TFIDF, own.loc[test["example_id"]].reset_index(drop=True)))
    if len(train_labels):
        most = Counter(_sets_sorted(train_labels).tolist()).most_common(1)[0][0]
        kind = object if holds_sets(train_labels) else np.int64
        found.append((MAJORITY, pd.Series([most] * len(test), dtype=kind)))
    return found


def _compare(
    test: pd.DataFrame, guesses: pd.Series[Any], *, name: str, n_labels: int, seed: int
) -> Rival:
    if not holds_sets(test["label"]):
        matrix = confusion_matrix(test["label"], guesses, n_classes=n_labels)
        against = compare_paired(test["label"], test["predicted"], guesses)
        return Rival(name, score_matrix(matrix), against)
    labels, predicted, given = (
        to_indicators(column, n_labels=n_labels)
        for column in (test["label"], test["predicted"], guesses)
    )
    against = compare_micro_f1(labels, predicted, given, seed=seed)
    return Rival(name, score_given_sets(labels, given, seed=seed), against)


def _as_dict(score: Score) -> dict[str, float | int | None]:
    """Return a score; no ends where nothing varies, as in the log loss of a single text."""
    if score.low == score.high:
        return {**score.as_dict(), "low": None, "high": None}
    return {**score.as_dict()}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table; a score that is not defined is None."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
