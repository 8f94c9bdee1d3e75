"""Calibration on predictions whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from predicting import draw_classes, draw_sets, make_errors, softmax

from nbutils.analysis.calibration import calibrate
from nbutils.analysis.reliability import bin_by_confidence, calibration_error, correlate_bins
from nbutils.errors import NotApplicableError
from nbutils.metrics import wilson_interval
from nbutils.views.calibration import judge_scaling, tabulate_confidence, tabulate_thresholds


def draw_confidences(random: np.random.Generator, n: int, *, gap: float) -> tuple[np.ndarray, ...]:
    confidences = random.uniform(0.6, 1, n)
    return confidences, random.random(n) < confidences - gap


def test_bins_hold_as_many_predictions_each() -> None:
    confidences, correct = draw_confidences(np.random.default_rng(0), 1000, gap=0)
    bins = bin_by_confidence(confidences, correct, n_bins=8)
    assert bins["n"].tolist() == [125] * 8
    assert bins["confidence"].is_monotonic_increasing
    assert ((bins["low"] <= bins["accuracy"]) & (bins["accuracy"] <= bins["high"])).all()


def test_equal_confidences_share_a_bin_and_few_predictions_make_few_bins() -> None:
    same = bin_by_confidence(np.full(500, 0.9), np.arange(500) < 450)
    assert same[["confidence", "accuracy", "n"]].to_numpy().tolist() == [
        [pytest.approx(0.9), 0.9, 500]
    ]
    assert len(bin_by_confidence(np.linspace(0.5, 1, 25), np.ones(25, bool))) == 2
    assert bin_by_confidence(np.zeros(0), np.zeros(0, bool)).empty


def test_calibration_error_is_the_mean_distance_that_others_publish() -> None:
    confidences = np.repeat([0.6, 0.8], 5000)
    correct = np.concatenate([np.arange(5000) < 2500, np.arange(5000) < 4500])
    found = calibration_error(bin_by_confidence(confidences, correct))
    assert found.value == pytest.approx(0.1, abs=1e-4)  # 0.1 too sure, 0.1 not sure enough
    uneven = calibration_error(bin_by_confidence(np.repeat([0.6, 0.9], 5000), correct))
    assert uneven.value == pytest.approx(0.05, abs=0.003)  # the root mean square would be 0.07


def test_calibration_error_takes_off_the_gaps_that_chance_makes() -> None:
    random = np.random.default_rng(1)
    found, plain = [], []
    for _ in range(300):
        bins = bin_by_confidence(*draw_confidences(random, 300, gap=0))
        found.append(calibration_error(bins).value)
        plain.append((bins["confidence"] - bins["accuracy"]).abs().mean())
    assert np.mean(found) < 0.65 * np.mean(plain)  # some half of chance remains
    wrong = [calibration_error(bin_by_confidence(*draw_confidences(random, 3000, gap=0.1))).value
             for _ in range(100)]  # fmt: skip
    assert np.mean(wrong) == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize("gap", [0.05, 0.1])
def test_interval_of_the_calibration_error_covers_the_truth(gap: float) -> None:
    random = np.random.default_rng(2)
    found = [
        calibration_error(bin_by_confidence(*draw_confidences(random, 2000, gap=gap)))
        for _ in range(300)
    ]
    assert 0.93 <= np.mean([each.low <= gap <= each.high for each in found]) <= 0.97


CONFIDENT = [(50, 0.97, 0.999), (200, 0.99, 0.999), (500, 0.995, 0.9995)]


@pytest.mark.parametrize(("n", "accuracy", "confidence"), CONFIDENT)
def test_interval_holds_for_a_model_that_is_always_as_sure_and_hardly_ever_wrong(
    n: int, accuracy: float, confidence: float
) -> None:
    from scipy.stats import binom

    truth, covered = confidence - accuracy, 0.0
    for wrong in range(20):
        bins = bin_by_confidence(np.full(n, confidence), np.arange(n) >= wrong)
        found = calibration_error(bins)
        covered += binom.pmf(wrong, n, 1 - accuracy) * (found.low <= truth <= found.high)
    assert covered >= 0.93


@pytest.mark.parametrize(("n", "accuracy", "confidence"), CONFIDENT)
def test_interval_holds_for_confidences_that_crowd_near_certainty(
    n: int, accuracy: float, confidence: float
) -> None:
    random = np.random.default_rng(4)
    found = []
    for _ in range(300):
        drawn = 1 - (1 - confidence) * random.exponential(size=n)
        found.append(calibration_error(bin_by_confidence(drawn, random.random(n) < accuracy)))
    truth = confidence - accuracy
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.93


def test_ten_sure_and_right_predictions_do_not_prove_calibration() -> None:
    found = calibration_error(bin_by_confidence(np.full(10, 0.9999), np.ones(10, bool)))
    assert found.low == 0
    assert found.high == pytest.approx(1 - wilson_interval(10, 10)[0], abs=1e-3)


def draw_answers(
    random: np.random.Generator, n_texts: int, *, wholly: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ten confidences per text, 0.1 too high on average; a share of texts stands or falls.

    The answers of such a text are all right or all wrong, so its confidences mean nothing.
    """
    confidences = random.uniform(0.5, 1, (n_texts, 10))
    single = random.random((n_texts, 10)) < confidences - 0.1
    whole = random.random((n_texts, 1)) < 0.65
    correct = np.where(random.random((n_texts, 1)) < wholly, whole, single)
    return confidences.ravel(), correct.ravel()


