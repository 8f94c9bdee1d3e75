"""The state that is kept is the best by the chosen score."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import nbutils
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.history import ValidationRecord
from nbutils.training.selection import rank_validation

METRICS = ["accuracy", "macro_f1", "loss", "balanced_accuracy", "mcc", "weighted_f1"]
MAJORITY = ValidationRecord(1, 1.0, 0.4, 0.90, 0.47, 0.50, 0.00, 0.85)
FAIRER = ValidationRecord(2, 2.0, 0.5, 0.88, 0.70, 0.80, 0.45, 0.89)


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("accuracy", MAJORITY),
        ("loss", MAJORITY),
        ("macro_f1", FAIRER),
        ("balanced_accuracy", FAIRER),
        ("mcc", FAIRER),
        ("weighted_f1", FAIRER),
    ],
)
def test_better_is_what_the_score_says(metric: str, better: ValidationRecord) -> None:
    assert max([MAJORITY, FAIRER], key=lambda record: rank_validation(record, metric)) is better


def test_equal_scores_are_told_apart_by_the_loss() -> None:
    surer = ValidationRecord(2, 2.0, 0.3, 0.9, 0.47)
    assert rank_validation(surer, "accuracy") > rank_validation(MAJORITY, "accuracy")


def test_score_that_several_labels_do_not_have_is_refused(tiny_bert: Path) -> None:
    texts, labels = ["good film", "bad plot"] * 4, [["a"], ["a", "b"]] * 4
    with pytest.raises(ParameterError, match=r"selection_metric: expected accuracy.*found mcc"):
        nbutils.fine_tune(
            texts, labels, model=str(tiny_bert), max_length=16, selection_metric="mcc"
        )


@pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
@pytest.mark.parametrize("metric", METRICS)
def test_kept_state_is_the_best_of_the_recorded_ones(
    tiny_bert: Path, reviews: pd.DataFrame, metric: str
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    rare = [k for k in range(60) if labels[k] == "pos" or k < 20]
    history = nbutils.fine_tune(
        [texts[k] for k in rare],
        [labels[k] for k in rare],
        validation=(texts[60:], labels[60:]),
        model=str(tiny_bert),
        epochs=8,
        eval_steps=1,
        batch_size=8,
        max_length=16,
        learning_rate=5e-3,
        selection_metric=metric,
    ).history
    table = history.validation.set_index("step")
    best = table[metric].min() if metric == "loss" else table[metric].max()
    assert table.loc[history.best_step, metric] == best
    assert table[metric].nunique() > 2


def test_unknown_score_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"selection_metric: should be 'accuracy'.*'mcc'"):
        FineTuneParams.of({"selection_metric": "f1"})
