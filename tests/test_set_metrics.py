"""Scores of label sets, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from nbutils.set_metrics import (
    compare_micro_f1,
    rank_labels,
    score_label_sets,
    score_labels,
)


def draw(seed: int, n: int = 60, k: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random((n, k)) < random.uniform(0.1, 0.6, k)
    labels[:2] = [[True] * k, [False] * k]
    # rounded, so that there are ties; and better than chance
    pred_probs = np.round(np.clip(random.random((n, k)) * 0.7 + 0.3 * labels, 0, 1), 1)
    return labels, pred_probs >= 0.5, pred_probs


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    labels, predicted, pred_probs = draw(seed)
    found = score_label_sets(labels, predicted, pred_probs)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "micro_f1": sklearn_metrics.f1_score(labels, predicted, average="micro"),
        "macro_f1": sklearn_metrics.f1_score(labels, predicted, average="macro"),
        "hamming_loss": sklearn_metrics.hamming_loss(labels, predicted),
        "label_ranking_average_precision": (
            sklearn_metrics.label_ranking_average_precision_score(labels, pred_probs)
        ),
        "mean_average_precision": sklearn_metrics.average_precision_score(labels, pred_probs),
    }
    assert {name: score.value for name, score in found.items()} == pytest.approx(expected)
    for name, score in found.items():
        assert 0 <= score.low <= score.value <= score.high <= 1, name
        assert score.low < score.high
        assert score.n == len(labels)


def test_table_of_labels_is_that_of_scikit_learn() -> None:
    labels, predicted, _ = draw(3)
    table = score_labels(labels, predicted, label_names=list("abcde"))
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, zero_division=0
    )
    assert table["precision"].to_numpy() == pytest.approx(precision)
    assert table["recall"].to_numpy() == pytest.approx(recall)
    assert table["f1"].to_numpy() == pytest.approx(f1)
    assert table["support"].tolist() == support.tolist()
    assert (table["f1_low"] <= table["f1"]).all()
    assert (table["f1"] <= table["f1_high"]).all()


def test_label_that_never_occurs_does_not_count() -> None:
    labels, predicted, pred_probs = draw(0)
    labels[:, 4] = predicted[:, 4] = False
    found = score_label_sets(labels, predicted, pred_probs)
    four = score_label_sets(labels[:, :4], predicted[:, :4], pred_probs[:, :4])
    assert found["macro_f1"].value == pytest.approx(four["macro_f1"].value)
    assert found["mean_average_precision"].value == pytest.approx(
        four["mean_average_precision"].value
    )


def test_faultless_prediction_keeps_an_interval() -> None:
    labels, _, _ = draw(1)
    found = score_label_sets(labels, labels, labels.astype(float))
    assert found["micro_f1"].value == 1
    assert found["micro_f1"].low < 1
    assert found["hamming_loss"].value == 0
    assert found["hamming_loss"].high > 0


def test_ranking_of_a_text_without_labels_is_not_held_against_the_model() -> None:
    labels = np.array([[False, False], [True, True], [True, False], [False, True]])
    pred_probs = np.array([[0.1, 0.9]] * 4)
    assert rank_labels(labels, pred_probs).tolist() == [1, 1, 0.5, 1]


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    big = random.random((20_000, 3)) < 0.4
    guess = big ^ (random.random(big.shape) < 0.2)
    truth = sklearn_metrics.f1_score(big, guess, average="micro")
    covered = 0
    for _ in range(60):
        rows = random.integers(0, len(big), 100)
        score = score_label_sets(big[rows], guess[rows], guess[rows] * 1.0)["micro_f1"]
        covered += score.low <= truth <= score.high
    assert covered >= 50  # 57 expected; the chance of fewer than 50 is below 1 in 1000


def test_better_of_two_classifiers_is_told_and_equal_ones_are_not() -> None:
    labels, predicted, _ = draw(2, n=300)
    random = np.random.default_rng(0)
    worse = predicted ^ (random.random(predicted.shape) < 0.2)
    gain = compare_micro_f1(labels, predicted, worse)
    f1 = [sklearn_metrics.f1_score(labels, guess, average="micro") for guess in (predicted, worse)]
    assert gain.value == pytest.approx(f1[0] - f1[1])
    assert 0 < gain.low < gain.value < gain.high
    assert gain.p_value < 0.01
    same = compare_micro_f1(labels, predicted, predicted)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
