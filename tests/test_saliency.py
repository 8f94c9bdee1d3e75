"""Explained mistakes: the words that decide are found, and shown as text too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import TOPICS, WORDS
from finished import Finished, ask_all

from nbutils.analysis.errors import find_errors
from nbutils.analysis.questions import completeness_error
from nbutils.analysis.saliency import Saliency, explain_mistakes, worst_mistakes
from nbutils.analysis.saved_model import SavedModel
from nbutils.errors import CheckpointError, NotApplicableError
from nbutils.sections import Sections
from nbutils.views.saliency import show_saliency

TONES = {"pos": WORDS[:5], "neg": WORDS[5:10]}


@pytest.fixture(scope="module")
def explained(finished_reviews: Finished) -> Saliency:
    return explain_mistakes(finished_reviews.model, examples=6)  # three of each class


def test_words_of_the_said_class_speak_for_it(explained: Saliency) -> None:
    assert len(explained.texts) == 6
    decided = explained.texts[explained.texts["value"] - explained.texts["baseline"] > 1]
    assert len(decided) == 6
    for row in decided.itertuples():
        most, _ = explained.top_words(row.example_id)
        assert most.index[0] in TONES[row.predicted]
        assert most.iloc[0] > 0.3 * (row.value - row.baseline)
        assert (
            row.output
            == f"logit of \u201c{row.predicted}\u201d minus logit of \u201c{row.label}\u201d"
        )


def test_words_sum_to_the_difference_but_for_the_error_that_is_told(explained: Saliency) -> None:
    totals = explained.words.groupby("example_id")["score"].sum()
    for row in explained.texts.itertuples():
        missed = abs(totals[row.example_id] - (row.value - row.baseline))
        assert missed / abs(row.value - row.baseline) == pytest.approx(row.error, abs=1e-6)
        assert row.error <= 0.05


def test_value_is_that_of_the_prediction(finished_reviews: Finished, explained: Saliency) -> None:
    for row in explained.texts.itertuples():
        odds = np.log(row.confidence / (1 - row.confidence))
        assert row.value == pytest.approx(odds, abs=0.05 * odds)


def test_same_mistakes_are_explained_the_same_way_again(
    finished_reviews: Finished, explained: Saliency
) -> None:
    again = explain_mistakes(finished_reviews.model, examples=6)
    pd.testing.assert_frame_equal(explained.words, again.words)


def test_finding_is_small_and_plain_and_gives_no_advice(explained: Saliency) -> None:
    found = json.loads(json.dumps(explained.findings()))
    assert [row["example_id"] for row in found["texts"]] == explained.texts["example_id"].tolist()
    assert all(len(row["for"]) <= 5 and len(row["against"]) <= 5 for row in found["texts"])
    assert explained.advice() == ()


def test_surest_wrong_answer_of_several_is_explained(finished_topics: Finished) -> None:
    found = explain_mistakes(finished_topics.model, examples=6)
    for row in found.texts.itertuples():
        name = row.output.split("\u201d")[0].removeprefix("logit of \u201c")
        missed = row.output.endswith("(missed: sign turned)")
        said, true = row.predicted.split("; "), row.label.split("; ")
        assert name in set(true if missed else said) - set(said if missed else true)
        assert row.value == pytest.approx(np.log(row.confidence / (1 - row.confidence)), rel=0.1)
        most, _ = found.top_words(row.example_id)
        if not missed and row.value > 1:
            assert most.index[0] in TOPICS[name]


@pytest.mark.parametrize("truncation", ["head", "head_tail", "chunks"])
def test_long_texts_are_explained_as_they_are_read(
    finished_reviews: Finished, truncation: str, tmp_path: Path
) -> None:
    classifier = finished_reviews.model.classifier
    cutting = replace(classifier.cutting, truncation=truncation, max_chunks=3)
    replace(classifier, cutting=cutting).save(tmp_path / "model")
    text = f"{'good ' * 10}{'film ' * 20}{'bad ' * 9}"
    test = pd.DataFrame({"example_id": [0, 1], "text": [text, text], "label": [0, 1]})
    model = ask_all(test, tmp_path)
    found = explain_mistakes(model, examples=2)
    words = found.words["word"].value_counts()
    assert words.get("bad", 0) == {"head": 0, "head_tail": 9, "chunks": 9}[truncation]
    assert words.sum() == {"head": 14, "head_tail": 14, "chunks": 39}[truncation]
    assert found.texts["error"].max() <= 0.05
    unread = "characters that are not read" in show_saliency(found)._repr_html_()
    assert unread == (truncation != "chunks")


def test_both_texts_of_a_pair_are_explained(finished_reviews: Finished) -> None:
    test = pd.DataFrame(
        {"example_id": [0, 1], "text": "good film", "text_pair": "bad story", "label": [0, 1]}
    )
    model = ask_all(test, finished_reviews.folder)
    found = explain_mistakes(model, examples=2)
    assert found.words["word"].tolist() == ["good", "film", "bad", "story"]
    assert found.words["part"].tolist() == [0, 0, 1, 1]
    shown = BeautifulSoup(show_saliency(found)._repr_html_(), "html.parser")
    assert [p.get_text() for p in shown.select(".nb-body")][:2] == ["good film", "bad story"]


def test_nothing_wrong_or_nothing_asked_is_not_applicable(finished_reviews: Finished) -> None:
    model, errors = finished_reviews.model, finished_reviews.errors
    with pytest.raises(NotApplicableError, match="explain_examples is 0"):
        explain_mistakes(model, examples=0)
    right = errors.predictions.assign(label=errors.predictions["predicted"])
    perfect = find_errors(right, errors.texts, label_names=errors.label_names)
    with pytest.raises(NotApplicableError, match="Nothing on the test split is wrong"):
        worst_mistakes(perfect, 3)


def test_missing_model_fails_its_section_alone(finished_reviews: Finished, tmp_path: Path) -> None:
    missing = SavedModel(tmp_path / "gone", finished_reviews.errors)
    with pytest.raises(CheckpointError, match="expected a model that nbutils has fine-tuned"):
        explain_mistakes(missing, examples=1)
    sections = Sections()
    found = sections.run("saliency", explain_mistakes, missing, examples=1)
    assert found.status == "failed"


@pytest.mark.parametrize(
    ("total", "difference", "error"),
    [(1, 1, 0), (0.9, 1, 0.1), (-1.1, -1, 0.1), (3, 0, 1), (0, 0, 0)],
)
def test_error_is_a_share_of_what_should_be(total: float, difference: float, error: float) -> None:
    assert completeness_error(total, difference) == pytest.approx(error)


def test_shading_is_told_by_line_and_weight_and_in_words(explained: Saliency) -> None:
    shown = BeautifulSoup(show_saliency(explained)._repr_html_(), "html.parser")
    cards = shown.select(".nb-example")
    assert len(cards) == 6
    for card, row in zip(cards, explained.texts.itertuples(), strict=True):
        text, told = (part.get_text() for part in card.select(".nb-body"))
        assert text == row.text
        spans = card.select(".nb-body span[style]")
        marked = {span.get_text(): span["style"] for span in spans}
        own = explained.words[explained.words["example_id"] == row.example_id]
        for word, score in zip(own["word"], own["score"], strict=True):
            if list(own["word"]).count(word) == 1 and word in marked:
                assert ("solid" if score > 0 else "dotted") in marked[word]
        strongest = own.loc[own["score"].abs().idxmax(), "word"]
        assert strongest in [span.get_text() for span in spans if "weight:700" in span["style"]]
        heard = pd.concat(explained.top_words(row.example_id)).abs().idxmax()
        score = own.loc[own["word"] == heard, "score"].sum()
        assert f"{heard} {score:+.2g}" in told
        assert f"{row.error:.1%}" in card.get_text()
    assert repr(show_saliency(explained)).count("\n") == 5


def test_output_that_padding_gets_too_is_said_to_be_hardly_explained(explained: Saliency) -> None:
    (row,) = explained.texts.head(1).to_dict("records")
    for baseline, told in [(row["value"] - 0.01, True), (-row["value"], False)]:
        other = replace(explained, texts=pd.DataFrame([row | {"baseline": baseline}]))
        assert ("Padding alone gets nearly the same" in repr(show_saliency(other))) == told


def test_hostile_text_is_shown_and_adds_no_element(finished_reviews: Finished) -> None:
    text = "<script>alert(1)</script> good \u202efilm \x1b[1m</p>"
    test = pd.DataFrame({"example_id": [0, 1], "text": text, "label": [0, 1]})
    model = ask_all(test, finished_reviews.folder)
    html = show_saliency(explain_mistakes(model, examples=2))._repr_html_()
    assert "<script" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "[U+202E]" in html
