"""Which classes are taken for which, where the truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up import errors_of, make_errors, make_label_errors

from nbutils.analysis.confused_classes import find_block, find_confusions
from nbutils.analysis.overlaps import expect_mistakes, find_overlaps


def names_of(n_classes: int) -> list[str]:
    return [f"class {k}" for k in range(n_classes)]


def count(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


@pytest.mark.parametrize("n_classes", [3, 8, 20])
def test_two_classes_that_overlap_are_found_first(n_classes: int) -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, n_classes, 2000)
    noise = random.integers(0, n_classes, 2000)
    predicted = np.where(random.random(2000) < 0.05, noise, labels)
    mixed = (labels < 2) & (random.random(2000) < 0.2)
    predicted = np.where(mixed, 1 - labels, predicted)
    found = find_overlaps(count(labels, predicted, n_classes), label_names=names_of(n_classes))
    assert found.loc[0, ["first", "second"]].tolist() == ["class 0", "class 1"]
    assert found.loc[0, "count"] > found.loc[0, "expected"]


@pytest.mark.parametrize(("n_classes", "n_texts"), [(3, 300), (8, 2000), (20, 2000)])
def test_random_predictions_overlap_no_more_often_than_stated(n_classes: int, n_texts: int) -> None:
    random = np.random.default_rng(n_classes)
    named = 0
    for _ in range(200):
        rates = random.dirichlet(np.ones(n_classes), 2)  # of the classes, and of the model
        labels, predicted = (random.choice(n_classes, n_texts, p=rate) for rate in rates)
        matrix = count(labels, predicted, n_classes)
        named += len(find_overlaps(matrix, label_names=names_of(n_classes))) > 0
    assert named <= 0.05 * 200


def test_class_that_is_always_predicted_overlaps_with_none() -> None:
    labels = np.repeat([0, 1, 2, 3], [50, 60, 70, 80])
    assert find_overlaps(count(labels, np.zeros_like(labels), 4), label_names=names_of(4)).empty


@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_without_mistakes_or_with_one_pair_nothing_overlaps(n_classes: int) -> None:
    perfect = np.diag(np.full(n_classes, 9))
    assert find_overlaps(perfect, label_names=names_of(n_classes)).empty
    assert find_overlaps(np.array([[5, 40], [40, 5]]), label_names=names_of(2)).empty


def test_expected_mistakes_add_up_to_those_of_each_class() -> None:
    matrix = np.array([[8, 2, 0], [3, 10, 1], [5, 1, 4]])
    expected = expect_mistakes(matrix)
    assert expected.sum(axis=1).tolist() == pytest.approx([2, 4, 6])
    assert np.diag(expected).tolist() == [0, 0, 0]
    assert expected[0, 1] / expected[0, 2] == pytest.approx(13 / 5)  # as often as predicted


def test_block_of_many_classes_has_those_confused_most() -> None:
    matrix = np.diag(np.full(150, 30))
    for first in range(0, 40, 2):
        matrix[first, first + 1] = 40 - first
    block = find_block(matrix)
    assert block == list(range(20))
    assert find_block(matrix[:20, :20]) == list(range(20))


def test_advice_names_the_texts_and_what_they_are_worth() -> None:
    labels = np.repeat(np.arange(5), 100)
    predicted = labels.copy()
    predicted[:30] = 1
    found = find_confusions(errors_of(labels, predicted, n_classes=5))
    (advice,) = found.advice()
    assert "30 texts where class 0 and class 1" in advice.action
    assert "30 of the 30 mistakes" in advice.evidence
    assert advice.section == "confusion"
    expected = 30 * 130 / (130 + 300)
    assert advice.gain == pytest.approx((30 - expected) / 500)


@pytest.mark.parametrize("n_classes", [2, 8, 50, 150])
def test_findings_are_json_and_small(n_classes: int) -> None:
    errors = make_errors(3000, n_classes)
    found = find_confusions(errors)
    text = json.dumps(found.findings(), allow_nan=False)
    assert len(text) < 20_000
    assert len(found.findings()["block"]) == min(n_classes, 20)


def test_several_labels_have_outcomes_and_no_advice() -> None:
    found = find_confusions(make_label_errors(300, 40))
    assert len(found.worst) == 30
    wrong = found.worst["missed"] + found.worst["spurious"]
    assert wrong.is_monotonic_decreasing
    assert list(found.advice()) == []
    json.dumps(found.findings(), allow_nan=False)
