"""Abstention on predictions whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from predicting import draw_classes, draw_sets, make_errors

from nbutils.analysis.abstention import (
    POINTS,
    Abstention,
    choose_threshold,
    fewest_to_show,
    find_abstention,
    trace_risk,
)
from nbutils.errors import NotApplicableError
from nbutils.plots import alt_text, plot_coverage_risk
from nbutils.views.abstention import tell_abstention


def surest(labels: np.ndarray, pred_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence of each prediction, and whether it is right."""
    return pred_probs.max(1), pred_probs.argmax(1) == labels


def alt_of(found: Abstention) -> str:
    return alt_text(plot_coverage_risk(found).figure)


def test_threshold_answers_as_many_as_are_shown_to_be_right() -> None:
    confidences = np.linspace(0.99, 0.5, 400)
    wrong_at_the_end = np.arange(400) < 300
    threshold = choose_threshold(confidences, wrong_at_the_end, target_error=0.1)
    assert threshold is not None
    assert 300 < (confidences >= threshold).sum() < 333  # 333 are answered if luck is believed
    assert choose_threshold(confidences, np.ones(400, bool), target_error=0.1) == 0
    assert choose_threshold(confidences, ~np.ones(400, bool), target_error=0.1) is None
    assert choose_threshold(confidences[:0], wrong_at_the_end[:0], target_error=0.1) is None


@pytest.mark.parametrize("target", [0.02, 0.1])
def test_threshold_needs_as_many_right_answers_as_prove_it(target: float) -> None:
    n = fewest_to_show(target)
    assert (1 - target) ** n <= 0.05 < (1 - target) ** (n - 1)
    right = np.ones(n, bool)
    assert choose_threshold(np.linspace(1, 0.5, n), right, target_error=target) == 0
    assert choose_threshold(np.linspace(1, 0.5, n - 1), right[1:], target_error=target) is None


def test_one_sure_mistake_does_not_rule_out_every_threshold() -> None:
    confidences, correct = np.linspace(1, 0.5, 2000), np.arange(2000) < 1500
    correct[3] = False
    threshold = choose_threshold(confidences, correct, target_error=0.02)
    assert threshold is not None
    assert (confidences >= threshold).sum() > 1300


@pytest.mark.parametrize("n_validation", [200, 1000])
def test_more_than_wanted_are_wrong_in_the_long_run_in_five_of_a_hundred_choices(
    n_validation: int,
) -> None:
    confidences, correct = surest(*draw_classes(300_000, scale=6, seed=99))
    order = np.argsort(confidences)
    many, wrong = confidences[order], np.cumsum(~correct[order][::-1])[::-1]
    risks = []
    for seed in range(300):
        drawn = surest(*draw_classes(n_validation, scale=6, seed=seed))
        threshold = choose_threshold(*drawn, target_error=0.05)
        if threshold is not None:
            first = int(np.searchsorted(many, threshold))
            risks.append(wrong[first] / (len(many) - first))
    assert len(risks) > 200
    assert (np.array(risks) > 0.05).sum() <= 0.05 * 300


def test_confidence_without_meaning_gets_a_threshold_in_five_of_a_hundred_choices() -> None:
    random = np.random.default_rng(0)
    found = [
        choose_threshold(random.random(1000), random.random(1000) >= 0.0501, target_error=0.05)
        for _ in range(600)
    ]
    assert np.mean([threshold is not None for threshold in found]) <= 0.05


def test_equal_confidences_are_answered_together() -> None:
    confidences = np.repeat([0.9, 0.8, 0.6], 100)
    correct = np.arange(300) < 150
    assert choose_threshold(confidences, correct, target_error=0.1) == 0.85
    three = trace_risk(np.repeat([0.9, 0.8, 0.6], [2, 20, 20]), np.arange(42) < 30)
    assert three["coverage"].tolist() == [pytest.approx(22 / 42), 1.0]


