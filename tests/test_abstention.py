"""Abstention on predictions whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from predicting import draw_classes, draw_sets, make_errors

from nbutils.analysis.abstention import POINTS, choose_threshold, find_abstention, trace_risk
from nbutils.errors import NotApplicableError
from nbutils.views.abstention import tell_abstention


def test_threshold_answers_as_many_as_the_target_allows() -> None:
    confidences = np.array([0.99, 0.95, 0.9, 0.8, 0.7])
    correct = np.array([True, True, True, False, True])
    threshold = choose_threshold(confidences, correct, target_error=0.1)
    assert threshold == pytest.approx(0.85)
    assert choose_threshold(confidences, correct, target_error=0.2) == 0
    assert choose_threshold(confidences[::-1], ~correct, target_error=0.1) is None


def test_equal_confidences_are_answered_together() -> None:
    confidences = np.array([0.9, 0.8, 0.8, 0.8, 0.6])
    correct = np.array([True, True, True, False, False])
    assert choose_threshold(confidences, correct, target_error=0.1) == pytest.approx(0.85)
    assert trace_risk(confidences, correct)["coverage"].tolist() == [1.0]


def test_threshold_of_validation_holds_on_the_test() -> None:
    errors = make_errors(*draw_classes(8000), n_validation=4000)
    found = find_abstention(errors, target_error=0.05)
    assert found.threshold is not None
    assert found.error.low <= 0.05 <= found.error.high
    assert found.everything.value > 0.1
    assert 0.1 < found.coverage.value < 0.5
    (advice,) = found.advice()
    assert f"{found.threshold:.4f}" in advice.action
    assert advice.gain is None
    json.dumps(found.findings(), allow_nan=False)


def test_area_is_the_mean_error_over_all_coverages() -> None:
    errors = make_errors(*draw_classes(600), n_validation=300)
    found = find_abstention(errors)
    test = errors.test
    confidence = test.filter(like="prob_").max(axis=1)
    wrong = (test["label"] != test["predicted"])[confidence.sort_values(ascending=False).index]
    expected = wrong.expanding().mean().mean()
    assert found.area.value == pytest.approx(expected)
    assert found.area.low < expected < found.area.high
    best = np.sort(wrong.to_numpy()).cumsum() / np.arange(1, 301)
    assert found.best_area == pytest.approx(best.mean())
    assert found.best_area < expected < found.everything.value


def test_interval_of_the_area_covers_the_truth() -> None:
    truth = find_abstention(make_errors(*draw_classes(300_001, seed=9), n_validation=1)).area.value
    found = [
        find_abstention(make_errors(*draw_classes(401, seed=seed), n_validation=1)).area
        for seed in range(100, 700)
    ]
    assert 0.93 <= np.mean([area.low <= truth <= area.high for area in found]) <= 0.97


def test_curve_stays_small_and_ends_with_every_text() -> None:
    confidences = np.random.default_rng(0).random(50_000)
    curve = trace_risk(confidences, confidences > 0.2)
    assert len(curve) == POINTS
    assert curve.iloc[-1][["coverage", "error"]].tolist() == [1, pytest.approx(0.2, abs=0.01)]
    assert curve["threshold"].is_monotonic_decreasing


def test_good_model_need_not_abstain() -> None:
    labels = np.arange(200) % 2
    found = find_abstention(make_errors(labels, np.eye(2)[labels], n_validation=100))
    assert (found.threshold, found.coverage.value, found.error.value) == (0, 1, 0)
    assert found.advice() == ()


def test_target_out_of_reach_is_said() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 200)
    always_wrong = make_errors(labels, np.eye(2)[1 - labels], n_validation=100)
    found = find_abstention(always_wrong)
    assert found.threshold is None
    assert found.error.n == 0
    assert found.advice() == ()
    assert "No confidence brings" in repr(tell_abstention(found))
    json.dumps(found.findings(), allow_nan=False)


def test_text_with_several_labels_is_right_as_a_whole() -> None:
    labels, pred_probs = draw_sets(2000)
    found = find_abstention(make_errors(labels, pred_probs, n_validation=1000), target_error=0.1)
    whole = (labels == (pred_probs >= 0.5)).all(1)[1000:]
    assert found.everything.value == pytest.approx(1 - whole.mean())
    assert found.error.low <= 0.1 <= found.error.high
    assert "answered" in repr(tell_abstention(found))


@pytest.mark.parametrize(("n_validation", "split"), [(0, "validation"), (20, "test")])
def test_missing_split_is_said(n_validation: int, split: str) -> None:
    with pytest.raises(NotApplicableError, match=f"no text in the {split} split"):
        find_abstention(make_errors(*draw_classes(20), n_validation=n_validation))
