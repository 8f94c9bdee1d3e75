"""One text asked of one model: as `predict` says it, and with the words that decide."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import TOPICS, WORDS, make_reviews
from finished import Finished
from made_up import AWKWARD

import nbutils
from nbutils.analysis.asking import SupersededError, ask_text, explain_text
from nbutils.analysis.questions import describe_output
from nbutils.analysis.saliency import explain_mistakes
from nbutils.encoder.swap import FastEncoder
from nbutils.errors import DataError, ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.classifier import Classifier


@pytest.fixture(scope="module")
def reviewer(finished_reviews: Finished) -> Classifier:
    return finished_reviews.model.classifier


@pytest.fixture(scope="module")
def tagger(finished_topics: Finished) -> Classifier:
    return finished_topics.model.classifier


def test_answer_is_that_of_predict(reviewer: Classifier) -> None:
    texts = make_reviews(6, seed=5)["text"].tolist()
    for text in texts:
        predicted, answer = reviewer.predict([text]), ask_text(reviewer, text)
        assert answer.labels == (predicted[0],)
        assert answer.pred_probs.tolist() == predicted.pred_probs[0].tolist()
        assert list(answer.probabilities) == list(predicted.label_names)
        assert answer.thresholds is None


def test_label_sets_are_given_by_their_thresholds(tagger: Classifier) -> None:
    text = f"the {TOPICS['music'][0]} was {TOPICS['scorn'][0]} and {TOPICS['scorn'][1]}"
    answer = ask_text(tagger, text)
    assert set(answer.labels) == set(tagger.predict([text])[0])
    assert tagger.thresholds is not None
    assert (answer.given == (answer.pred_probs >= tagger.thresholds.values)).all()
    assert answer.contrast().sum() == 1.0
    assert answer.contrast().argmax() == answer.pred_probs.argmax()


def test_equal_classes_give_one_label(reviewer: Classifier) -> None:
    head = reviewer.model.classifier
    kept = {name: own.clone() for name, own in head.state_dict().items()}
    try:
        for own in head.parameters():
            own.data.zero_()
        answer = ask_text(reviewer, "good film")
    finally:
        head.load_state_dict(kept)
    assert answer.pred_probs.tolist() == [0.5, 0.5]
    assert answer.given.tolist() == [True, False]


@pytest.mark.parametrize(
    ("truncation", "pieces", "read", "cut"), [("head", 1, 16, 26), ("head_tail", 1, 16, 26)]
)
def test_tokens_read_cut_and_unknown_are_counted(
    reviewer: Classifier, truncation: str, pieces: int, read: int, cut: int
) -> None:
    known = replace(reviewer, cutting=replace(reviewer.cutting, truncation=truncation))
    answer = ask_text(known, "zebra " + "good " * 39)
    assert (len(answer.pieces), answer.read, answer.cut) == (pieces, read, cut)
    assert answer.unknown == 1


def test_chunks_are_read_one_by_one(reviewer: Classifier) -> None:
    cutting = replace(reviewer.cutting, truncation="chunks", max_chunks=2)
    known = replace(reviewer, cutting=cutting, reads_pairs=None)
    answer = ask_text(known, "good " * 40)
    assert len(answer.pieces) == 2
    assert answer.cut == 42 - known.cutting.limit(2)
    with pytest.raises(DataError, match="found chunks"):
        ask_text(known, "good", "bad")


def test_words_of_the_said_class_decide(reviewer: Classifier) -> None:
    found = explain_text(reviewer, f"the film was {WORDS[0]} and the plot {WORDS[1]}")
    most, _ = found.top_words()
    assert most.index[0] in WORDS[:2]
    assert found.output == "logit of \u201cpos\u201d minus logit of \u201cneg\u201d"
    assert found.error <= 0.05
    assert found.words["score"].sum() == pytest.approx(found.value - found.baseline, rel=0.06)


def test_explanation_is_that_of_the_mistakes(finished_reviews: Finished) -> None:
    known = explain_mistakes(finished_reviews.model, examples=2)
    for row in known.texts.itertuples():
        found = explain_text(finished_reviews.model.classifier, row.text)
        assert (found.output, found.steps) == (row.output, row.steps)
        own = known.words[known.words["example_id"] == row.example_id].drop(columns="example_id")
        pd.testing.assert_frame_equal(found.words, own.reset_index(drop=True), rtol=1e-3, atol=1e-4)


def test_weights_choose_what_is_explained(reviewer: Classifier) -> None:
    text = "a good film"
    one, other = (explain_text(reviewer, text, weights=own) for own in ([1, -1], [-1, 1]))
    assert one.value == pytest.approx(-other.value, rel=1e-4)
    assert one.words["score"].tolist() == pytest.approx((-other.words["score"]).tolist(), abs=1e-4)
    with pytest.raises(ParameterError, match="expected 2 finite numbers, one per label"):
        explain_text(reviewer, text, weights=[1.0])


def test_output_is_said_in_words() -> None:
    assert describe_output(np.array([0.0, 1.0]), "ab") == "logit of \u201cb\u201d"
    said = describe_output(np.array([1.0, -0.5, 0.5]), "abc")
    assert (
        said
        == "logit of \u201ca\u201d plus 0.5 times logit of \u201cc\u201d minus 0.5 times "
        + ("logit of \u201cb\u201d")
    )
    assert describe_output(np.ones(6), "abcdef").endswith("\u201cd\u201d and 2 more")
    assert describe_output(np.zeros(2), "ab") == "nothing"


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_any_text_is_answered_and_explained(reviewer: Classifier, text: str) -> None:
    answer, found = ask_text(reviewer, text), explain_text(reviewer, text)
    assert answer.pred_probs.sum() == pytest.approx(1)
    assert answer.read <= 16
    for row in found.words.itertuples():
        assert row.word == found.texts[0][row.start : row.end]


@pytest.mark.parametrize("texts", [("good film", ""), ("", "bad plot"), ("", ""), ("a", "b " * 99)])
def test_pairs_are_answered_with_either_side_empty(
    reviewer: Classifier, texts: tuple[str, str]
) -> None:
    known = replace(reviewer, reads_pairs=None)
    answer, found = ask_text(known, *texts), explain_text(known, *texts)
    first, second = texts
    assert answer.pred_probs.tolist() == known.predict([first], [second]).pred_probs[0].tolist()
    (piece,) = answer.pieces
    assert (piece.owners < 0).sum() == 3
    filled = {part for part, text in enumerate(texts) if text}
    assert set(found.words["part"]) == filled


def test_threads_get_the_answers_that_one_thread_gets(reviewer: Classifier) -> None:
    texts = make_reviews(12, seed=6)["text"].tolist()
    alone = [ask_text(reviewer, text).pred_probs.tolist() for text in texts]
    scores = [explain_text(reviewer, text).words["score"].tolist() for text in texts]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask_text, reviewer, text) for text in texts]
        explained = [pool.submit(explain_text, reviewer, text) for text in texts]
        assert [found.result().pred_probs.tolist() for found in asked] == alone
        for found, own in zip(explained, scores, strict=True):
            assert found.result().words["score"].tolist() == pytest.approx(own, abs=1e-5)
    assert not isinstance(reviewer.model.base_model.encoder, FastEncoder)


def test_what_nobody_waits_for_is_given_up(reviewer: Classifier) -> None:
    asked: list[bool] = []

    def answer(wanted: bool) -> bool:
        asked.append(wanted)
        return wanted

    assert explain_text(reviewer, "a good film", wanted=lambda: answer(True)).steps
    passes = len(asked)  # as many as the path needs
    assert passes > 1
    for last in range(1, passes + 1):
        asked.clear()
        with pytest.raises(SupersededError, match="a newer text came"):
            explain_text(
                reviewer, "a good film", wanted=lambda last=last: answer(len(asked) + 1 < last)
            )
        assert asked == [True] * (last - 1) + [False]


def test_model_is_left_as_it_was(tiny_bert: object) -> None:
    reviews = make_reviews(16)
    recipe = FineTuneParams.of(
        {"model": str(tiny_bert), "epochs": 1, "max_length": 16, "precision": "fp32"}
    )
    trained = nbutils.fine_tune(reviews["text"].tolist(), reviews["label"].tolist(), params=recipe)
    model = trained.model.train()
    model.base_model.embeddings.requires_grad_(False)
    before = [own.requires_grad for own in model.parameters()]
    explain_text(trained, "a good film")
    assert model.training
    assert [own.requires_grad for own in model.parameters()] == before
    assert all(own.grad is None for own in model.parameters())


def test_copies_of_a_classifier_share_the_turn_of_their_model_alone(reviewer: Classifier) -> None:
    assert replace(reviewer, precision="fp32").turn is reviewer.turn
    copied = pickle.loads(pickle.dumps(reviewer.turn))
    assert copied is not reviewer.turn
    entered = threading.Event()

    def enter() -> None:
        with reviewer.turn:
            entered.set()

    waiting = threading.Thread(target=enter)
    with reviewer.turn, reviewer.turn, copied:
        waiting.start()
        assert not entered.wait(0.05)
    waiting.join(10)
    assert entered.is_set()


def test_what_is_read_without_a_gap_reaches_to_the_cut(reviewer: Classifier) -> None:
    assert ask_text(reviewer, "good film").reach == len("good film")
    assert ask_text(reviewer, "good " * 40).reach == 14 * len("good ")
    answer = ask_text(reviewer, "Good film")
    assert answer.reads_as(ask_text(reviewer, "good  FILM"))
    assert not answer.reads_as(ask_text(reviewer, "good film film"))
