"""Confusion, calibration and mistakes on data whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbutils.analysis.confusion import order_classes, reorder, top_confusions
from nbutils.analysis.findings import build_findings, save_findings
from nbutils.analysis.mistakes import (
    find_mistakes,
    label_names_of,
)

NAMES = ("a", "b", "c")


@pytest.fixture
def predictions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "example_id": [7, 3, 9, 1],
            "split": ["test", "test", "validation", "test"],
            "label": [0, 1, 2, 2],
            "predicted": [0, 2, 0, 0],
            "prob_a": [0.8, 0.1, 0.5, 0.9],
            "prob_b": [0.1, 0.3, 0.1, 0.05],
            "prob_c": [0.1, 0.6, 0.4, 0.05],
        }
    )


@pytest.fixture
def texts() -> pd.DataFrame:
    return pd.DataFrame({"example_id": [1, 3, 7, 9], "text": ["one", "three", "seven", "nine"]})


def test_confused_classes_become_neighbours() -> None:
    matrix = np.diag([50] * 6)
    for first, second in ((0, 4), (1, 5)):
        matrix[first, second] = matrix[second, first] = 20
    order = order_classes(matrix)
    assert sorted(order) == list(range(6))
    place = {k: order.index(k) for k in order}
    assert abs(place[0] - place[4]) == abs(place[1] - place[5]) == 1
    assert np.trace(reorder(matrix, order)) == 300


@pytest.mark.parametrize("n_classes", [1, 2, 3, 40])
def test_classes_never_confused_keep_their_order(n_classes: int) -> None:
    assert order_classes(np.eye(n_classes, dtype=int) * 9) == list(range(n_classes))


def test_class_without_examples_does_not_break_the_order() -> None:
    matrix = np.array([[5, 1, 0], [0, 0, 0], [2, 0, 5]])
    assert sorted(order_classes(matrix)) == [0, 1, 2]


def test_most_frequent_mistake_comes_first() -> None:
    matrix = np.array([[8, 2, 0], [0, 10, 0], [5, 1, 4]])
    table = top_confusions(matrix, label_names=NAMES)
    assert table[["label", "predicted", "count"]].values.tolist() == [
        ["c", "a", 5],
        ["a", "b", 2],
        ["c", "b", 1],
    ]
    assert table["share"].tolist() == pytest.approx([0.5, 0.2, 0.1])
    assert top_confusions(np.eye(3, dtype=int), label_names=NAMES).empty


def test_most_confident_mistake_comes_first(predictions: pd.DataFrame, texts: pd.DataFrame) -> None:
    mistakes = find_mistakes(predictions, texts, label_names=NAMES)
    assert mistakes["example_id"].tolist() == [1, 3, 9]
    assert mistakes["text"].tolist() == ["one", "three", "nine"]
    assert mistakes.loc[0, ["label", "predicted"]].tolist() == ["c", "a"]
    assert mistakes["confidence"].tolist() == [0.9, 0.6, 0.5]
    assert mistakes["prob_label"].tolist() == [0.05, 0.3, 0.4]


def test_perfect_model_has_no_mistakes(predictions: pd.DataFrame, texts: pd.DataFrame) -> None:
    perfect = predictions.assign(predicted=predictions["label"])
    assert find_mistakes(perfect, texts, label_names=NAMES).empty


def test_label_names_are_read_from_the_columns(predictions: pd.DataFrame) -> None:
    assert label_names_of(predictions) == NAMES


def test_findings_are_valid_json_and_written_last(
    tmp_path: Path, predictions: pd.DataFrame, texts: pd.DataFrame
) -> None:
    matrix = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    mistakes = find_mistakes(predictions, texts, label_names=NAMES)
    empty = pd.DataFrame({"label": []})
    tables = {
        "classes": empty,
        "top_confusions": top_confusions(matrix, label_names=NAMES),
    }
    findings = build_findings(predictions, label_names=NAMES, confusion=matrix, tables=tables)
    save_findings(tmp_path, findings, mistakes=mistakes)
    found = json.loads((tmp_path / "findings.json").read_text())
    assert found["mistakes"] == {"test": 2, "validation": 1}
    assert found["confusion_matrix"] == matrix.tolist()
    assert pd.read_csv(tmp_path / "errors.csv")["example_id"].tolist() == [1, 3, 9]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["errors.csv", "findings.json"]
