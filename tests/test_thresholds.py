from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from nbutils.thresholds import (
    FEWEST_POSITIVES,
    choose_thresholds,
    default_thresholds,
    threshold_curve,
)


def draw(seed: int, n: int = 80, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random((n, k)) < 0.3
    pred_probs = np.clip(random.normal(0.3 + 0.2 * labels, 0.15), 0, 1)
    return labels, np.round(pred_probs, 2 if seed % 2 else 8)  # with ties, and without


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_has_a_higher_f1(seed: int) -> None:
    labels, pred_probs = draw(seed)
    found = choose_thresholds(labels, pred_probs)
    for k in np.flatnonzero(found.chosen):
        tried = [*np.unique(pred_probs[:, k]), 0.5]
        best = max(f1_score(labels[:, k], pred_probs[:, k] >= cut) for cut in tried)
        chosen = f1_score(labels[:, k], pred_probs[:, k] >= found.values[k])
        assert chosen == pytest.approx(best)
        assert 0 < found.values[k] < 1


def test_label_with_few_positives_keeps_one_half() -> None:
    labels, pred_probs = draw(0)
    labels[:, 0] = np.arange(len(labels)) < FEWEST_POSITIVES - 1
    labels[:, 1] = np.arange(len(labels)) < FEWEST_POSITIVES
    found = choose_thresholds(labels, pred_probs)
    assert found.chosen.tolist()[:2] == [False, True]
    assert found.values[0] == 0.5
    assert found.positives.tolist()[:2] == [FEWEST_POSITIVES - 1, FEWEST_POSITIVES]


def test_one_half_is_kept_where_it_is_as_good() -> None:
    labels = np.array([[True]] * 12 + [[False]] * 12)
    found = choose_thresholds(labels, np.where(labels, 0.9, 0.1))
    assert found.values.tolist() == [0.5]


def test_neighbours_among_floats_are_told_apart() -> None:
    above = np.nextafter(0.7, 1)
    labels = np.array([[True]] * 12 + [[False]] * 12)
    pred_probs = np.where(labels, above, 0.7)
    cut = choose_thresholds(labels, pred_probs).values[0]
    assert 0.7 < cut <= above


def test_thresholds_go_by_label_name() -> None:
    found = default_thresholds(2)
    assert found.as_dict(["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert found.table(["a", "b"])["chosen"].tolist() == [False, False]


def test_curve_is_that_of_scikit_learn() -> None:
    labels, pred_probs = draw(1)
    curve = threshold_curve(labels, pred_probs, points=9)
    for row in curve.itertuples():
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, pred_probs >= row.threshold, average="micro", zero_division=1
        )
        assert (row.precision, row.recall) == pytest.approx((precision, recall))
        assert row.f1 == pytest.approx(f1 if recall else 0)
