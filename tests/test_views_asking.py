"""What a model says of one text, in words and as HTML that a screen reader can read too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup, Tag
from conftest import TOPICS
from finished import Finished

from nbutils.analysis.asking import Answer, Explanation, ask_text, explain_text
from nbutils.analysis.text_changes import CHANGES
from nbutils.training.classifier import Classifier
from nbutils.views.asking import (
    render_answer,
    render_explanation,
    say_agreement,
    say_answer,
    say_change,
    say_what_changed,
)
from nbutils.views.probabilities import MOST_CLASSES, render_probabilities

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
TYPO = next(change for change in CHANGES if change.name == "typo")


@pytest.fixture(scope="module")
def reviewer(finished_reviews: Finished) -> Classifier:
    return finished_reviews.model.classifier


def answer(
    probabilities: dict[str, float], *, given: str = "", ids: tuple[int, ...] = ()
) -> Answer:
    """Return an answer of a model with one label per text, or with sets where `given` is set."""
    from nbutils.analysis.tokens_read import Piece

    shares = np.array(list(probabilities.values()))
    owners = np.zeros(len(ids), np.int64)
    piece = Piece(np.array(ids, np.int64), None, owners, np.zeros((len(ids), 2), np.int64), owners)
    return Answer(
        texts=("a text",),
        label_names=tuple(probabilities),
        pred_probs=shares,
        given=np.array([name in given for name in probabilities])
        if given
        else shares == shares.max(),
        thresholds=np.full(len(shares), 0.3) if given else None,
        pieces=(piece,),
        unread=(),
        cut=0,
        unknown=0,
    )


def parse(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def cells(row: Tag) -> list[str]:
    return [cell.get_text().replace("\xa0", " ") for cell in row.select("th, td")]


def test_few_labels_keep_their_order_and_show_what_was_before() -> None:
    now, before = answer({"b": 0.2, "a": 0.8}), answer({"b": 0.75, "a": 0.25})
    shown = parse(render_probabilities(now, before=before))
    assert [cell.get_text() for cell in shown.select("thead th")] == [
        "label",
        "probability",
        "before",
    ]
    rows = [cells(row)[:3] for row in shown.select("tbody tr")]
    assert rows == [["b", "20.0 %", "75.0 %"], ["a \u2713", "80.0 %", "25.0 %"]]
    assert "left:75.0%" in str(shown)
    assert "width:20.0%" in str(shown)


def test_of_many_labels_the_first_ten_and_the_sum_of_the_others() -> None:
    shares = np.arange(1, 31) / np.arange(1, 31).sum()
    shown = parse(render_probabilities(answer({f"c{k}": share for k, share in enumerate(shares)})))
    names = [row.find("th").get_text() for row in shown.select("tbody tr")]  # type: ignore[union-attr]
    assert names == ["c29 \u2713"] + [f"c{k}" for k in range(28, 19, -1)]
    rest = f"20 others: {100 * shares[:20].sum():.1f}\xa0% together"
    assert rest in shown.get_text()


def test_given_labels_of_a_set_come_first_with_their_thresholds() -> None:
    shares = {f"c{k}": 0.9 - k / 100 for k in range(20)} | {"x": 0.4}
    shown = parse(render_probabilities(answer(shares, given="x")))
    assert cells(shown.select("tbody tr")[0])[:3] == ["x \u2713", "40.0 %", "30.0 %"]
    assert len(shown.select("tbody tr")) == MOST_CLASSES
    assert "11 others: at most 81.0\xa0%" in shown.get_text()


def test_labels_are_data() -> None:
    now = answer({HOSTILE: 0.6, "b" * 500: 0.4})
    html = render_answer(now, before=answer({HOSTILE: 0.3, "b" * 500: 0.7}))
    shown = parse(html)
    assert not shown.select("img")
    assert "\u202e" not in html
    assert len(html) < 6000
    assert HOSTILE.replace("\u202e", "[U+202E]") in say_answer(now)


def test_answer_is_said_in_a_line() -> None:
    assert say_answer(answer({"b": 0.2, "a": 0.8})) == "\u201ca\u201d 80.0\xa0%"
    several = answer({"a": 0.5, "b": 0.9, "c": 0.1}, given="ab")
    assert say_answer(several) == "\u201cb\u201d 90.0\xa0%, \u201ca\u201d 50.0\xa0%"
    none = replace(several, given=np.zeros(3, bool))
    assert say_answer(none) == "(none); nearest is \u201cb\u201d 90.0\xa0%"
    many = answer({f"{k:02}": 0.9 for k in range(9)}, given="".join(f"{k:02}" for k in range(9)))
    assert say_answer(many).endswith(" and 3 more")


def test_change_is_said_with_what_was_before() -> None:
    before = answer({"a": 0.9, "b": 0.1}, ids=(1, 2))
    same, less = replace(before), answer({"a": 0.6, "b": 0.4}, ids=(1, 3))
    other = answer({"a": 0.4, "b": 0.6}, ids=(1, 3))
    assert (
        say_change(before, same) == "\u201ca\u201d as before: the model reads the very same tokens"
    )
    assert say_change(before, less) == (
        "\u201ca\u201d as before; \u201ca\u201d 90.0\xa0% before, 60.0\xa0% now"
    )
    assert say_change(before, other) == ("\u201cb\u201d 60.0\xa0%; before: \u201ca\u201d 90.0\xa0%")


def test_two_models_agree_or_not_and_differ_by_so_much() -> None:
    one, other = answer({"a": 0.9, "b": 0.1}), answer({"b": 0.3, "a": 0.7})
    assert say_agreement([one, other], ["A", "B"]) == (
        "They agree: both say \u201ca\u201d. They differ most about \u201ca\u201d: 90.0\xa0% and "
        "70.0\xa0%."
    )
    against = answer({"b": 0.8, "a": 0.2})
    said = say_agreement([one, against], ["A", "B"])
    assert said.startswith("They disagree: A says \u201ca\u201d; B says \u201cb\u201d. They differ")
    strange = say_agreement([one, answer({"c": 1.0})], ["A", "B"])
    assert strange.endswith("They know different labels, so their probabilities are not compared.")


def test_what_a_change_did_is_told_in_words() -> None:
    said = say_what_changed(TYPO, ("it rained", "so"), ("it rianed", "so"))
    assert said == "Typo: \u201crained\u201d became \u201crianed\u201d."
    long = ("word " * 40,)
    assert say_what_changed(CHANGES[1], long, (long[0].upper(),)) == (
        "Upper case: all letters are capitals."
    )


def test_explanation_is_shaded_and_said(reviewer: Classifier) -> None:
    shown = parse(render_explanation(explain_text(reviewer, "a good film")))
    shaded = [span.get_text() for span in shown.select("span[style*=background]")]
    assert "good" in shaded
    text = shown.get_text()
    assert "Most say, for it: good" in text
    assert "Explained is the logit of \u201cpos\u201d minus logit of \u201cneg\u201d" in text
    assert "Solid underline on blue" in text


def test_explanation_of_nothing_is_whole() -> None:
    words = pd.DataFrame(columns=["part", "start", "end", "word", "score"])
    found = Explanation((HOSTILE,), words, f"logit of {HOSTILE}", np.ones(1), 1.0, 1.0, 0.0, 16)
    html = render_explanation(found)
    assert not parse(html).select("img")
    assert "\u202e" not in html
    assert "No word says anything" in html


def test_label_sets_show_their_thresholds(finished_topics: Finished) -> None:
    known = finished_topics.model.classifier
    text = f"the {TOPICS['music'][0]} was {TOPICS['scorn'][0]}"
    shown = parse(render_answer(ask_text(known, text)))
    assert "given from" in [cell.get_text() for cell in shown.select("thead th")]
    assert len(shown.select("tbody tr")) == len(TOPICS)
