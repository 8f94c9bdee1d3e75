"""Flips: counted where the model sees a change, and shown as they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import make_reviews
from finished import Finished, ask_all, finish_reviews
from hypothesis import given
from hypothesis import strategies as st

from nbutils.analysis.errors import find_errors
from nbutils.analysis.perturbations import Perturbations, find_flips
from nbutils.analysis.text_changes import CHANGES
from nbutils.errors import NotApplicableError
from nbutils.metrics import wilson_interval
from nbutils.plots import alt_text, plot_flip_rates
from nbutils.views.perturbations import mark_change, show_flips, tabulate_changes, tell_unseen

INVISIBLE = ["lower case", "upper case", "double spaces"]  # an uncased tokenizer strips spaces


def find(finished: Finished, *, texts: int = 30, seed: int = 0) -> Perturbations:
    return find_flips(finished.model, texts=texts, seed=seed)


@pytest.fixture(scope="module")
def wavering(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return a model that says yes to every other text, by a hair: little flips it."""
    folder = tmp_path_factory.mktemp("wavering")
    finished = finish_reviews(folder, tiny_bert, epochs=1, learning_rate=1e-5)
    pred_probs = finished.errors.predictions[["prob_neg", "prob_pos"]].to_numpy()
    classifier = finished.model.classifier
    with torch.no_grad():
        odds = np.median(np.log(pred_probs[:, 1] / pred_probs[:, 0]))
        classifier.model.classifier.bias[1] -= float(odds)
    classifier.save(folder / "model")
    test = finished.errors.texts.assign(label=finished.errors.predictions["label"].to_numpy())
    return replace(finished, errors=ask_all(test, folder).errors)


@pytest.fixture(scope="module")
def found(wavering: Finished) -> Perturbations:
    return find(wavering, texts=40)


def counted(found: Perturbations, change: str) -> dict[str, float]:
    return found.kinds.set_index("change").loc[change].to_dict()


