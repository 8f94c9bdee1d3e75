"""Thresholds that are moved, driven as a slider would drive them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from predicting import draw_classes, draw_sets, make_errors

from nbutils.analysis.abstention import find_abstention
from nbutils.analysis.errors import Errors
from nbutils.analysis.operating_points import ClassOutcomes
from nbutils.errors import DataError, ParameterError
from nbutils.widgets.abstention import AbstentionSlider
from nbutils.widgets.base import WIDGET_MIME
from nbutils.widgets.moved_threshold import MovedThreshold
from nbutils.widgets.thresholds import ClassThresholdSlider

ERRORS = make_errors(*draw_classes(1500), n_validation=600)
SETS = make_errors(*draw_sets(900), n_validation=400)


def built(widget: MovedThreshold) -> MovedThreshold:
    assert widget.view is not None
    return widget


def text_of(html: str) -> str:
    return BeautifulSoup(html, "html.parser").get_text(" ")


def abstain(errors: Errors = ERRORS, *, target_error: float = 0.1) -> AbstentionSlider:
    widget = AbstentionSlider(errors, target_error=target_error)
    built(widget)
    return widget


def classes(errors: Errors = ERRORS) -> ClassThresholdSlider:
    widget = ClassThresholdSlider(errors)
    built(widget)
    return widget


def test_slider_begins_where_the_report_chose() -> None:
    found = find_abstention(ERRORS, target_error=0.1)
    slider = abstain()
    assert slider.threshold == slider._panel.slider.value == found.threshold
    said = text_of(slider._panel.numbers.value)
    assert f"{found.error.n:,} of {found.coverage.n:,}" in said
    assert f"{found.error.value:.1%} ({found.error.low:.1%} to {found.error.high:.1%})" in said


def test_moving_the_slider_moves_point_and_numbers() -> None:
    slider = abstain()
    before = slider._panel.chart.value
    slider._panel.slider.index = 10
    assert slider.threshold == slider._panel.slider.value
    after = slider._panel.chart.value
    assert after != before
    points = [BeautifulSoup(page, "html.parser").select("circle") for page in (before, after)]
    assert points[0] != points[1]
    coverage, _ = slider._answering["test"].at(slider.threshold)
    assert f"{coverage.value:.1%}" in text_of(slider._panel.numbers.value)
    slider._panel.back.click()
    assert slider.threshold == slider.chosen


@pytest.mark.parametrize("typed", [0.0, 0.5, 0.53, 0.531, 1.0])
def test_typed_threshold_is_the_one_that_is_shown(typed: float) -> None:
    slider = abstain()
    slider._panel.typed.value = 0.5299
    slider._panel.typed.value = typed
    assert slider.threshold == slider._panel.slider.value == slider._panel.typed.value == typed
    coverage, _ = slider._answering["test"].at(typed)
    assert f"{coverage.value:.1%}" in text_of(slider._panel.numbers.value)


def test_typed_threshold_is_that_of_the_class() -> None:
    slider = classes()
    slider._panel.typed.value = 0.53
    assert slider.thresholds["c0"] == slider._panel.slider.value == 0.53


def test_any_threshold_can_be_tried_from_code() -> None:
    slider = abstain()
    slider.move(0.71234)
    assert slider._panel.slider.value == 0.71234
    assert slider._panel.slider.label == "0.7123"
    with pytest.raises(ParameterError, match=r"threshold: expected a number in \[0, 1\], found 2"):
        slider.move(2)


def test_validation_is_chosen_by_and_test_stands_beside() -> None:
    slider = abstain()
    assert slider.split == "validation"
    heads = [
        th.get_text() for th in BeautifulSoup(slider._panel.numbers.value, "html.parser")("th")
    ]
    assert heads.index("validation texts") < heads.index("test texts")
    assert "is tested by the test texts" in text_of(slider._panel.note.value)
    slider._panel.splits.value = "test"
    heads = [
        th.get_text() for th in BeautifulSoup(slider._panel.numbers.value, "html.parser")("th")
    ]
    assert heads.index("test texts") < heads.index("validation texts")
    assert "no longer tested by them" in text_of(slider._panel.note.value)
    assert slider.threshold == slider.chosen
    slider.choose_by("validation")
    assert slider._panel.splits.value == "validation"
    with pytest.raises(DataError, match="split: there is no 'train' here"):
        slider.choose_by("train")


def test_target_that_no_confidence_meets_is_told() -> None:
    _, pred_probs = draw_classes(300)
    wrong = make_errors((pred_probs.argmax(1) + 1) % 4, pred_probs, n_validation=150)
    slider = abstain(wrong)
    assert slider.threshold == 0
    assert "validation texts show that at most 10.0% of the answers" in text_of(
        slider._panel.note.value
    )


def test_without_validation_texts_only_test_can_be_chosen_by() -> None:
    slider = abstain(make_errors(*draw_classes(200)))
    assert slider.splits == ("test",)
    assert "no longer tested by them" in text_of(slider._panel.note.value)
    only = make_errors(*draw_classes(200), n_validation=200)
    assert "no test text to test it on" in text_of(abstain(only)._panel.note.value)


@pytest.mark.parametrize("kind", [AbstentionSlider, ClassThresholdSlider])
def test_without_any_text_there_is_a_note_and_no_slider(kind: type[MovedThreshold]) -> None:
    nothing = replace(ERRORS, predictions=ERRORS.predictions.iloc[:0])
    widget = built(kind(nothing))
    assert "neither a validation nor a test text" in widget.view.children[0].value
    with pytest.raises(DataError, match="neither a validation nor a test text"):
        widget.move(0.5)


def test_class_begins_at_its_threshold_and_keeps_where_it_was_moved() -> None:
    slider = classes()
    assert slider.label == "c0"
    assert slider.thresholds == {"c0": ClassOutcomes(ERRORS).start(0)}
    slider.move(0.3)
    slider._classes.value = 2
    assert slider.label == "c2"
    assert slider.thresholds["c2"] == slider._panel.slider.value == ClassOutcomes(ERRORS).start(2)
    slider.choose("c0")
    assert slider._classes.value == 0
    assert slider._panel.slider.value == 0.3
    slider.reset()
    assert slider.thresholds["c0"] == ClassOutcomes(ERRORS).start(0)
    with pytest.raises(DataError, match="class: there is no 'c9' here; known: c0, c1"):
        slider.choose("c9")


def test_class_table_says_precision_recall_and_f1_with_intervals() -> None:
    slider = classes()
    slider._panel.slider.value = slider._panel.slider.options[50][1]
    row = ClassOutcomes(ERRORS).of_class(0)["test"].at(slider.thresholds["c0"])
    said = text_of(slider._panel.numbers.value)
    for name in ("precision", "recall", "f1"):
        value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
        assert f"{value:.1%} ({low:.1%} to {high:.1%})" in said
    assert f"recall {row['recall']:.1%} on test" in slider._panel.chart.value


def test_classes_are_said_to_be_decided_alone_where_a_text_has_one() -> None:
    assert "decided by itself" in text_of(classes()._panel.note.value)
    assert "decided by itself" not in text_of(classes(SETS)._panel.note.value)


def test_sets_of_labels_have_sliders_too() -> None:
    assert abstain(SETS).chosen == (find_abstention(SETS, target_error=0.1).threshold or 0)
    slider = classes(SETS)
    slider.choose("c1")
    assert "c1, given from a probability of" in text_of(slider._panel.numbers.value)


@pytest.mark.parametrize("kind", [AbstentionSlider, ClassThresholdSlider])
def test_sliders_are_shown_with_their_twins(kind: type[MovedThreshold]) -> None:
    bundle = kind(ERRORS)._repr_mimebundle_()
    assert WIDGET_MIME in bundle
    assert "JupyterLab" in bundle["text/html"]
    assert len(bundle["text/html"]) < 2000
