"""What cutting costs: counted by hand, and read again by models whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import WORDS, make_reviews

from nbutils.analysis import saved_model
from nbutils.analysis.errors import find_errors
from nbutils.analysis.rereading import (
    Chosen,
    Reread,
    choose_cut,
    estimate_gain,
    reread_tails,
    tail_texts,
)
from nbutils.analysis.saved_model import SavedModel
from nbutils.analysis.slices import find_slices
from nbutils.analysis.truncation import Truncation, audit_truncation, score_by_share
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.errors import NotApplicableError
from nbutils.params.cutting import Cutting

GOOD, BAD = WORDS[:5], WORDS[5:10]


def say(texts: Sequence[str]) -> np.ndarray:
    """Return probabilities (N, 2) of a model that counts good and bad words."""
    scores = [
        sum(word in GOOD for word in text.split()) - sum(word in BAD for word in text.split())
        for text in texts
    ]
    yes = 1 / (1 + np.exp(-np.array(scores, float)))
    return np.stack([1 - yes, yes], axis=1)


def make_test(n: int, *, tail: str) -> pd.DataFrame:
    """Return good reviews that begin with one bad word, and end with five words `tail`."""
    texts = [f"{BAD[0]} {'the story ' * 10}{' '.join([tail] * 5)}" for _ in range(n)]
    head = say([text[:40] for text in texts])
    return pd.DataFrame(
        {
            "example_id": range(n),
            "text": texts,
            "label": 1,
            "predicted": head.argmax(axis=1),
            "prob_neg": head[:, 0],
            "prob_pos": head[:, 1],
        }
    )


def reread(test: pd.DataFrame, tiny_bert: Path) -> Reread:
    chosen = choose_cut(test, cut=np.ones(len(test), bool), limit=10)
    return reread_tails(chosen, load_tokenizer(str(tiny_bert)), predict=say, limit=10)


def test_tail_is_the_last_whole_words_that_fit(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    texts = ["the story is good", "the plot was not very good film", "", "superb  and  dull "]
    tails = tail_texts(texts, tokenizer, limit=6)
    assert tails == ["the story is good", "not very good film", "", "superb  and  dull "]
    for text in tails:
        assert len(tokenizer(text)["input_ids"]) <= 6


def test_tail_does_not_begin_inside_a_word() -> None:
    tokenizer = load_tokenizer("all-MiniLM-L6-v2")
    text = "The antidisestablishmentarianism of yesterday"
    whole = tokenizer.tokenize(text)
    assert whole[-2:] == ["of", "yesterday"]
    for limit in range(5, 2 + len(whole) - 1):
        assert tail_texts([text], tokenizer, limit=limit) == ["of yesterday"]
    assert tail_texts([text[4:34]], tokenizer, limit=5)[0] in text[5:34]


def test_mistakes_that_the_tail_mends_are_counted(tiny_bert: Path) -> None:
    found = reread(make_test(30, tail="superb"), tiny_bert)
    counts = found.counts
    assert (counts["mistakes"], counts["right"]) == (30, 0)
    assert counts["mistakes_changed"] == counts["mistakes_mended"] == 30
    assert counts["mistakes_mended_by_both"] == 30
    value, low, high = found.gain
    assert value == 1
    assert 0.8 < low < value <= high


def test_tail_that_says_the_same_changes_nothing(tiny_bert: Path) -> None:
    found = reread(make_test(30, tail="dreadful"), tiny_bert)
    assert found.counts["mistakes_changed"] == 0
    assert found.gain[0] == 0


def test_right_predictions_that_the_tail_breaks_are_weighed_against_mended_ones(
    tiny_bert: Path,
) -> None:
    mended, broken = make_test(10, tail="superb"), make_test(90, tail="superb").assign(label=0)
    both = pd.concat([mended, broken], ignore_index=True).assign(example_id=range(100))
    found = reread(both, tiny_bert)
    assert found.counts["right_lost_by_both"] == found.counts["right_lost"] == 90
    assert found.gain[0] == pytest.approx(-0.8)
    assert found.gain[2] < 0


def test_what_is_read_again_is_bounded_and_weighted(tiny_bert: Path) -> None:
    test = make_test(1000, tail="superb")
    test.loc[600:, ["label"]] = 0
    test.loc[900:, "text"] = "awful"
    chosen = choose_cut(test, cut=np.arange(1000) < 900, limit=400, seed=1)
    assert (chosen.of_mistakes, chosen.of_right, chosen.all_texts) == (600, 300, 1000)
    assert len(chosen.texts) == 100
    assert (chosen.texts["label"] == 1).sum() == 50
    found = reread_tails(chosen, load_tokenizer(str(tiny_bert)), predict=say, limit=10)
    assert found.gain[0] == pytest.approx(0.6 - 0.3)
    few = choose_cut(test, cut=np.arange(1000) < 603, limit=400)
    assert (few.texts["label"] == 0).sum() == 3
    assert len(few.texts) == 100


@pytest.mark.parametrize(
    ("mistakes", "right", "mended", "lost"), [(40, 360, 0.3, 0.02), (200, 5000, 0.5, 0.01)]
)
def test_interval_of_the_gain_covers_the_truth(
    mistakes: int, right: int, mended: float, lost: float
) -> None:
    random, draws, covered = np.random.default_rng(0), 2000, 0
    wrong = np.arange(mistakes + min(right, 200)) < mistakes
    of_all = mistakes + right + 25
    truth = (mistakes * mended - right * lost) / of_all
    for _ in range(draws):
        share = random.random(len(wrong))
        both = np.where(wrong, share < mended, share >= lost).astype(int)
        table = pd.DataFrame({"label": 1, "predicted": np.where(wrong, 0, 1), "both": both})
        _, low, high = estimate_gain(table, Chosen(table, mistakes, right, of_all))
        covered += low <= truth <= high
    assert 0.93 * draws <= covered <= 0.97 * draws


def test_accuracy_goes_by_the_share_that_is_cut() -> None:
    lost = np.array([0, 0, 0.25, 0.26, 0.9, np.nan])
    right = np.array([True, False, True, True, False, True])
    table = score_by_share(lost, right)
    assert table["cut"].tolist() == ["whole", "up to 25 %", "25 to 50 %", "75 to 100 %"]
    assert table["n"].tolist() == [2, 1, 1, 1]
    assert table["value"].tolist() == [0.5, 1, 1, 0]


@pytest.mark.parametrize(
    ("cutting", "fit", "longest", "said"),
    [
        (
            Cutting(128),
            300,
            512,
            "set max_length to 300, which 95 % of them fit into, or truncation",
        ),
        (
            Cutting(128),
            900,
            512,
            "set max_length to 512, the most that the model has positions for",
        ),
        (
            Cutting(512),
            900,
            512,
            "set truncation to head_tail or chunks; the model has no positions",
        ),
        (Cutting(128), 300, None, "set max_length to 300"),
        (Cutting(64, "chunks", 4), 900, 512, "raise max_chunks above 4"),
    ],
)
def test_advice_names_what_the_model_can_read(
    cutting: Cutting, fit: int, longest: int | None, said: str
) -> None:
    table = pd.DataFrame({"label": [1], "predicted": [0], "tail": [1], "both": [1]})
    shares = score_by_share(np.array([0.5]), np.array([False]))
    for low, advised in ((0.01, 1), (-0.01, 0)):
        found = Truncation(
            cutting, shares, 0.5, 0.3, fit, longest, reread=Reread(table, 1, 0, (0.02, low, 0.03))
        )
        assert len(found.advice()) == advised
    found = Truncation(
        cutting, shares, 0.5, 0.3, fit, longest, Reread(table, 1, 0, (0.02, 0.01, 0.03))
    )
    (advice,) = found.advice()
    assert said in advice.action
    assert advice.gain == 0.02
    json.dumps(found.findings(), allow_nan=False)


@pytest.fixture(scope="module")
def stage(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fine_tune folder whose model reads ten tokens."""
    from nbutils.training.api import fine_tune

    folder = tmp_path_factory.mktemp("fine_tune")
    reviews = make_reviews(40)
    tuned = fine_tune(
        reviews["text"].tolist(), reviews["label"].tolist(),
        model=str(tiny_bert), max_length=10, epochs=1, learning_rate=1e-4,
    )  # fmt: skip
    tuned.save(folder / "model")
    test = make_reviews(60, seed=5)
    predictions = tuned.predict(test["text"].tolist())
    table = pd.DataFrame({"example_id": range(60), "split": "test", "text": test["text"]})
    table["label"] = (test["label"] == "pos").astype(int)
    table["predicted"] = predictions.pred_probs.argmax(axis=1)
    table[["prob_neg", "prob_pos"]] = predictions.pred_probs
    table.to_parquet(folder / "table.parquet")
    return folder