@pytest.mark.parametrize("wholly", [0, 0.3])
def test_answers_of_a_text_that_are_right_or_wrong_together_count_as_fewer(wholly: float) -> None:
    random = np.random.default_rng(5)
    found = []
    for _ in range(300):
        drawn = draw_answers(random, 200, wholly=wholly)
        bins = bin_by_confidence(*drawn, answers=10)
        together = correlate_bins(*drawn, answers=10)
        found.append(calibration_error(bins, correlation=together))
    assert 0.93 <= np.mean([each.low <= 0.1 <= each.high for each in found]) <= 0.99
    assert np.mean([each.value for each in found]) == pytest.approx(0.1, abs=0.005)


def test_faultless_answers_count_as_one_per_text() -> None:
    confidences = np.random.default_rng(6).uniform(0.9, 1, 600)
    bins = bin_by_confidence(confidences, np.ones(600, bool), n_bins=1, answers=3)
    assert bins["effective"].tolist() == [200]
    assert bins["low"].tolist() == [wilson_interval(200, 200)[0]]


def test_calibration_counts_answers_of_one_text_together() -> None:
    random = np.random.default_rng(7)
    whole = random.random((300, 1)) < 0.8
    certain = np.where(whole, 0.9, 0.1).repeat(5, axis=1)
    errors = make_errors(np.ones((300, 5), bool), certain)
    (row,) = calibrate(errors, n_bins=1).before.bins.to_dict("records")
    assert (row["n"], row["effective"]) == (1500, pytest.approx(300))


def test_honest_model_is_not_told_from_a_calibrated_one() -> None:
    random = np.random.default_rng(3)
    found = [
        calibration_error(bin_by_confidence(*draw_confidences(random, 1000, gap=0)))
        for _ in range(300)
    ]
    assert np.mean([each.low == 0 for each in found]) >= 0.95
    assert all(each.high > 0 for each in found)


@pytest.mark.parametrize("draw", [draw_classes, draw_sets])
@pytest.mark.parametrize("temperature", [2.5, 0.5])
def test_temperature_that_the_model_is_off_by_is_found_and_mends_it(draw, temperature) -> None:
    errors = make_errors(*draw(6000, temperature=temperature), n_validation=3000)
    found = calibrate(errors)
    assert found.scaling is not None
    assert found.scaling.temperature == pytest.approx(temperature, rel=0.08)
    assert found.scaling.fitted_on == 3000
    assert found.before.ece.low > 0
    assert found.scaling.after.ece.low == 0
    assert found.scaling.log_loss_change.high < 0
    (advice,) = found.advice()
    assert advice.action.startswith(f"Divide logits by {found.scaling.temperature:.2f} ")
    assert ("too sure" in advice.evidence) == (temperature > 1)
    assert "A temperature helps" in repr(judge_scaling(found))
    json.dumps(found.findings(), allow_nan=False)