def test_texts_add_up_in_every_kind(found: Perturbations) -> None:
    kinds = found.kinds
    assert kinds["change"].tolist() == [change.name for change in CHANGES]
    assert (kinds["invisible"] + kinds["not_read"] + kinds["read"] == kinds["changed"]).all()
    assert (kinds["changed"] <= found.texts).all()
    assert (kinds["broken"] + kinds["mended"] <= kinds["flips"]).all()
    for row in kinds[kinds["read"] > 0].itertuples():
        assert (row.low, row.high) == wilson_interval(row.flips, row.read)
    assert kinds.loc[kinds["read"] == 0, ["rate", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("change", INVISIBLE)
def test_change_that_makes_the_same_tokens_is_invisible_and_not_robust(
    found: Perturbations, change: str
) -> None:
    counts = counted(found, change)
    # made-up reviews have no capitals, so there is nothing to make small
    expected = 0 if change == "lower case" else 40
    assert (counts["changed"], counts["invisible"], counts["read"]) == (expected, expected, 0)
    assert np.isnan(counts["rate"])
    assert change in repr(tell_unseen(found))
    assert change not in tabulate_changes(found).frame["change"].tolist()


def test_flips_are_those_that_the_model_makes(wavering: Finished, found: Perturbations) -> None:
    flips, classifier = found.flips, wavering.model.classifier
    assert len(flips) >= 5
    assert flips["change"].value_counts().to_dict() == {
        row.change: row.flips for row in found.kinds.itertuples() if row.flips
    }
    names = classifier.classes.names
    for column, label, confidence in [
        ("before", "predicted", "confidence"),
        ("after", "changed_to", "confidence_after"),
    ]:
        again = classifier.predict(flips[column].tolist())
        assert [names[k] for k in again.pred_probs.argmax(axis=1)] == flips[label].tolist()
        assert again.pred_probs.max(axis=1) == pytest.approx(flips[confidence], abs=1e-4)
    assert (flips["predicted"] != flips["changed_to"]).all()
    assert flips["confidence"].is_monotonic_decreasing
    texts = wavering.errors.texts.set_index("example_id")["text"]
    assert (texts[flips["example_id"]].to_numpy() == flips["before"]).all()


def test_same_seed_changes_the_same_texts_in_the_same_way(wavering: Finished) -> None:
    one, same, other = (find(wavering, texts=15, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.kinds, same.kinds)
    pd.testing.assert_frame_equal(one.flips, same.flips)
    assert not one.flips.equals(other.flips)


def test_no_more_texts_than_there_are_are_taken(finished_reviews: Finished) -> None:
    assert find(finished_reviews, texts=1000).texts == 40
    assert find(finished_reviews, texts=5).texts == 5


def test_model_that_always_says_the_same_never_flips(
    finished_reviews: Finished, tmp_path: Path
) -> None:
    classifier = finished_reviews.model.classifier
    with torch.no_grad():
        classifier.model.classifier.weight.zero_()
    classifier.save(tmp_path / "model")
    test = finished_reviews.errors.texts.assign(label=0)
    model = ask_all(test, tmp_path)
    found = find_flips(model, texts=30, seed=0)
    assert found.kinds["flips"].sum() == 0
    assert counted(found, "typo")["read"] == 30
    assert found.advice() == []
    assert "No small change flipped a prediction" in repr(show_flips(found))


def test_change_beyond_the_cut_is_not_read(finished_reviews: Finished) -> None:
    reviews = make_reviews(12)
    texts = [f"{a} {b}" for a, b in zip(reviews["text"][:6], reviews["text"][6:], strict=True)]
    test = pd.DataFrame({"example_id": range(6), "text": texts, "label": [0, 1] * 3})
    model = ask_all(test, finished_reviews.folder)
    found = find_flips(model, texts=6, seed=0)
    after = counted(found, "sentence after")
    assert after["not_read"] == after["changed"] > 0
    assert "Beyond what is read of these texts: sentence after" in repr(tell_unseen(found))
    # a typo is made in what is read
    assert counted(found, "typo")["read"] == 6
    assert counted(found, "sentence before")["read"] == after["changed"]


def test_tail_that_is_read_is_changed_too(finished_reviews: Finished, tmp_path: Path) -> None:
    classifier = finished_reviews.model.classifier
    cutting = replace(classifier.cutting, truncation="chunks", max_chunks=4)
    replace(classifier, cutting=cutting).save(tmp_path / "model")
    texts = [" ".join(make_reviews(3, seed=seed)["text"]) for seed in range(6)]
    test = pd.DataFrame({"example_id": range(6), "text": texts, "label": [0, 1] * 3})
    model = ask_all(test, tmp_path)
    found = find_flips(model, texts=6, seed=0)
    assert counted(found, "sentence after")["read"] > 0
    assert counted(found, "typo")["read"] == 6


def test_sets_of_labels_flip_as_a_whole(finished_topics: Finished) -> None:
    found = find(finished_topics, texts=40)
    flips, classifier = found.flips, finished_topics.model.classifier
    assert len(flips) > 0
    again = classifier.predict(flips["after"].tolist())
    said = ["; ".join(own) or "(none)" for own in again]
    assert said == flips["changed_to"].tolist()
    sure = np.where(classifier.decide(again.pred_probs), again.pred_probs, 1 - again.pred_probs)
    assert sure.min(axis=1) == pytest.approx(flips["confidence_after"], abs=1e-4)


def test_pairs_are_changed_without_new_sentences(finished_reviews: Finished) -> None:
    reviews = make_reviews(20)["text"].tolist()
    test = pd.DataFrame(
        {"example_id": range(10), "text": reviews[:10], "text_pair": reviews[10:], "label": 0}
    )
    model = ask_all(test, finished_reviews.folder)
    found = find_flips(model, texts=10, seed=0)
    assert found.kinds["change"].tolist() == [c.name for c in CHANGES if c.pairs]
    assert not found.kinds["change"].str.startswith("sentence").any()
    assert all(text.count("\n") == 1 for text in found.flips["after"])


def test_nothing_to_change_is_told(finished_reviews: Finished) -> None:
    test = pd.DataFrame({"example_id": [0, 1], "text": ["a", "it"], "label": [0, 1]})
    model = ask_all(test, finished_reviews.folder)
    found = find_flips(model, texts=2, seed=0)
    assert (found.kinds["read"] == 0).all()
    assert "no text has anything to change" in repr(tell_unseen(found))
    assert len(tabulate_changes(found).frame) == 0
    assert "no change is seen" in alt_text(plot_flip_rates(found).figure)
    errors = model.errors
    no_test = find_errors(
        errors.predictions.assign(split="validation"), errors.texts, label_names=errors.label_names
    )
    for texts, other in [(0, model), (5, replace(model, errors=no_test))]:
        with pytest.raises(NotApplicableError, match=r"perturbations is \d, and there are \d test"):
            find_flips(other, texts=texts, seed=0)


@pytest.mark.parametrize(
    ("flips", "read", "advised"),
    [
        (0, 100, 0),
        (5, 100, 0),  # of so many kinds one has as many by chance
        (8, 100, 1),
        (60, 100, 1),
        (1, 3, 0),
        (3, 3, 0),  # surely more than 2 %, and an anecdote
        (5, 5, 1),
    ],
)
def test_only_a_rate_that_is_surely_high_is_advised_against(
    found: Perturbations, flips: int, read: int, advised: int
) -> None:
    low, high = wilson_interval(flips, read)
    quiet = found.kinds.assign(flips=0, rate=0.0)
    typo = quiet["change"] == "typo"
    values = [read, flips, flips / read, low, high]
    quiet.loc[typo, ["read", "flips", "rate", "low", "high"]] = values
    advice = replace(found, kinds=quiet).advice()
    assert len(advice) == advised
    if advice:
        assert f"{flips} of {read} predictions" in advice[0].action
        assert "letters swapped" in advice[0].action
        tried = int((quiet["read"] > 0).sum())
        said = f"{low:.1%} to {high:.1%}, the only one surely above 2% (1 of {tried} kinds"
        assert said in advice[0].evidence
        assert advice[0].gain is None


def test_rate_of_few_texts_is_not_called_lower_than_that_of_many(found: Perturbations) -> None:
    kinds = found.kinds.assign(read=100, flips=0, rate=0.0)
    for place, (read, flips) in enumerate([(4, 4), (100, 20), (100, 40)]):
        row = kinds.index[place]
        kinds.loc[row, ["read", "flips", "rate"]] = [read, flips, flips / read]
    (advice,) = replace(found, kinds=kinds).advice()
    assert "40 of 100 predictions" in advice.action
    assert f"the highest of those surely above 2% (2 of {len(kinds)}" in advice.evidence


def test_finding_is_small_and_plain(found: Perturbations) -> None:
    written = json.loads(json.dumps(found.findings(), allow_nan=False))
    assert written["texts"] == 40
    assert len(written["flips"]) == len(found.flips)
    assert not {"before", "after"} & set(written["flips"][0])
    many = replace(found, flips=pd.concat([found.flips] * 50))
    assert len(many.findings()["flips"]) == 200


def test_plot_says_its_numbers(found: Perturbations) -> None:
    alt = alt_text(plot_flip_rates(found).figure)
    assert f"typo {counted(found, 'typo')['flips']} of 40" in alt


WORDS = st.sampled_from(["good", "bad,", "film!", "the", "", "a\nb"])
SENTENCES = st.lists(WORDS, max_size=9).map(" ".join)


@given(SENTENCES, SENTENCES)
def test_marked_texts_are_the_texts(before: str, after: str) -> None:
    went, came = mark_change(before, after)
    assert (plain(went), plain(came)) == (before, after)
    unmarked = [re.sub("<(del|ins)[^>]*>[^<]*</(del|ins)>", "", html) for html in (went, came)]
    assert unmarked[0] == unmarked[1]


def plain(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html))


def test_long_text_is_shown_around_its_change() -> None:
    before = f"{'word ' * 300}good{' word' * 300}"
    went, came = mark_change(before, before.replace("good", "godo"))
    assert went.startswith("\u2026 ")
    assert went.endswith(" \u2026")
    assert len(BeautifulSoup(went, "html.parser").get_text()) < 400
    assert ">good</del>" in went
    assert ">godo</ins>" in came


def test_end_of_what_is_shown_is_no_difference() -> None:
    before = "wait, " * 200
    went, came = (plain(html) for html in mark_change(before, before.replace(",", "")))
    assert went.count("wait") == came.count("wait") > 50
    assert went.count("wait") - went.count(",") in {0, 1}
    assert "wait</del>" not in mark_change(before, before.replace(",", ""))[0]
    assert "<ins" not in mark_change(before, before.replace(",", ""))[1]


def test_cards_show_both_texts_and_hide_nothing(found: Perturbations) -> None:
    shown = BeautifulSoup(show_flips(found, most=3)._repr_html_(), "html.parser")
    cards = shown.select(".nb-example")
    assert len(cards) == min(3, len(found.flips))
    for card, row in zip(cards, found.flips.itertuples(), strict=False):
        assert f"Before: {row.before}" in card.get_text()
        assert f"After: {row.after}" in card.get_text()
        assert row.changed_to in card.get_text()
    assert f"the surest {3}" in shown.get_text() or len(found.flips) <= 3
    text = "<script>alert(1)</script>\u202e</p>"
    hostile = replace(found, flips=found.flips.assign(before=text, after=text + "!", label=text))
    html = show_flips(hostile)._repr_html_()
    assert "<script" not in html
    assert "\u202e" not in html
    assert repr(show_flips(found)).count("\n") == min(20, len(found.flips)) - 1