def test_threshold_near_certainty_is_told_with_all_its_digits() -> None:
    random = np.random.default_rng(0)
    confidences = 1 - random.exponential(4e-5, 4000)
    correct = random.random(4000) < np.where(confidences > 0.99997, 0.995, 0.8)
    pred_probs = np.stack([confidences, 1 - confidences], axis=1)
    found = find_abstention(
        make_errors((~correct).astype(int), pred_probs, n_validation=2000), target_error=0.02
    )
    (advice,) = found.advice()
    told = advice.action.split("below ")[1].split(" to a person")[0]
    assert len(told) <= 12
    assert float(told) == found.threshold
    assert found.coverage.value == (confidences[2000:] >= float(told)).mean()
    assert f"confidence of: {told}, " in repr(tell_abstention(found))
    assert f"At a threshold of {told}, " in alt_of(found)


def test_threshold_of_validation_holds_on_the_test() -> None:
    errors = make_errors(*draw_classes(8000), n_validation=4000)
    found = find_abstention(errors, target_error=0.05)
    assert found.threshold is not None
    assert found.reached
    assert found.error.value <= 0.05
    assert found.everything.value > 0.1
    assert 0.1 < found.coverage.value < 0.5
    (advice,) = found.advice()
    assert f"below {found.threshold} to a person" in advice.action
    assert advice.gain is None
    assert "does not show" not in repr(tell_abstention(found))
    json.dumps(found.findings(), allow_nan=False)


def test_threshold_that_the_test_does_not_confirm_is_not_advised() -> None:
    labels, pred_probs = draw_classes(1200, scale=6)
    labels[600:] = np.where(np.arange(600) % 8, labels[600:], (labels[600:] + 1) % 4)
    found = find_abstention(make_errors(labels, pred_probs, n_validation=600), target_error=0.05)
    assert found.threshold is not None
    assert found.error.value > 0.05
    assert found.advice() == ()
    assert "the test does not show that the threshold holds" in repr(tell_abstention(found))


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
    labels = np.arange(300) % 2
    found = find_abstention(make_errors(labels, np.eye(2)[labels], n_validation=200))
    assert (found.threshold, found.coverage.value, found.error.value) == (0, 1, 0)
    assert found.advice() == ()


def test_target_out_of_reach_is_said() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 400)
    always_wrong = make_errors(labels, np.eye(2)[1 - labels], n_validation=200)
    found = find_abstention(always_wrong)
    assert found.threshold is None
    assert found.error.n == 0
    assert found.advice() == ()
    assert found.why_not.startswith("Of no confidence do the 200 validation texts show")
    assert found.why_not in repr(tell_abstention(found))
    assert found.why_not in alt_of(found)
    json.dumps(found.findings(), allow_nan=False)


def test_text_with_several_labels_is_right_as_a_whole() -> None:
    labels, pred_probs = draw_sets(2000)
    found = find_abstention(make_errors(labels, pred_probs, n_validation=1000), target_error=0.1)
    whole = (labels == (pred_probs >= 0.5)).all(1)[1000:]
    assert found.everything.value == pytest.approx(1 - whole.mean())
    assert found.error.low <= 0.1 <= found.error.high
    assert "answered" in repr(tell_abstention(found))


@pytest.mark.parametrize(
    ("n_validation", "why"),
    [
        (0, "There is no validation text to choose a threshold by."),
        (100, "100 validation texts are too few to show that at most 2.0% of the answers are "
         "wrong: it takes 149 answers, all of them right."),
    ],
)  # fmt: skip
def test_curve_is_drawn_where_validation_texts_are_too_few(n_validation: int, why: str) -> None:
    found = find_abstention(make_errors(*draw_classes(500), n_validation=n_validation))
    assert (found.threshold, found.why_not, found.advice()) == (None, why, ())
    assert len(found.curve) > 30
    assert found.area.value > 0
    assert why in repr(tell_abstention(found))
    assert why in alt_of(found)
    json.dumps(found.findings(), allow_nan=False)


def test_missing_test_split_is_said() -> None:
    with pytest.raises(NotApplicableError, match="no text in the test split"):
        find_abstention(make_errors(*draw_classes(20), n_validation=20))
