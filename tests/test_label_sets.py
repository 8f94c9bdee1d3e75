from __future__ import annotations

import numpy as np
import pandas as pd

from nbutils.label_sets import (
    flatten_labels,
    holds_sets,
    say_labels,
    set_column,
    to_indicators,
    to_sets,
)

SETS = [(0, 2), (), (1,), (0, 1, 2)]


def test_sets_and_indicators_turn_into_each_other() -> None:
    indicators = to_indicators(SETS, n_labels=3)
    assert indicators.tolist() == [
        [True, False, True],
        [False] * 3,
        [False, True, False],
        [True] * 3,
    ]
    assert to_sets(indicators) == SETS
    assert to_indicators([], n_labels=3).shape == (0, 3)


def test_column_of_sets_is_sorted_and_keeps_what_is_missing() -> None:
    column = set_column([[2, 0, 2], np.array([1]), None, []])
    assert column.tolist() == [(0, 2), (1,), None, ()]
    assert holds_sets(column)
    assert not holds_sets(pd.Series([0, 1]))


def test_labels_of_either_kind_are_flattened_to_pairs() -> None:
    rows, ids = flatten_labels(set_column(SETS))
    assert list(zip(rows.tolist(), ids.tolist(), strict=True)) == [
        (0, 0),
        (0, 2),
        (2, 1),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    rows, ids = flatten_labels(pd.Series([2, 0]))
    assert (rows.tolist(), ids.tolist()) == ([0, 1], [2, 0])


def test_labels_are_said_by_name() -> None:
    assert say_labels(set_column([(0, 1), ()]), ["a", "b"]) == ["a; b", "(none)"]
    assert say_labels(pd.Series([1, 0]), ["a", "b"]) == ["b", "a"]
