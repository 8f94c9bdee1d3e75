"""Mistakes in the groups by which they are read."""

from __future__ import annotations

import json
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from made_up import errors_of, make_errors, make_label_errors

from nbutils.analysis.confused_classes import find_confusions
from nbutils.analysis.mistake_groups import class_cell, group_mistakes


def test_mistakes_of_a_cell_stand_together_the_largest_first() -> None:
    labels = [0, 0, 0, 1, 1, 2, 2]
    predicted = [1, 1, 0, 2, 1, 0, 0]
    errors = errors_of(labels, predicted, n_classes=3)
    found = group_mistakes(errors)
    cells = found.mistakes["groups"].tolist()
    assert cells == [("0-1",), ("0-1",), ("2-0",), ("2-0",), ("1-2",)]
    assert found.titles["0-1"] == "class 0 predicted as class 1"
    by_cell = found.mistakes.groupby("groups", sort=False)["confidence"]
    assert by_cell.apply(lambda own: own.is_monotonic_decreasing).all()
    assert found.n_mistakes == 5
    assert found.left_out == 0


@pytest.mark.parametrize("n_classes", [2, 20, 150])
def test_every_cell_that_is_shown_has_an_example(n_classes: int) -> None:
    errors = make_errors(20_000, n_classes, accuracy=0.6)
    told, found = find_confusions(errors), group_mistakes(errors)
    assert len(found.mistakes) == 1000
    assert found.left_out == found.n_mistakes - 1000
    shown = set(chain(*found.mistakes["groups"])) | set(chain(*found.right["groups"]))
    ids = {name: k for k, name in enumerate(errors.label_names)}
    cells = {(a, b) for a in told.block for b in told.block if told.matrix[a, b]}
    cells |= {(ids[a], ids[b]) for a, b in told.pairs[["label", "predicted"]].to_numpy()}
    assert {class_cell(*cell) for cell in cells} <= shown
    assert set(found.titles) >= {class_cell(*cell) for cell in cells}


def test_right_predictions_are_those_it_was_least_sure_of() -> None:
    errors = make_errors(400, 4)
    right = group_mistakes(errors).right
    assert right.groupby("label").size().tolist() == [3, 3, 3, 3]
    assert (right["label"] == right["predicted"]).all()
    test = errors.test
    own = test[(test["label"] == 2) & (test["predicted"] == 2)]["prob_class 2"]
    chosen = right.loc[right["label"] == "class 2", "confidence"]
    assert chosen.tolist() == own.nsmallest(3).tolist()


def test_tags_say_what_is_at_hand() -> None:
    errors = make_errors(500, 5, accuracy=0.5)
    wrong = errors.mistakes()
    given = {"suspect label": set(wrong["example_id"].head(7))}
    found = group_mistakes(errors, tags=given).mistakes
    has = {
        tag: found["tags"].map(lambda tags, tag=tag: tag in tags)
        for tag in ("suspect label", "confident", "close call", "short", "long")
    }
    assert set(found.loc[has["suspect label"], "example_id"]) == given["suspect label"]
    assert (has["confident"] == (found["confidence"] >= 0.9)).all()
    assert (has["close call"] == (found["confidence"] - found["prob_label"] < 0.1)).all()
    lengths = errors.texts["text"].str.len()
    assert (has["short"] == (found["text"].str.len() < lengths.quantile(0.1))).all()
    assert (has["long"] == (found["text"].str.len() > lengths.quantile(0.9))).all()
    assert has["short"].any()
    assert has["long"].any()


def test_text_with_several_wrong_labels_stands_in_several_groups() -> None:
    errors = make_label_errors(600, 6)
    found = group_mistakes(errors)
    for row in found.mistakes.to_dict("records"):
        missed = [k for k in range(6) if f"missed-{k}" in row["groups"]]
        spurious = [k for k in range(6) if f"spurious-{k}" in row["groups"]]
        said = ["; ".join(f"topic {k}" for k in each) or "(none)" for each in (missed, spurious)]
        assert said == [row["missed"], row["spurious"]]
    outcomes = errors.outcomes().set_index("label")
    assert sum(found.sizes.values()) == outcomes[["missed", "spurious"]].to_numpy().sum()
    assert all("topic" in row["label"] for row in found.right.to_dict("records"))


@pytest.mark.parametrize(
    ("labels", "predicted"), [([0, 1, 1], [0, 1, 1]), ([0, 1, 1], [1, 0, 0]), ([], [])]
)
def test_perfect_and_hopeless_models_break_nothing(labels: list[int], predicted: list[int]) -> None:
    found = group_mistakes(errors_of(labels, predicted, n_classes=2))
    assert found.n_mistakes == int(np.sum(np.array(labels) != np.array(predicted)))
    assert isinstance(found.right, pd.DataFrame)
    json.dumps(found.findings(), allow_nan=False)
    assert list(found.advice()) == []
