"""Label suspects: wrong labels that were put in are found, and nothing breaks at the extremes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from predicting import make_errors
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from nbutils.analysis.errors import find_errors
from nbutils.analysis.label_checks import check_labels_of
from nbutils.analysis.suspects import Suspects, find_suspects, save_suspects
from nbutils.data.bundled import read_bundled
from nbutils.errors import NotApplicableError
from nbutils.label_sets import set_column, to_indicators
from nbutils.params.error_analysis import ErrorAnalysisParams
from nbutils.sections import Sections
from nbutils.views.suspects import (
    explain_noise,
    point_to_file,
    show_suspects,
    tabulate_noise,
    tabulate_wrong_labels,
)

VIEWS = [tabulate_noise, explain_noise, tabulate_wrong_labels, show_suspects, point_to_file]
NAMES = tuple("abcde")


def suspects_of(labels: Any, pred_probs: NDArray[np.float64]) -> Suspects:
    """Return what is found in labels of N texts, the last half of them test texts."""
    names = NAMES if pred_probs.shape[1] == 5 else tuple(map(str, range(pred_probs.shape[1])))
    ids = np.arange(len(pred_probs))
    predictions = pd.DataFrame(
        {"example_id": ids, "split": np.where(ids < len(ids) // 2, "validation", "test")}
    ).assign(label=labels, predicted=labels)
    probabilities = pd.DataFrame(pred_probs, columns=[f"prob_{name}" for name in names])
    texts = pd.DataFrame({"example_id": ids, "text": [f"text {n}" for n in ids]})
    whole = pd.concat([predictions, probabilities], axis=1)
    return find_suspects(find_errors(whole, texts, label_names=names))


def made_up(
    n: int, n_classes: int, *, noise: float = 0.1, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return labels, the probabilities of a good model, and which labels were flipped."""
    random = np.random.default_rng(seed)
    true = random.integers(0, n_classes, n)
    logits = random.normal(size=(n, n_classes))
    logits[np.arange(n), true] += 4
    flipped = random.random(n) < noise
    labels = np.where(flipped, (true + random.integers(1, n_classes, n)) % n_classes, true)
    odds = np.exp(logits)
    return labels, odds / odds.sum(axis=1, keepdims=True), flipped


