"""Asking a model as somebody types and clicks, without a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from finished import Finished, ask_all
from made_up import AWKWARD

from nbutils.analysis.asking import ask_text
from nbutils.analysis.saved_model import SavedModel
from nbutils.analysis.text_changes import CHANGES
from nbutils.errors import DataError, NbutilsError, ParameterError
from nbutils.training.classifier import Classifier
from nbutils.widgets import ask
from nbutils.widgets.ask import LOADING, UNASKED, AskModel
from nbutils.widgets.base import WIDGET_MIME
from nbutils.widgets.latest import Latest

TEXT = "a good film"


@pytest.fixture
def saved(finished_reviews: Finished) -> SavedModel:
    return finished_reviews.model


@pytest.fixture
def reviewer(saved: SavedModel) -> Classifier:
    return saved.classifier


def parts(view: Any) -> Iterator[Any]:
    yield view
    for child in getattr(view, "children", ()):
        yield from parts(child)


def boxes(widget: AskModel) -> list[Any]:
    return [part for part in parts(widget.view) if type(part).__name__ == "Textarea"]


def buttons(widget: AskModel) -> dict[str, Any]:
    found = [part for part in parts(widget.view) if type(part).__name__ == "Button"]
    return {button.description: button for button in found}


def shown(widget: AskModel) -> str:
    html = "\n".join(part.value for part in parts(widget.view) if type(part).__name__ == "HTML")
    return BeautifulSoup(html, "html.parser").get_text(" ").replace("\xa0", " ")


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def is_answered(widget: AskModel, text: str) -> bool:
    said = [answer.texts[0] for answer in widget.answers]
    return said[:1] == [text] and "being computed" not in shown(widget)


def test_typed_text_is_answered_and_explained(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    (box,) = boxes(widget)
    for end in range(1, len(TEXT) + 1):
        box.value = TEXT[:end]
    until(lambda: is_answered(widget, TEXT))
    (answer,) = widget.answers
    assert answer.labels == ("pos",)
    assert f"\u201cpos\u201d {100 * answer.pred_probs.max():.1f} %" in shown(widget)
    assert "5 tokens are read, 0 are cut off, 0 are unknown." in shown(widget)
    assert "Most say, for it: good" in shown(widget)


def test_nothing_is_loaded_or_computed_before_somebody_asks(
    saved: SavedModel, tmp_path: Path
) -> None:
    widget = AskModel(saved, tmp_path / "gone", text=TEXT)
    assert WIDGET_MIME in widget._repr_mimebundle_()
    assert boxes(widget)[0].value == TEXT
    assert UNASKED in shown(widget)
    assert "classifier" not in vars(saved)
    assert not widget.answers
    assert "load_fine_tuned" in repr(widget.twin)
    assert len(widget.twin._repr_html_()) < 2000


def test_given_text_is_asked_by_its_button(saved: SavedModel) -> None:
    widget = AskModel(saved, text=TEXT)
    buttons(widget)["Ask"].click()
    until(lambda: is_answered(widget, TEXT))
    assert UNASKED not in shown(widget)
    assert LOADING not in shown(widget)
    assert "Ask the model" in shown(widget)


def test_newer_text_drops_the_answer_to_an_older_one(
    reviewer: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    explained: list[str] = []
    explain = ask.explain_text

    def explain_slowly(known: Classifier, text: str, **given: Any) -> Any:
        if text == "a bad plot":
            begun.set()
            assert go_on.wait(60)
        found = explain(known, text, **given)
        explained.append(text)
        return found

    monkeypatch.setattr(ask, "explain_text", explain_slowly)
    widget = AskModel(reviewer)
    widget.ask("a bad plot")
    assert begun.wait(60)
    boxes(widget)[0].value = TEXT
    assert widget.answers == ()
    go_on.set()
    until(lambda: is_answered(widget, TEXT))
    assert explained == [TEXT]
    assert widget.answers[0].texts == (TEXT,)
    assert "Most say, for it: good" in shown(widget)


def test_wait_returns_when_all_is_shown(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    for text in (TEXT, "a bad plot", TEXT):
        widget.ask(text)
        widget.wait()
        assert is_answered(widget, text)


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_any_text_is_answered_in_order(reviewer: Classifier, text: str) -> None:
    widget = AskModel(reviewer)
    widget.ask(TEXT)
    widget.wait()
    widget.ask(text)
    widget.wait()
    assert "Not done" not in shown(widget)
    assert bool(widget.answers) == bool(text)
    assert ("tokens are read" in shown(widget)) == bool(text)
    assert "\u202e" not in shown(widget)


def test_pair_has_two_boxes_of_which_one_may_be_empty(reviewer: Classifier) -> None:
    known = replace(reviewer, reads_pairs=None)
    widget = AskModel(known, text_pair="")
    assert [box.description for box in boxes(widget)] == ["Text", "Second text"]
    assert not {"Sentence before", "Sentence after"} & set(buttons(widget))
    for texts in [("good film", ""), ("", "bad plot"), ("good film", "bad plot")]:
        widget.ask(*texts)
        widget.wait()
        expected = ask_text(known, *texts).pred_probs.tolist()
        assert widget.answers[0].pred_probs.tolist() == expected
    boxes(widget)[1].value = ""
    until(lambda: bool(widget.answers) and widget.answers[0].texts == ("good film", ""))
    with pytest.raises(ParameterError, match="text_pair: expected none"):
        AskModel(reviewer).ask("good", "bad")


def test_two_models_stand_side_by_side(reviewer: Classifier) -> None:
    other = replace(reviewer, cutting=replace(reviewer.cutting, truncation="head_tail"))
    widget = AskModel(reviewer, other, names=("first ends", "both ends"))
    widget.ask("film " * 4 + "good " * 10 + "bad " * 30)
    widget.wait()
    assert [answer.labels for answer in widget.answers] == [("pos",), ("neg",)]
    assert (
        "They disagree: first ends says \u201cpos\u201d; both ends says \u201cneg\u201d."
        in shown(widget)
    )
    widget.ask(TEXT)
    widget.wait()
    assert "They agree: both say \u201cpos\u201d." in shown(widget)
    widget.ask("")
    widget.wait()
    assert "They agree" not in shown(widget)


def test_every_kind_of_change_has_a_button(reviewer: Classifier) -> None:
    named = {change.name.capitalize() for change in CHANGES}
    assert named <= set(buttons(AskModel(reviewer)))


def test_change_keeps_what_was_said_before_until_it_is_undone(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    widget.ask("a good lovely film")
    widget.wait()
    (before,) = widget.answers
    undo = buttons(widget)["Undo"]
    assert undo.disabled
    buttons(widget)["Typo"].click()
    widget.wait()
    (after,) = widget.answers
    assert after.texts != before.texts
    assert boxes(widget)[0].value == after.texts[0]
    assert "Typo: \u201c" in shown(widget)
    for share in (before.pred_probs[0], after.pred_probs[0]):
        assert f"{100 * share:.1f} %" in shown(widget)
    assert "before" in shown(widget)
    undo.click()
    widget.wait()
    assert widget.answers[0].texts == before.texts
    assert boxes(widget)[0].value == before.texts[0]
    assert "before" not in shown(widget).replace("Sentence before", "")
    assert undo.disabled


def test_same_click_makes_another_change_the_next_time(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    made = set()
    for _ in range(6):
        widget.ask("wonderful extraordinary storytelling")
        widget.change("typo")
        made.add(widget.texts[0])
    assert len(made) > 2


def test_changes_can_be_undone_one_by_one_but_not_past_what_was_typed(
    reviewer: Classifier,
) -> None:
    widget = AskModel(reviewer, text="In 1984 it was lovely.")
    texts = [widget.texts]
    for name in ("other numbers", "upper case", "no punctuation"):
        widget.change(name)
        texts.append(widget.texts)
    assert len(set(texts)) == 4
    while texts:
        assert widget.texts == texts.pop()
        widget.undo()
    widget.change("typo")
    boxes(widget)[0].value = TEXT
    widget.undo()
    assert widget.texts == (TEXT,)


def test_change_that_the_model_cannot_see_is_told_so(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    widget.ask(TEXT)
    widget.change("upper case")
    widget.wait()
    assert "the model reads the very same tokens" in shown(widget)


def test_change_that_finds_nothing_says_so(reviewer: Classifier) -> None:
    widget = AskModel(reviewer)
    widget.ask(TEXT)
    widget.wait()
    buttons(widget)["Other numbers"].click()
    assert "\u201cother numbers\u201d finds nothing to change in this text." in shown(widget)
    assert widget.answers[0].texts == (TEXT,)
    with pytest.raises(ParameterError, match="found 'typos'; did you mean 'typo'"):
        widget.change("typos")


def test_test_texts_and_mistakes_are_picked(saved: SavedModel, reviewer: Classifier) -> None:
    widget = AskModel(reviewer, saved)
    buttons(widget)["The next mistake"].click()
    widget.wait()
    mistakes = saved.errors.mistakes()
    assert widget.texts == (mistakes["text"].iloc[0],)
    assert f"Mistake 1 of {len(mistakes)}" in shown(widget)
    buttons(widget)["A random test text"].click()
    widget.wait()
    assert "Test text" in shown(widget)
    assert widget.answers[0].texts == widget.texts
    boxes(widget)[0].value = TEXT
    assert "Test text" not in shown(widget)
    without = AskModel(reviewer)
    assert "The next mistake" not in buttons(without)
    with pytest.raises(DataError, match="no test texts are known"):
        without.pick_random()


def test_pairs_of_a_saved_model_are_picked_as_pairs(finished_reviews: Finished) -> None:
    rows = finished_reviews.data["test"].to_pandas().assign(text_pair="a film")
    widget = AskModel(ask_all(rows, finished_reviews.folder))
    widget.pick_random()
    widget.wait()
    assert len(boxes(widget)) == 2
    assert boxes(widget)[1].value == "a film"


def test_missing_model_is_told_in_one_line_and_asked_again(tmp_path: Path) -> None:
    widget = AskModel(tmp_path / "gone", text=TEXT)
    for _ in range(2):
        buttons(widget)["Ask"].click()
        widget.wait()
        until(lambda: "expected a model that nbutils has fine-tuned" in shown(widget))
        assert "Not done." in shown(widget)
    assert not widget.answers


def test_model_without_embeddings_is_answered_but_not_explained(
    reviewer: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(reviewer.model)
    forward = kind.forward

    def ids_alone(self: Any, input_ids: Any, attention_mask: Any = None) -> Any:
        return forward(self, input_ids=input_ids, attention_mask=attention_mask)

    monkeypatch.setattr(kind, "forward", ids_alone)
    widget = AskModel(reviewer)
    widget.ask(TEXT)
    widget.wait()
    assert widget.answers[0].labels == ("pos",)
    assert "Not explained." in shown(widget)
    assert "takes no word embeddings" in shown(widget)


def test_only_the_newest_question_is_worked_on_and_once() -> None:
    answered: list[str] = []
    latest: Latest[str] = Latest(lambda question, _: answered.append(question))
    latest.work()
    latest.ask("one")
    latest.ask("two")
    latest.work()
    latest.work()
    assert answered == ["two"]


def test_question_that_failed_is_tried_again() -> None:
    tries: list[str] = []

    def fail_once(question: str, _: Callable[[], bool]) -> None:
        tries.append(question)
        if len(tries) == 1:
            raise NbutilsError("not yet")

    latest: Latest[str] = Latest(fail_once)
    latest.ask("one")
    with pytest.raises(NbutilsError, match="not yet"):
        latest.work()
    latest.work()
    assert tries == ["one", "one"]
