"""Scores and their intervals, against known values and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from nbutils.agreement import selection_scores
from nbutils.metrics import (
    confusion_matrix,
    proportion,
    score_classes,
    score_predictions,
    wilson_interval,
)
from nbutils.paired import compare_paired

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 4, 300)
PREDICTED = np.where(RANDOM.random(300) < 0.7, LABELS, RANDOM.integers(0, 4, 300))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval_has_its_published_values(
    successes: int, n: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_accuracy_interval_covers_the_truth_as_often_as_it_says() -> None:
    hits = np.random.default_rng(1).binomial(200, 0.9, size=4000)
    covered = [low <= 0.9 <= high for low, high in (wilson_interval(int(h), 200) for h in hits)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [(LABELS, PREDICTED), (LABELS, np.zeros_like(LABELS)), (LABELS % 2, PREDICTED % 2)],
    ids=["four classes", "one is predicted", "two of four occur"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of scikit-learn, on classes without truth
def test_selection_scores_are_those_of_scikit_learn(
    labels: np.ndarray, predicted: np.ndarray
) -> None:
    found = selection_scores(confusion_matrix(labels, predicted, n_classes=4))
    assert found == pytest.approx(
        {
            "balanced_accuracy": balanced_accuracy_score(labels, predicted),
            "mcc": matthews_corrcoef(labels, predicted),
            "weighted_f1": f1_score(labels, predicted, average="weighted"),
        }
    )


def test_selection_scores_of_nothing_are_zero() -> None:
    assert set(selection_scores(np.zeros((3, 3), np.int64)).values()) == {0.0}


def test_macro_f1_is_that_of_scikit_learn() -> None:
    score = score_predictions(LABELS, PREDICTED, n_classes=4)["macro_f1"]
    assert score.value == pytest.approx(f1_score(LABELS, PREDICTED, average="macro"))
    assert score.low < score.value < score.high


def test_class_scores_are_those_of_scikit_learn() -> None:
    table = score_classes(LABELS, PREDICTED, label_names=tuple("abcd"))
    expected = precision_recall_fscore_support(LABELS, PREDICTED)
    for column, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert table[column].tolist() == pytest.approx(list(values))
    assert (table["f1_low"] <= table["f1"]).all()
    assert (table["f1"] <= table["f1_high"]).all()


def test_class_that_never_occurs_does_not_count_and_does_not_break() -> None:
    score = score_predictions([0, 1, 0], [0, 1, 1], n_classes=3)["macro_f1"]
    assert score.value == pytest.approx(f1_score([0, 1, 0], [0, 1, 1], average="macro"))
    assert score_classes([0, 1], [0, 1], label_names=("a", "b", "c"))["f1"].tolist() == [1, 1, 0]


def test_perfect_scores_are_not_certain() -> None:
    score = score_predictions([0, 1] * 20, [0, 1] * 20, n_classes=2)["macro_f1"]
    assert (score.value, score.high) == (1.0, 1.0)
    assert 0.9 < score.low < 1.0
    table = score_classes([0, 1] * 20, [0, 1] * 20, label_names=("a", "b"))
    assert (table["f1_low"] < 1).all()


def test_class_f1_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered = []
    for _ in range(600):
        labels = random.integers(0, 2, 400)
        predicted = np.where(random.random(400) < 0.9, labels, 1 - labels)
        row = score_classes(labels, predicted, label_names=("a", "b")).iloc[0]
        covered.append(row["f1_low"] <= 0.9 <= row["f1_high"])
    assert 0.93 <= np.mean(covered) <= 0.98


def test_rows_of_the_confusion_matrix_are_true_labels() -> None:
    assert confusion_matrix([0, 0, 1], [1, 1, 1], n_classes=2).tolist() == [[0, 2], [0, 1]]


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [([0, 5], [0, 1], r"in \[0, 2\), found 0 to 5"), ([0], [0, 1], r"found \(1,\), \(2,\)")],
)
def test_impossible_labels_are_refused(
    labels: list[int], predicted: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(labels, predicted, n_classes=2)


def test_empty_split_scores_nothing_with_certainty() -> None:
    assert proportion(0, 0).as_dict() == {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    assert score_predictions([], [], n_classes=2)["macro_f1"].n == 0


def test_paired_comparison_sees_what_single_intervals_hide() -> None:
    labels = np.zeros(1000, int)
    first, second = (labels + (np.arange(1000) < wrong) for wrong in (100, 120))
    gain = compare_paired(labels, first, second)
    assert gain.value == pytest.approx(0.02)
    assert 0 < gain.low < 0.02 < gain.high
    assert gain.p_value < 0.001


def test_equal_classifiers_do_not_differ() -> None:
    gain = compare_paired(LABELS, PREDICTED, PREDICTED)
    assert (gain.value, gain.p_value) == (0.0, 1.0)
    assert gain.low < 0 < gain.high


def test_paired_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    truth = np.zeros(300, int)
    covered = []
    for _ in range(1000):
        draw = random.random(300)
        first, second = draw < 0.10, (draw > 0.05) & (draw < 0.20)
        gain = compare_paired(truth, first.astype(int), second.astype(int))
        covered.append(gain.low <= 0.05 <= gain.high)
    assert 0.93 <= np.mean(covered) <= 0.97
