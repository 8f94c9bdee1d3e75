"""Copies of training texts among test texts: all are found, and the score without them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from nbutils.analysis import leakage
from nbutils.analysis.errors import Errors, find_errors
from nbutils.analysis.leakage import Leakage, audit_leakage, measure_inflation
from nbutils.analysis.suspects import find_suspects
from nbutils.errors import NotApplicableError
from nbutils.metrics import wilson_interval
from nbutils.sections import Sections
from nbutils.views.leakage import tabulate_leakage

WORDS = np.array([f"word{place}" for place in range(3000)])


def make_texts(n: int, *, seed: int, first_id: int = 0) -> pd.DataFrame:
    """Return `n` texts of twenty words that have next to nothing in common."""
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, 20)) for _ in range(n)]
    ids = np.arange(first_id, first_id + n)
    return pd.DataFrame({"example_id": ids, "text": texts, "label": ids % 2})


def make_errors(test: pd.DataFrame, wrong: np.ndarray, *, prob: float = 0.3) -> Errors:
    """Return errors of a model that gives the label of a mistake a probability of `prob`."""
    predicted = np.where(wrong, 1 - test["label"], test["label"])
    sure = np.where(wrong, 1 - prob, 0.9)
    table = test[["example_id", "label"]].assign(
        split="test",
        predicted=predicted,
        prob_no=np.where(predicted == 0, sure, 1 - sure),
        prob_yes=np.where(predicted == 1, sure, 1 - sure),
    )
    return find_errors(table, test[["example_id", "text"]], label_names=("no", "yes"))


def change_a_word(text: str, place: int) -> str:
    """Return the text with one of its words changed."""
    words = text.split()
    words[place] = "changed"
    return " ".join(words)


@pytest.fixture
def splits() -> tuple[pd.DataFrame, pd.DataFrame]:
    return make_texts(600, seed=1, first_id=1000), make_texts(400, seed=2)


def audit(train: pd.DataFrame, test: pd.DataFrame, *, wrong: np.ndarray | None = None) -> Leakage:
    return audit_leakage(
        make_errors(test, np.zeros(len(test), bool) if wrong is None else wrong), train
    )


def test_all_exact_copies_are_found(splits: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, test = splits
    test.loc[:99, "text"] = train["text"].head(100).to_numpy()
    test.loc[:9, "text"] = test["text"].head(10).str.upper() + "  "
    found = audit(train, test)
    assert found.exact == 100
    assert sorted(found.copies["example_id"]) == list(range(100))
    assert (found.copies["train_id"] == found.copies["example_id"] + 1000).all()
    assert found.copies["same_label"].all()
    assert sorted(found.tags_of_texts()["copy in training"]) == list(range(100))


def test_copies_with_a_changed_word_in_twenty_are_found(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    train, test = splits
    test.loc[:199, "text"] = [
        change_a_word(text, place % 20) for place, text in enumerate(train["text"].head(200))
    ]
    found = audit(train, test)
    assert found.exact == 0
    assert len(found.copies) >= 0.95 * 200
    assert set(found.copies["example_id"]) <= set(range(200))
    assert found.copies["similarity"].head(20).between(0.7, 0.95).all()


def test_text_that_is_like_a_copy_is_no_copy(splits: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, test = splits
    words = list(WORDS[:40])
    train.loc[0, "text"] = " ".join(words)
    for step in range(6):  # each differs from the one before it in two words
        words[6 * step + 1], words[6 * step + 4] = f"one{step}", f"two{step}"
        test.loc[step, "text"] = " ".join(words)
    found = audit(train, test)
    assert found.copies["example_id"].tolist() == [0]
    assert found.copies["similarity"].tolist() == [pytest.approx(35 / 43)]


def test_copy_is_told_with_the_nearest_training_text(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    train, test = splits
    first = train.loc[0, "text"]
    train.loc[1, "text"] = change_a_word(first, 4)
    test.loc[0, "text"] = change_a_word(train.loc[1, "text"], 19)
    found = audit(train, test)
    assert found.copies["train_id"].tolist() == [1001]
    assert found.copies["similarity"].tolist() == [pytest.approx(18 / 20)]


def test_large_groups_of_copies_are_compared_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "MOST_COMPARED", 5)
    text = " ".join(WORDS[:60])
    train = pd.DataFrame({"example_id": range(100, 160), "label": 0})
    train["text"] = [change_a_word(text, place) for place in range(60)]
    test = pd.DataFrame({"example_id": range(60), "label": 0})
    test["text"] = [f"{own} more" for own in train["text"]]
    assert len(audit(train, test).copies) == 60


def test_accuracy_without_copies_is_that_of_the_other_texts(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    train, test = splits
    test.loc[:99, "text"] = train["text"].head(100).to_numpy()
    wrong = np.arange(400) >= 300
    found = audit(train, test, wrong=wrong)
    scores = found.scores.set_index("test_texts")
    assert scores.loc["all", ["value", "n"]].tolist() == [0.75, 400]
    clean = scores.loc["without copies"]
    assert clean[["value", "n"]].tolist() == [pytest.approx(2 / 3), 300]
    assert (clean["low"], clean["high"]) == wilson_interval(200, 300)
    assert found.inflation is not None
    value, low, high = found.inflation
    assert value == pytest.approx(0.75 - 2 / 3)
    assert 0 < low < value < high
    (advice,) = found.advice()
    assert advice.action.startswith("Take the 100 test texts")
    assert "+8.3 points" in advice.evidence
    json.dumps(found.findings(), allow_nan=False)


def test_interval_of_the_inflation_covers_the_truth() -> None:
    random, draws, covered = np.random.default_rng(0), 400, 0
    right = np.where(np.arange(300) < 60, 0.95, 0.8)
    for _ in range(draws):
        found = measure_inflation(random.random(300) < right, np.arange(300) < 60)
        assert found is not None
        covered += found[1] <= 0.2 * 0.15 <= found[2]
    assert 0.93 * draws <= covered <= 0.975 * draws


def test_no_copies_is_a_result_and_no_advice(splits: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = audit(*splits, wrong=np.arange(400) % 4 == 0)
    assert found.copies.empty
    assert found.inflation == (0, 0, 0)
    assert found.scores["value"].head(3).tolist() == [0.75] * 3
    assert found.advice() == []
    json.dumps(found.findings(), allow_nan=False)


def test_suspect_labels_are_left_out_of_a_score(splits: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, test = splits
    errors = make_errors(test, np.arange(400) < 40, prob=0.01)
    found = audit_leakage(errors, train, suspects=range(30))
    assert found.suspects == 30
    score = found.scores.set_index("test_texts").loc["without suspect labels"]
    assert score[["value", "n"]].tolist() == [pytest.approx(360 / 370), 370]
    assert "without the 30 suspect labels" in repr(tabulate_leakage(found))


def test_suspects_are_those_that_confident_learning_flags(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    train, test = splits
    errors = make_errors(test, np.arange(400) < 40, prob=0.01)
    sections = Sections()
    flagged = sections.run("suspects", find_suspects, errors).value
    assert flagged is not None
    tagged = sections.tags()["label suspect"]
    found = audit_leakage(errors, train, suspects=tagged)
    assert found.suspects == len(flagged.rows) > 0


def test_without_a_look_at_labels_their_rows_are_left_out(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    train, test = splits
    found = audit_leakage(make_errors(test, np.arange(400) < 40, prob=0.01), train)
    assert found.suspects is None
    assert found.findings()["suspects"] is None
    assert found.scores["test_texts"].tolist() == ["all", "without exact copies", "without copies"]
    assert "suspect" not in repr(tabulate_leakage(found))


def test_test_split_of_copies_alone_says_nothing(splits: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, _ = splits
    test = train.head(30).assign(example_id=range(30), label=1)
    found = audit(train, test)
    assert found.inflation is None
    assert "No test text is without a copy" in found.advice()[0].evidence
    assert not found.copies["same_label"].all()
    json.dumps(found.findings(), allow_nan=False)


def test_pairs_are_copies_only_as_a_whole() -> None:
    train = make_texts(20, seed=1, first_id=100)
    train["text_pair"] = make_texts(20, seed=3)["text"]
    test = train.assign(example_id=range(20))
    test.loc[10:, "text_pair"] = make_texts(10, seed=4)["text"].to_numpy()
    errors = make_errors(test, np.zeros(20, bool))
    errors = find_errors(
        errors.predictions, test[["example_id", "text", "text_pair"]], label_names=("no", "yes")
    )
    assert sorted(audit_leakage(errors, train).copies["example_id"]) == list(range(10))


def test_sets_of_labels_are_scored_as_a_whole() -> None:
    train = make_texts(40, seed=1, first_id=100)
    train["label"] = pd.Series([np.array([0]), np.array([], int)] * 20, dtype=object)
    test = train.head(30).assign(example_id=range(30))
    test["text"] = [*train["text"].head(10), *make_texts(20, seed=2)["text"]]
    table = test[["example_id"]].assign(split="test", prob_a=0.5, prob_b=0.5)
    table["label"] = pd.Series([(0,), ()] * 15, dtype=object)
    table["predicted"] = pd.Series([(0,), (1,)] * 15, dtype=object)
    errors = find_errors(table, test[["example_id", "text"]], label_names=("a", "b"))
    found = audit_leakage(errors, train)
    assert found.scores["value"].head(3).tolist() == [0.5] * 3
    assert found.copies["same_label"].tolist() == [True] * 10


def test_without_training_texts_there_is_nothing_to_audit(
    splits: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    with pytest.raises(NotApplicableError, match="found 0 and 400"):
        audit(splits[0].head(0), splits[1])
