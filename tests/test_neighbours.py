"""Neighbours of mistakes: planted ones are found, counted and told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from datasets import Dataset, DatasetDict
from finished import Finished, ask_all, finish_reviews

from nbutils.analysis import neighbours as module
from nbutils.analysis.neighbours import Neighbours, find_neighbours, mean_score, sample_training
from nbutils.analysis.representations import represent
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.errors import NotApplicableError
from nbutils.metrics import Score, proportion, wilson_interval
from nbutils.params.cutting import Cutting
from nbutils.prediction import predict_logits
from nbutils.views.neighbours import show_neighbours, tabulate_neighbours

TEXTS = ["good film", "a dull and dreadful story", "very", "the music was not lovely " * 4]


def find(finished: Finished, **changes: object) -> Neighbours:
    given: dict[str, Any] = {"data": finished.data, "examples": 3, "seed": 0} | changes
    return find_neighbours(finished.model, **given)


@pytest.mark.parametrize("cutting", [Cutting(16), Cutting(8, "chunks", 3)], ids=str)
def test_representation_is_what_the_last_layer_reads(tiny_bert: Path, cutting: Cutting) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b", "c"]).eval()
    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=cutting)
    found = represent(model, encoded, precision="fp32")
    assert found.shape == (4, 32)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    logits = predict_logits(model, encoded)
    weight, bias = (part.detach().double().numpy() for part in model.classifier.parameters())
    directions = (logits - bias) / np.linalg.norm(logits - bias, axis=1, keepdims=True)
    expected = found @ weight.T
    assert expected / np.linalg.norm(expected, axis=1, keepdims=True) == pytest.approx(
        directions, abs=1e-4
    )
    assert not model.classifier._forward_pre_hooks


def test_model_without_a_last_vector_per_text_is_refused(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"]).eval()
    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=Cutting(16))
    head = model.classifier
    model.classifier = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 32)), head, torch.nn.Flatten())
    with pytest.raises(NotApplicableError, match=r"reads 4 x 1 x 32 numbers, not one vector"):
        represent(model, encoded, precision="fp32")
    model.classifier = torch.nn.Identity()
    with pytest.raises(NotApplicableError, match="no last linear layer"):
        represent(model, encoded, precision="fp32")


@pytest.mark.parametrize("said", ["predicted", "true"])
def test_copy_of_a_mistake_in_training_is_its_nearest_text(
    said: str, tiny_bert: Path, tmp_path: Path
) -> None:
    # hardly trained, so that the texts of a class are not all in one place
    finished = finish_reviews(tmp_path, tiny_bert, epochs=1, learning_rate=1e-6)
    mistake = finished.errors.mistakes().iloc[0]
    label = mistake["predicted"] if said == "predicted" else mistake["label"]
    train = finished.data["train"].to_pandas()
    train.loc[7, ["text", "label"]] = [mistake["text"], int(label == "pos")]
    found = find(finished, data=DatasetDict(train=Dataset.from_pandas(train)))
    nearest = found.near[found.near["example_id"] == mistake["example_id"]].iloc[0]
    assert nearest["neighbour_id"] == 7
    assert nearest["similarity"] == pytest.approx(1, abs=1e-5)
    assert nearest["said"] == said
    assert (found.searched, found.of) == (80, 80)


def test_labels_of_neighbours_are_counted_over_all_mistakes(finished_reviews: Finished) -> None:
    found = find(finished_reviews)
    mistakes = finished_reviews.errors.mistakes()
    assert len(mistakes) > 3
    assert found.taught.n == found.as_predicted.n == len(mistakes)
    assert len(found.texts) == 3
    assert found.near.groupby("example_id").size().tolist() == [5, 5, 5]
    assert found.near["similarity"].is_monotonic_decreasing or all(
        own.is_monotonic_decreasing for _, own in found.near.groupby("example_id")["similarity"]
    )
    # the labels of six test reviews were turned: the model is right, and so is training
    assert found.taught.value == 1
    assert found.as_predicted_if_right.value == 1
    assert found.advice() == []  # neighbours agree with whatever this model says
    every = find(finished_reviews, examples=200)
    shares = (every.near["said"] == "predicted").groupby(every.near["example_id"]).mean()
    assert found.as_predicted.value == pytest.approx(shares.mean())
    assert found.taught.value == (shares > 0.5).mean()


def test_training_labels_that_agree_with_mistakes_are_advised_to_be_read(
    finished_reviews: Finished,
) -> None:
    found = replace(find(finished_reviews), as_predicted=Score(0.9, 0.82, 0.95, 50))
    lower = replace(found, as_predicted_if_right=Score(0.7, 0.62, 0.77, 50))
    gap, low, high = lower.surplus()
    assert (gap, low) == (pytest.approx(0.2), pytest.approx(0.2 - np.hypot(0.08, 0.07)))
    assert high == pytest.approx(0.2 + np.hypot(0.05, 0.08))
    (advice,) = lower.advice()
    n = lower.near.loc[lower.near["said"] == "predicted", "neighbour_id"].nunique()
    assert f"Read the {n} training texts nearest to the 3 most confident mistakes" in advice.action
    assert "by 20 points" in advice.evidence
    assert advice.gain is None
    for value, low, high in [(0.8, 0.75, 0.86), (0.9, 0.85, 0.95), (1, 0.93, 1), (0, 0, 1)]:
        right = Score(value, low, high, 50)
        assert replace(found, as_predicted_if_right=right).advice() == []
    json.dumps(lower.findings())


def test_mistakes_that_are_counted_are_any_and_those_shown_the_most_confident(
    finished_reviews: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    mistakes = finished_reviews.errors.mistakes()
    drawn: list[tuple[int, ...]] = []
    search = module.TrainingIndex.search

    def watch(index: module.TrainingIndex, texts: Any) -> Any:
        drawn.append(tuple(mistakes.index[mistakes["text"].isin([own[0] for own in texts])]))
        return search(index, texts)

    monkeypatch.setattr(module.TrainingIndex, "search", watch)
    for seed in range(6):
        assert find(finished_reviews, examples=2, seed=seed).taught.n == 2
    counted, shown = drawn[::2], drawn[1::2]
    assert set(shown) == {(0, 1)}
    assert len(set(counted)) > 1


def test_sets_of_labels_agree_as_a_whole(finished_topics: Finished) -> None:
    found = find(finished_topics)
    labels = finished_topics.data["train"].to_pandas().set_index("example_id")["label"]
    names = finished_topics.errors.label_names
    for row in found.near.merge(found.texts, on="example_id").itertuples():
        own = "; ".join(names[k] for k in sorted(labels[row.neighbour_id])) or "(none)"
        assert own == row.label_x
        expected = {row.predicted: "predicted", row.label_y: "true"}.get(own, "other")
        assert row.said == expected


def test_training_texts_are_a_seeded_sample_within_bounds(
    finished_reviews: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, model = finished_reviews.data, finished_reviews.model
    monkeypatch.setattr(module, "MOST_TRAINING_TEXTS", 30)
    one, of = sample_training(data, model, seed=1)
    assert (len(one), of) == (30, 80)
    pd.testing.assert_frame_equal(one, sample_training(data, model, seed=1)[0])
    assert set(one["example_id"]) != set(sample_training(data, model, seed=2)[0]["example_id"])
    monkeypatch.setattr(module, "MOST_TRAINING_TOKENS", 100)
    few, _ = sample_training(data, model, seed=1)
    assert few["example_id"].tolist() == one["example_id"].tolist()[: len(few)]
    encoded = model.encode([(text,) for text in few["text"]])
    assert 0.5 * 100 < encoded.lengths.sum() < 2 * 100
    found = find(finished_reviews, seed=1)
    assert "of 80 training texts were searched" in show_neighbours(found)._repr_html_()


def test_representations_are_computed_once_in_a_run(finished_reviews: Finished) -> None:
    model = finished_reviews.model
    given = {"examples": 2, "seed": 0}
    one = find_neighbours(model, finished_reviews.data, **given)
    known = dict(model.kept)
    again = find_neighbours(model, finished_reviews.data, **given)
    assert {key: id(array) for key, array in known.items()} == {
        key: id(array) for key, array in model.kept.items()
    }
    pd.testing.assert_frame_equal(one.near, again.near)


def test_fewer_training_texts_than_neighbours_are_all_listed(finished_reviews: Finished) -> None:
    few = DatasetDict(train=finished_reviews.data["train"].select(range(2)))
    assert find(finished_reviews, data=few).near.groupby("example_id").size().tolist() == [2, 2, 2]


def test_model_that_is_always_wrong_has_neighbours_too(finished_reviews: Finished) -> None:
    test = finished_reviews.data["test"].to_pandas().iloc[6:]  # the model is right about these
    turned = ask_all(test.assign(label=1 - test["label"]), finished_reviews.folder)
    found = find_neighbours(turned, finished_reviews.data, examples=2, seed=0)
    assert found.taught.n == len(test)
    assert found.as_predicted_if_right.n == 0
    assert (found.as_predicted_if_right.low, found.as_predicted_if_right.high) == (0, 1)


def test_pairs_have_neighbours_too(finished_reviews: Finished) -> None:
    pairs = pd.DataFrame(
        {
            "example_id": range(4),
            "text": ["good", "bad"] * 2,
            "text_pair": "film",
            "label": [0, 1] * 2,
        }
    )
    model = ask_all(pairs, finished_reviews.folder)
    data = DatasetDict(train=Dataset.from_pandas(pairs))
    found = find_neighbours(model, data, examples=2, seed=0)
    assert (found.near["text_pair"] == "film").all()


def test_without_training_texts_or_examples_it_is_not_applicable(
    finished_reviews: Finished,
) -> None:
    with pytest.raises(NotApplicableError, match="no training split at hand"):
        find(finished_reviews, data=DatasetDict())
    with pytest.raises(NotApplicableError, match="explain_examples is 0"):
        find(finished_reviews, examples=0)


def test_mean_has_an_interval_also_where_nothing_varies() -> None:
    assert mean_score(np.ones(10), seed=0) == proportion(10, 10)
    assert mean_score(np.array([]), seed=0).n == 0
    same = mean_score(np.full(10, 0.6), seed=0)
    assert (same.low, same.high) == pytest.approx(wilson_interval(6, 10))
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        score = mean_score(random.beta(2, 1, size=40), seed=seed)
        covered += score.low <= 2 / 3 <= score.high
    assert covered >= 180


def test_views_show_labels_texts_and_shares(finished_reviews: Finished) -> None:
    found = find(finished_reviews)
    shown = BeautifulSoup(show_neighbours(found)._repr_html_(), "html.parser")
    cards = shown.select(".nb-example")
    assert [len(card.select("ol > li")) for card in cards] == [5, 5, 5]
    assert found.near["text"].iloc[0] in cards[0].get_text()
    assert "as the model said" in cards[0].get_text()
    assert repr(show_neighbours(found)).count("\n") == 2
    assert f"{found.as_predicted.value:.1%}".rstrip("%") in repr(tabulate_neighbours(found)) or (
        found.as_predicted.value == 1
    )


def test_hostile_label_and_text_add_no_element(finished_reviews: Finished) -> None:
    found = find(finished_reviews)
    text = "<script>alert(1)</script>\u202e</li>"
    hostile = replace(found, near=found.near.assign(text=text, label=text))
    html = show_neighbours(hostile)._repr_html_()
    assert "<script" not in html
    assert "\u202e" not in html
    assert html.count("</li>") == 15