def open_stage(folder: Path) -> SavedModel:
    table = pd.read_parquet(folder / "table.parquet")
    texts = table[["example_id", "text"]]
    errors = find_errors(table.drop(columns="text"), texts, label_names=("neg", "pos"))
    return SavedModel(folder, errors)


def test_saved_model_predicts_what_it_predicted(stage: Path) -> None:
    model = open_stage(stage)
    expected = model.errors.test[["prob_neg", "prob_pos"]].to_numpy()
    np.testing.assert_allclose(
        model.predict(model.errors.texts["text"].tolist()), expected, atol=1e-6
    )
    assert model.predict([]).shape == (0, 2)
    assert model.longest == 64


def test_cut_texts_of_a_saved_model_are_read_again(stage: Path) -> None:
    found = audit_truncation(open_stage(stage))
    assert found.cut_texts == 1
    assert found.cut_tokens == pytest.approx(3 / 13)
    assert (found.fit, found.longest) == (13, 64)
    assert found.reread is not None
    assert len(found.reread.table) == 60
    table = found.reread.table.set_index("example_id")
    for example in found.tags_of_texts()["right by its end"]:
        row = table.loc[example]
        assert row["label"] == row["tail"] != row["predicted"]
    assert found.shares["cut"].tolist() == ["up to 25 %"]
    json.dumps(found.findings(), allow_nan=False)


def test_pairs_and_sets_of_labels_are_not_read_again(stage: Path) -> None:
    model = open_stage(stage)
    pairs = model.errors.texts.assign(text_pair="the film")
    errors = find_errors(model.errors.predictions, pairs, label_names=("neg", "pos"))
    found = audit_truncation(SavedModel(stage, errors))
    assert found.reread is None
    assert found.why == "Pairs of texts are not read again."
    assert found.advice() == []
    assert found.tags_of_texts() == {}
    json.dumps(found.findings(), allow_nan=False)


def test_nothing_cut_is_nothing_to_audit(stage: Path) -> None:
    model = open_stage(stage)
    short = model.errors.texts.assign(text="good film")
    errors = find_errors(model.errors.predictions, short, label_names=("neg", "pos"))
    with pytest.raises(NotApplicableError, match="no test text is longer than the 10 tokens"):
        audit_truncation(SavedModel(stage, errors))


def test_tokens_of_a_sample_are_enough(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_model, "MOST_MEASURED", 40)
    found = audit_truncation(open_stage(stage))
    assert found.sampled
    assert found.shares["n"].sum() == 40
    assert found.reread is not None
    assert found.reread.of_mistakes + found.reread.of_right == 40
    slices = find_slices(open_stage(stage).errors, model=open_stage(stage))
    assert slices.texts == 60
