"""Any threshold at once: the same numbers as counting anew."""

from __future__ import annotations

import numpy as np
import pytest
from bs4 import BeautifulSoup
from predicting import draw_classes, draw_sets, make_errors

from nbutils.analysis.abstention import find_abstention
from nbutils.analysis.calibration import calibrate
from nbutils.analysis.class_thresholds import ThresholdEffect
from nbutils.analysis.mistakes import probabilities
from nbutils.analysis.operating_points import (
    Answering,
    ClassOutcomes,
    Given,
    list_thresholds,
    read_answering,
    say_threshold,
)
from nbutils.label_sets import to_indicators
from nbutils.metrics import proportion
from nbutils.thresholds import DEFAULT, choose_thresholds
from nbutils.views.operating_points import (
    chart_answering,
    chart_class,
    point_answering,
    point_class,
    say_answering,
    tabulate_answering,
    tabulate_class,
)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_share_answered_and_wrong_are_those_of_the_texts_above(threshold: float) -> None:
    random = np.random.default_rng(0)
    confidences = random.random(500).round(2)
    correct = random.random(500) < confidences
    coverage, error = Answering.of(confidences, correct).at(threshold)
    above = confidences >= threshold
    assert coverage == proportion(int(above.sum()), 500)
    assert error == proportion(int((above & ~correct).sum()), int(above.sum()))


def test_report_and_slider_agree_on_every_number() -> None:
    errors = make_errors(*draw_classes(3000), n_validation=1000)
    found = find_abstention(errors, target_error=0.1)
    assert found.threshold is not None
    answering = read_answering(errors)
    assert list(answering) == ["validation", "test"]
    assert answering["test"].at(found.threshold) == (found.coverage, found.error)
    assert answering["test"].curve.equals(found.curve)
    assert answering["test"].at(0)[1] == found.everything


def test_nothing_answered_has_no_error() -> None:
    coverage, error = Answering.of(np.array([0.5]), np.array([False])).at(0.9)
    assert (coverage.value, coverage.n, error.n) == (0, 1, 0)
    assert Answering.of(np.zeros(0), np.zeros(0, bool)).curve.empty


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_class_is_counted_from_its_threshold_on(threshold: float) -> None:
    random = np.random.default_rng(1)
    pred_probs = random.random(400).round(2)
    positive = random.random(400) < pred_probs
    row = Given.of(pred_probs, positive).at(threshold)
    given = pred_probs >= threshold
    hits = int((given & positive).sum())
    assert (row["given"], row["support"]) == (given.sum(), positive.sum())
    precision = proportion(hits, int(given.sum()))
    assert [row[f"precision{end}"] for end in ("", "_low", "_high")] == [
        precision.value,
        precision.low,
        precision.high,
    ]
    assert row["recall"] == pytest.approx(hits / positive.sum())
    assert row["f1"] == pytest.approx(2 * hits / (given.sum() + positive.sum()))
    assert row["f1_low"] <= row["f1"] <= row["f1_high"]


def test_precision_recall_curve_goes_through_the_thresholds() -> None:
    labels, pred_probs = draw_sets(500)
    given = Given.of(pred_probs[:, 0], labels[:, 0])
    assert given.curve["recall"].is_monotonic_increasing
    assert given.curve["recall"].iloc[-1] == 1
    least = given.at(float(given.of_positives[0]))
    assert given.curve["precision"].iloc[-1] == least["precision"]
    assert len(given.curve) <= 100


def test_class_starts_where_the_report_chose_its_threshold() -> None:
    errors = make_errors(*draw_classes(2000), n_validation=800)
    effect = calibrate(errors).thresholds
    assert isinstance(effect, ThresholdEffect)
    outcomes = ClassOutcomes(errors)
    starts = [outcomes.start(k) for k in range(4)]
    assert starts == pytest.approx(effect.thresholds.values.tolist())
    labels, pred_probs = draw_sets(600)
    several = ClassOutcomes(make_errors(labels, pred_probs, n_validation=300))
    expected = choose_thresholds(labels[:300], pred_probs[:300]).values
    assert [several.start(k) for k in range(3)] == expected.tolist()
    assert len(several.of_class(1)["test"].of_positives) == labels[300:, 1].sum()
    assert ClassOutcomes(make_errors(*draw_classes(50))).start(0) == DEFAULT


def test_at_the_labels_own_thresholds_the_outcomes_are_those_of_the_predictions() -> None:
    errors = make_errors(*draw_sets(400), n_validation=100)
    classes = errors.classes()
    outcomes = ClassOutcomes(errors)
    predicted = to_indicators(errors.test["predicted"], n_labels=3)
    assert (predicted == (probabilities(errors.test, errors.label_names) >= 0.5)).all()
    for k, row in classes.iterrows():
        own = outcomes.of_class(int(str(k)))["test"].at(0.5)
        for name in ("precision", "recall_low", "f1_high", "support"):
            assert own[name] == row[name]


def test_thresholds_to_choose_among_hold_what_must_be_kept_and_differ() -> None:
    values = 1 - np.random.default_rng(0).random(1000) ** 6 / 3
    offered = list_thresholds([np.sort(values)], kept=(0.123456, 0.0))
    assert 0.123456 in offered.values()
    assert list(offered.values()) == sorted(set(offered.values()))
    assert 150 <= len(offered) <= 203
    assert next(iter(offered)) == "0.0000"
    assert "1.0000" in list_thresholds([], kept=())


@pytest.mark.parametrize(
    ("threshold", "said"),
    [(0, "0.0000"), (1, "1.0000"), (0.5, "0.5000"), (0.99998, "0.999980"), (3e-5, "0.000030")],
)
def test_threshold_near_the_ends_has_the_digits_that_tell_it(threshold: float, said: str) -> None:
    assert say_threshold(threshold) == said


def test_chart_shows_lines_and_points_and_says_them() -> None:
    splits = read_answering(make_errors(*draw_classes(800), n_validation=300))
    points = point_answering(splits, threshold=0.5)
    words = say_answering(splits, threshold=0.5)
    drawn = BeautifulSoup(chart_answering(splits).render(points, alt=words), "html.parser")
    assert drawn.svg["role"] == "img"
    assert "of the validation texts are answered" in drawn.svg["aria-label"]
    assert len(drawn.select("polyline")) == len(drawn.select("circle")) == 2
    coverage, _ = splits["test"].at(0.5)
    assert points[1].x == coverage.value
    assert f"{coverage.value:.1%} of the test texts" in words
    assert not point_answering(splits, threshold=1.0)


def test_table_of_a_threshold_has_a_column_for_each_split() -> None:
    errors = make_errors(*draw_classes(800), n_validation=300)
    table = tabulate_answering(read_answering(errors), threshold=0.5)
    assert list(table.frame) == ["validation texts", "test texts"]
    assert "0.5000" in repr(table)
    splits = ClassOutcomes(errors).of_class(0)
    table = tabulate_class(splits, name="<b>", threshold=0.5)
    assert "F1" in table.frame.index
    assert "<b>" not in table._repr_html_()
    row = splits["test"].at(0.5)
    assert table.frame.loc["recall", "test texts"].startswith(f"{row['recall']:.1%} (")
    point = point_class(splits, threshold=0.5)[1]
    assert (point.x, point.y) == (row["recall"], row["precision"])
    assert len(chart_class(splits).lines) == 2