@pytest.fixture(scope="module")
def bbc() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return BBC News with a tenth of its labels flipped: labels, probabilities, what was flipped.

    The probabilities are out of sample: TF-IDF with logistic regression, cross-validated.
    """
    raw = read_bundled("bbc-news")
    articles = pd.DataFrame({"text": raw.texts, "label": raw.labels}).drop_duplicates("text")
    true, names = pd.factorize(articles["label"], sort=True)
    random = np.random.default_rng(7)
    flipped = np.zeros(len(true), dtype=bool)
    flipped[random.choice(len(true), len(true) // 10, replace=False)] = True
    moved = (true + random.integers(1, len(names), len(true))) % len(names)
    labels = np.where(flipped, moved, true)
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2),
        LogisticRegression(C=10, solver="newton-cg"),
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    texts = articles["text"].tolist()
    return (
        labels,
        cross_val_predict(model, texts, labels, cv=folds, method="predict_proba"),
        flipped,
    )


def test_flipped_labels_of_bbc_news_rank_first_as_with_cleanlab_by_hand(bbc: Any) -> None:
    from cleanlab.rank import get_label_quality_scores

    labels, pred_probs, flipped = bbc
    first = int(0.12 * len(labels))
    ours = suspects_of(labels, pred_probs).ranking["example_id"].to_numpy()[:first]
    by_hand = np.argsort(get_label_quality_scores(labels, pred_probs), kind="stable")[:first]
    assert flipped[ours].sum() >= 0.8 * flipped.sum()
    assert flipped[ours].sum() >= flipped[by_hand].sum()


def test_suspects_of_bbc_news_are_those_of_cleanlab_and_mostly_wrong(bbc: Any) -> None:
    from cleanlab.filter import find_label_issues

    labels, pred_probs, flipped = bbc
    rows = suspects_of(labels, pred_probs).rows
    by_hand = find_label_issues(
        labels, pred_probs, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    assert rows["example_id"].tolist() == by_hand.tolist()
    found = flipped[rows["example_id"].to_numpy()]
    assert found.mean() >= 0.85
    assert found.sum() >= 0.85 * flipped.sum()


def test_noise_of_bbc_news_is_estimated_within_its_interval(bbc: Any) -> None:
    labels, pred_probs, flipped = bbc
    noise = suspects_of(labels, pred_probs).noise.iloc[0]
    assert noise["low"] < flipped.mean() < noise["high"]
    assert noise["share"] == pytest.approx(flipped.mean(), abs=0.02)


def test_interval_of_the_noise_covers_its_long_run_value() -> None:
    labels, pred_probs, _ = made_up(60_000, 5, seed=1)
    long_run = suspects_of(labels, pred_probs).noise["share"][0]
    hits = 0
    for seed in range(200):
        labels, pred_probs, _ = made_up(400, 5, seed=100 + seed)
        low, high = suspects_of(labels, pred_probs).noise[["low", "high"]].iloc[0]
        hits += low <= long_run <= high
    assert 0.92 <= hits / 200 <= 0.98


def test_pairs_say_which_label_is_taken_for_which() -> None:
    labels, pred_probs, _ = made_up(2000, 5, noise=0)
    taken = np.flatnonzero(labels == 3)[:60]
    labels[taken] = 1  # labels b that are truly d
    pairs = suspects_of(labels, pred_probs).pairs
    assert pairs.loc[0, ["label", "suggested_label"]].tolist() == ["b", "d"]
    # the wrong labels lower the threshold of their class, so that fewer of them stand out
    assert 30 <= pairs["suspects"][0] <= pairs["estimated"][0] <= 60
    assert len(pairs) == 1


@pytest.mark.parametrize(
    ("n", "n_classes"), [(400, 2), (3000, 150), (12, 5)], ids=["two", "many", "few texts"]
)
def test_any_number_of_classes_is_shown(n: int, n_classes: int) -> None:
    labels, pred_probs, _ = made_up(n, n_classes)
    found = suspects_of(labels, pred_probs)
    json.dumps(found.findings(), allow_nan=False)
    assert all(repr(view(found)) and view(found)._repr_html_() for view in VIEWS)
    assert len(found.findings()["pairs"]) <= 100


def test_perfect_model_finds_no_suspect_and_advises_nothing() -> None:
    labels = np.arange(500) % 5
    found = suspects_of(labels, np.eye(5)[labels])
    assert found.rows.empty
    assert found.noise["share"].tolist() == [0]
    assert found.noise["high"][0] > 0
    assert found.advice() == []
    assert found.believable
    assert "No label is suspect." in repr(show_suspects(found))
    assert "No label is estimated to be wrong." in repr(tabulate_wrong_labels(found))


@pytest.mark.parametrize("kind", ["random", "always the same", "always wrong"])
def test_useless_model_is_said_to_be_no_evidence(kind: str) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 600)
    pred_probs = {
        "random": random.dirichlet(np.ones(5), 600),
        "always the same": np.tile([0.4, 0.3, 0.1, 0.1, 0.1], (600, 1)),
        "always wrong": np.eye(5)[(labels + 1) % 5],
    }[kind]
    found = suspects_of(labels, pred_probs)
    json.dumps(found.findings(), allow_nan=False)
    assert not found.believable
    assert found.advice() == []
    assert "no evidence against a label" in repr(explain_noise(found))


def test_advice_names_the_number_and_bounds_the_gain_by_the_test_labels() -> None:
    labels, pred_probs, _ = made_up(300, 5, noise=0.05)
    found = suspects_of(labels, pred_probs)
    (advice,) = found.advice()
    in_test = (found.rows["split"] == "test").sum()
    assert advice.action.startswith(f"Check the {len(found.rows)} most suspect labels")
    assert (advice.gain, advice.at_most, advice.measured) == (in_test / 150, True, True)
    in_test_split = found.rows["split"] == "test"
    tagged = found.rows.loc[in_test_split, "example_id"].tolist()
    assert found.tags_of_texts() == {"label suspect": tagged}
    assert f"{in_test} of those to check are test labels" in advice.evidence
    assert "points, the most that it can" in advice.evidence


def test_advice_on_very_many_suspects_is_to_begin_with_the_first() -> None:
    labels, pred_probs, _ = made_up(4000, 5)
    found = suspects_of(labels, pred_probs)
    (advice,) = found.advice()
    assert advice.action.startswith("Check the 100 most suspect labels")
    assert advice.gain == (found.rows["split"].head(100) == "test").sum() / 2000


def test_suspects_file_has_its_columns_and_survives_any_text(tmp_path: Path) -> None:
    labels, pred_probs, _ = made_up(300, 5)
    found = suspects_of(labels, pred_probs)
    hostile = 'a "word", a\rreturn\r\nand\nmore, =1+1'
    save_suspects(tmp_path, Suspects(found.checks, found.texts.assign(text=hostile)))
    with (tmp_path / "label_suspects.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == [
        "example_id", "split", "text", "label", "suggested_label", "self_confidence",
        "corrected_label", "comment",
    ]  # fmt: skip
    assert len(rows) == len(found.rows)
    assert all(row[2] == hostile and row[6:] == ["", ""] for row in rows)
    scores = [float(row[5]) for row in rows]
    assert scores == sorted(scores)


def test_pairs_of_texts_keep_their_second_text() -> None:
    labels, pred_probs, _ = made_up(300, 5)
    found = suspects_of(labels, pred_probs)
    paired = Suspects(found.checks, found.texts.assign(text_pair="and another"))
    assert paired.rows.columns[2:4].tolist() == ["text", "text_pair"]


def test_file_of_a_section_without_a_value_has_its_header_alone(tmp_path: Path) -> None:
    save_suspects(tmp_path, None)
    assert pd.read_csv(tmp_path / "label_suspects.csv").empty


@pytest.mark.parametrize("value", ["off", False])
def test_section_can_be_switched_off(value: Any) -> None:
    params = ErrorAnalysisParams.of({"label_issues": value})
    labels, pred_probs, _ = made_up(60, 5)
    errors = errors_of(labels, pred_probs)
    found = Sections().run("suspects", find_suspects, errors, label_issues=params.label_issues)
    assert found.status == "not applicable"
    assert found.why == "Switched off by the parameter label_issues."


def errors_of(labels: Any, pred_probs: NDArray[np.float64]) -> Any:
    ids = np.arange(len(pred_probs))
    columns = {f"prob_{name}": pred_probs[:, k] for k, name in enumerate(NAMES)}
    predictions = pd.DataFrame(
        {"example_id": ids, "split": "test", "label": labels, "predicted": labels, **columns}
    )
    texts = pd.DataFrame({"example_id": ids, "text": "x"})
    return find_errors(predictions, texts, label_names=NAMES)


def test_labels_of_one_class_are_not_checked() -> None:
    with pytest.raises(NotApplicableError, match=r"at least two classes, found 60 of one"):
        find_suspects(errors_of(np.zeros(60, dtype=int), np.full((60, 5), 0.2)))


class MadeUpTraining:
    """Training texts with predictions that are out of sample."""

    def __init__(self, labels: Any, pred_probs: NDArray[np.float64]) -> None:
        self.found = errors_of(labels, pred_probs)

    def predict(self) -> pd.DataFrame:
        table = self.found.predictions
        return table.assign(split="train", example_id=table["example_id"] + 10_000)

    def texts(self) -> pd.DataFrame:
        return pd.DataFrame({"example_id": self.predict()["example_id"], "text": "trained on"})


def test_training_labels_are_judged_apart_and_ranked_together() -> None:
    errors = errors_of(*made_up(400, 5)[:2])
    training = MadeUpTraining(*made_up(900, 5, noise=0.2, seed=1)[:2])
    found = find_suspects(errors, label_issues="cross_validate", training=training)
    assert found.noise["texts"].tolist() == ["validation and test", "training"]
    assert found.noise["checked"].tolist() == [400, 900]
    assert found.noise["share"].tolist() == pytest.approx([0.1, 0.2], abs=0.03)
    assert set(found.rows["split"]) == {"test", "train"}
    assert found.rows["self_confidence"].is_monotonic_increasing
    assert set(found.rows.loc[found.rows["split"] == "train", "text"]) == {"trained on"}
    alone = find_suspects(errors, training=training)
    assert alone.noise["texts"].tolist() == ["validation and test"]


# Several labels


def made_up_sets(n: int, *, seed: int = 0) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_]]:
    """Return label sets of five labels, probabilities, and which answers were flipped."""
    random = np.random.default_rng(seed)
    true = random.random((n, 5)) < [0.5, 0.4, 0.3, 0.2, 0.0]
    logits = np.where(true, 3.0, -3.0) + random.normal(size=(n, 5))
    flipped = random.random((n, 5)) < [0.05, 0.05, 0.05, 0.05, 0]
    sets = set_column([np.flatnonzero(row) for row in true ^ flipped])
    return sets, 1 / (1 + np.exp(-logits)), flipped


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (NotApplicableError("The folder has no recipe."), "The folder has no recipe."),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
    ],
)
def test_cross_validation_that_fails_costs_no_other_check(
    error: Exception, why: str, tmp_path: Path
) -> None:
    class Failing:
        def predict(self) -> pd.DataFrame:
            raise error

        def texts(self) -> pd.DataFrame:
            raise AssertionError("nobody asks for the texts of what was not predicted")

    labels, pred_probs, _ = made_up(200, 5)
    errors = errors_of(labels, pred_probs)
    found = find_suspects(errors, label_issues="cross_validate", training=Failing())
    alone = find_suspects(errors)
    assert found.unchecked == found.findings()["training_unchecked"] == why
    assert (alone.unchecked, alone.findings()["training_unchecked"]) == ("", None)
    assert len(found.rows) > 0
    pd.testing.assert_frame_equal(found.ranking, alone.ranking)
    save_suspects(tmp_path, found)
    assert len(pd.read_csv(tmp_path / "label_suspects.csv")) == len(found.rows)
    shown = repr(explain_noise(found))
    assert f"were not checked: {why.rstrip('.')}. The estimate" in shown
    assert "not checked" not in repr(explain_noise(alone))


def test_wrong_answers_of_several_labels_are_those_that_cleanlab_flags() -> None:
    from cleanlab.multilabel_classification.filter import find_label_issues

    sets, pred_probs, flipped = made_up_sets(1500)
    found = suspects_of(sets, pred_probs)
    with pytest.warns(UserWarning, match="too few examples"):  # the label that no text has
        by_hand = find_label_issues([list(ids) for ids in sets], pred_probs, n_jobs=1)
    assert sorted(found.rows["example_id"]) == np.flatnonzero(by_hand).tolist()
    wrong = flipped.any(axis=1)
    assert wrong[found.rows["example_id"].to_numpy()].mean() > 0.9
    assert found.noise["share"][0] == pytest.approx(flipped[:, :4].mean(), abs=0.01)
    (advice,) = found.advice()
    assert advice.gain is None


def test_suggestion_of_several_labels_flips_what_is_doubted() -> None:
    sets, pred_probs, flipped = made_up_sets(1500)
    found = suspects_of(sets, pred_probs)
    given = to_indicators(sets, n_labels=5)
    row = found.rows.iloc[0]
    doubted = flipped[row["example_id"]]
    right = given[row["example_id"]] ^ doubted
    names = "; ".join(name for name, k in zip(NAMES, right, strict=True) if k) or "(none)"
    assert row["suggested_label"] == names
    assert {"(nothing)"} < set(found.pairs["label"]) | set(found.pairs["suggested_label"])
    assert all(repr(view(found)) for view in VIEWS)


def test_labels_that_are_wrong_together_are_no_surer_than_one_of_them() -> None:
    random = np.random.default_rng(0)
    truth = random.random((300, 1)) < 0.3
    believed = np.where(truth, random.beta(12, 1.5, (300, 1)), random.beta(1.5, 12, (300, 1)))
    given = truth ^ (random.random((300, 1)) < 0.08)
    found = []
    for copies in (1, 10):
        errors = make_errors(given.repeat(copies, axis=1), believed.repeat(copies, axis=1))
        found.append(check_labels_of(errors.predictions, errors.label_names))
    assert found[1].n == 10 * found[0].n
    assert found[1].share_wrong() == pytest.approx(found[0].share_wrong())
    low, high = found[0].share_wrong()[1:]
    assert low < found[0].wrong / 300 < high


def test_labels_that_are_wrong_independently_are_surer_than_one_of_them() -> None:
    random = np.random.default_rng(1)
    truth = random.random((3000, 10)) < 0.3
    believed = np.where(truth, random.beta(12, 1.5, (3000, 10)), random.beta(1.5, 12, (3000, 10)))
    errors = make_errors(truth ^ (random.random((3000, 10)) < 0.08), believed)
    assert check_labels_of(errors.predictions, errors.label_names).design_effect < 1.1


def test_perfect_model_of_several_labels_finds_no_suspect() -> None:
    sets, _, _ = made_up_sets(300)
    given = to_indicators(sets, n_labels=5)
    assert suspects_of(sets, given.astype(float)).rows.empty


def test_texts_with_the_same_labels_are_not_checked() -> None:
    with pytest.raises(NotApplicableError, match="found 20 with the same ones"):
        suspects_of(set_column([(0, 1)] * 20), np.full((20, 5), 0.5))


def test_one_useless_model_makes_all_of_it_unbelievable() -> None:
    errors = errors_of(*made_up(400, 5)[:2])
    random = np.random.default_rng(0)
    useless = MadeUpTraining(random.integers(0, 5, 900), random.dirichlet(np.ones(5), 900))
    found = find_suspects(errors, label_issues="cross_validate", training=useless)
    assert [check.believable for check in found.checks.values()] == [True, False]
    assert found.advice() == []
