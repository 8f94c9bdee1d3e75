"""Examples behind the numbers of a confusion: the right ones, in order, in pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up import errors_of, make_errors, make_label_errors

from nbutils.analysis.confusion_cells import ClassCells, LabelCells, find_cell, find_cells
from nbutils.analysis.listed import Listed
from nbutils.analysis.mistakes import probabilities
from nbutils.errors import DataError
from nbutils.label_sets import to_indicators


def test_cell_holds_as_many_examples_as_the_matrix_says() -> None:
    errors = make_errors(400, 4, accuracy=0.6)
    cells = find_cells(errors)
    assert isinstance(cells, ClassCells)
    for true in range(4):
        for guess in range(4):
            listed = cells.choose((true, guess), surest_first=True)
            assert len(listed) == errors.confusion[true, guess]
            rows = errors.predictions.loc[listed.example_ids]
            assert set(rows["label"]) == {true}
            assert set(rows["predicted"]) == {guess}
            assert listed.confidences.tolist() == rows[f"prob_class {guess}"].tolist()
            assert (np.diff(listed.confidences) <= 0).all()
    assert len(cells.choose((None, 2), surest_first=True)) == errors.confusion[:, 2].sum()
    assert len(cells.choose((1, None), surest_first=True)) == errors.confusion[1].sum()
    assert len(cells.choose((None, None), surest_first=True)) == 400


def test_least_confident_come_first_when_asked_for() -> None:
    cells = find_cells(make_errors(200, 3))
    one, two = (cells.choose((None, None), surest_first=first) for first in (True, False))
    assert one.confidences.tolist() == two.confidences.tolist()[::-1]


def test_other_splits_are_not_among_them() -> None:
    errors = make_errors(100, 3)
    splits = np.where(np.arange(100) < 40, "validation", "test")
    cells = find_cells(replace(errors, predictions=errors.predictions.assign(split=splits)))
    assert cells.choose((None, None), surest_first=True).example_ids.min() == 40


def test_most_frequent_mistake_is_the_worst_cell() -> None:
    cells = find_cells(errors_of([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 2], n_classes=3))
    assert cells.worst == (2, 0)
    assert cells.say(cells.worst) == "class 2 predicted as class 0"
    right = find_cells(errors_of([0, 1], [0, 1], n_classes=2))
    assert right.worst == (None, None)
    assert right.say((None, None)) == "all texts"
    assert right.say((None, 1)) == "any class predicted as class 1"


@pytest.mark.parametrize("n_texts", [0, 300])
def test_outcome_of_a_label_holds_as_many_examples_as_were_counted(n_texts: int) -> None:
    errors = make_label_errors(n_texts, 4) if n_texts else make_label_errors(5, 4)
    if not n_texts:
        errors = replace(errors, predictions=errors.predictions.assign(split="validation"))
    cells = find_cells(errors)
    assert isinstance(cells, LabelCells)
    counts = cells.found.outcomes[["missed", "spurious", "right"]].to_numpy()
    for label in range(4):
        for outcome in range(3):
            listed = cells.choose((label, outcome), surest_first=True)
            assert len(listed) == counts[label, outcome]
        whole = cells.choose((label, None), surest_first=True)
        assert len(whole) == counts[label].sum()
    assert cells.worst == ((None, None) if not n_texts else cells.worst)


def test_confidence_of_an_outcome_is_that_of_its_answer() -> None:
    errors = make_label_errors(300, 4)
    cells = find_cells(errors)
    pred_probs = probabilities(errors.test, errors.label_names)
    missed = cells.choose((2, 0), surest_first=True)
    assert missed.confidences == pytest.approx(1 - pred_probs[missed.example_ids, 2])
    given = cells.choose((2, 1), surest_first=True)
    assert given.confidences == pytest.approx(pred_probs[given.example_ids, 2])
    labels, predicted = (
        to_indicators(errors.test[name], n_labels=4) for name in ("label", "predicted")
    )
    any_missed = cells.choose((None, 0), surest_first=True)
    assert set(any_missed.example_ids) == set(np.flatnonzero((labels & ~predicted).any(1)))
    expected = np.where(labels & ~predicted, 1 - pred_probs, 0).max(1)[any_missed.example_ids]
    assert any_missed.confidences == pytest.approx(expected)


def test_cell_is_found_by_its_names() -> None:
    cells = find_cells(make_label_errors(20, 3))
    assert find_cell(cells, ("topic 1", "given wrongly")) == (1, 1)
    assert find_cell(cells, (None, "missed")) == (None, 0)
    assert cells.say((1, 2)) == "topic 1 given rightly"
    assert cells.say((None, None)) == "any label missed or given"
    with pytest.raises(DataError, match="outcome: there is no 'miss' here; did you mean 'missed'"):
        find_cell(cells, (None, "miss"))
    with pytest.raises(DataError, match=r"label: there is no 'x' here; known: topic 0"):
        find_cell(cells, ("x", None))


def test_contrast_is_the_said_class_minus_the_true_one_or_the_next() -> None:
    errors = errors_of([0, 1], [2, 1], n_classes=3)
    cells = find_cells(errors)
    assert cells.contrast(0, (0, 2)).tolist() == [-1, 0, 1]
    pred_probs = probabilities(errors.test, errors.label_names)[1]
    second = int(np.argsort(-pred_probs)[1])
    expected = [0.0, 1.0, 0.0]
    expected[second] = -1.0
    assert cells.contrast(1, (1, 1)).tolist() == expected


def test_contrast_of_several_labels_is_the_answer_that_the_cell_is_about() -> None:
    errors = make_label_errors(300, 4)
    cells = find_cells(errors)
    missed, given = (cells.choose((2, k), surest_first=True).example_ids[0] for k in (0, 1))
    assert cells.contrast(missed, (2, 0)).tolist() == [0, 0, -1, 0]
    assert cells.contrast(given, (2, 1)).tolist() == [0, 0, 1, 0]
    surest = errors.mistakes().iloc[0]
    weights = cells.contrast(surest["example_id"], (None, None))
    said = surest["missed"] if weights.sum() < 0 else surest["spurious"]
    assert errors.label_names[int(np.abs(weights).argmax())] in said.split("; ")


def test_pages_are_cut_and_the_last_is_shorter() -> None:
    listed = Listed.of(np.arange(23), np.linspace(0, 1, 23), surest_first=True)
    assert listed.pages(10) == 3
    assert listed.page(1, size=10).example_ids.tolist() == list(range(22, 12, -1))
    assert listed.page(3, size=10).example_ids.tolist() == [2, 1, 0]
    assert (listed.place(22), listed.place(0), listed.place(99)) == (0, 22, None)
    empty = Listed.of(np.arange(0), np.zeros(0), surest_first=True)
    assert (empty.pages(10), len(empty.page(1, size=10))) == (1, 0)