def test_temperature_is_not_advised_for_deciding_where_thresholds_are_not_one_half() -> None:
    labels, pred_probs = draw_sets(3000, temperature=2.5)
    errors = make_errors(labels, pred_probs, n_validation=1500, predicted=pred_probs >= 0.2)
    found = calibrate(errors)
    assert found.scaling is not None
    logits = np.log(pred_probs) - np.log1p(-pred_probs)
    divided = 1 / (1 + np.exp(-logits / found.scaling.temperature))
    assert ((divided >= 0.2) != (pred_probs >= 0.2)).mean() > 0.05
    (advice,) = found.advice()
    assert "give labels by the undivided ones" in advice.action
    assert "No label changes" not in advice.evidence
    (of_classes,) = calibrate(
        make_errors(*draw_classes(3000, temperature=2.5), n_validation=1500)
    ).advice()
    assert "undivided" not in of_classes.action
    assert "No label changes" in of_classes.evidence


@pytest.mark.parametrize("draw", [draw_classes, draw_sets])
def test_calibrated_model_gets_no_advice(draw) -> None:
    found = calibrate(make_errors(*draw(4000), n_validation=2000))
    assert found.scaling is not None
    assert found.scaling.temperature == pytest.approx(1, abs=0.1)
    assert found.advice() == []
    assert "next to nothing" in repr(judge_scaling(found))


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    labels, pred_probs = draw_classes(500)
    before = calibrate(make_errors(labels, pred_probs)).before
    assert before.log_loss.value == pytest.approx(log_loss(labels, pred_probs))
    hits = np.eye(4)[labels]
    brier = sum(brier_score_loss(hits[:, k], pred_probs[:, k]) for k in range(4))
    assert before.brier.value == pytest.approx(brier)
    assert before.brier.low < brier < before.brier.high


def test_thresholds_that_undo_a_bias_are_reported_with_their_worth() -> None:
    labels, pred_probs = draw_classes(8000, n_classes=3, seed=1)
    biased = softmax(np.log(pred_probs) + np.array([2.0, 0.0, 0.0]))
    found = calibrate(make_errors(labels, biased, n_validation=4000))
    assert found.thresholds is not None
    assert found.thresholds.helps
    advice = found.advice()[-1]
    assert advice.gain == pytest.approx(found.thresholds.accuracy.value)
    assert advice.gain > 0.05
    assert found.findings()["thresholds"]["thresholds"].keys() == {"c0", "c1", "c2"}
    assert "which help" in repr(tabulate_thresholds(found))


def test_thresholds_without_worth_are_not_listed() -> None:
    found = calibrate(make_errors(*draw_classes(4000), n_validation=2000))
    assert found.findings()["thresholds"]["thresholds"] is None
    assert "do not help beyond chance" in repr(tabulate_thresholds(found))


def test_thresholds_of_label_sets_are_left_to_fine_tuning() -> None:
    found = calibrate(make_errors(*draw_sets(400), n_validation=200))
    assert found.thresholds is None
    assert tabulate_thresholds(found) is None
    assert found.unit == "answers"
    assert len(found.confidences) == 200 * 3


@pytest.mark.parametrize(
    ("n_validation", "why"),
    [(0, "there is no validation text"), (30, "none of the 30 validation texts")],
)
def test_without_a_mistake_to_learn_from_nothing_is_fitted(n_validation: int, why: str) -> None:
    labels = np.arange(100) % 2
    errors = make_errors(labels, np.eye(2)[labels] * 0.98 + 0.01, n_validation=n_validation)
    found = calibrate(errors)
    assert found.scaling is None
    assert found.advice() == []
    assert f"No temperature was fitted: {why}" in repr(judge_scaling(found))
    assert "calibration error" in repr(tabulate_confidence(found))
    json.dumps(found.findings(), allow_nan=False)


def test_random_and_certain_probabilities_do_not_break_it() -> None:
    labels = np.random.default_rng(0).integers(0, 3, 300)
    found = calibrate(make_errors(labels, np.eye(3)[(labels + 1) % 3], n_validation=100))
    assert found.before.ece.value == pytest.approx(1, abs=1e-6)
    json.dumps(found.findings(), allow_nan=False)


def test_no_test_text_is_said() -> None:
    with pytest.raises(NotApplicableError, match="no text in the test split"):
        calibrate(make_errors(*draw_classes(20), n_validation=20))
