"""Scores of a model beside what it has to beat."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from predicting import draw_classes, draw_sets, make_errors
from sklearn import metrics as sklearn_metrics

from nbutils.analysis.errors import Errors
from nbutils.analysis.scores import MAJORITY, TFIDF, ModelScores, score_model
from nbutils.analysis.weak_classes import find_weak_classes
from nbutils.errors import NotApplicableError
from nbutils.label_sets import set_column
from nbutils.plots import plot_class_scores
from nbutils.views.scores import compare_with_baseline, tabulate_classes, tabulate_scores

TRAIN = pd.Series([0, 1, 1, 2, 3])


def weaken(errors: Errors, *, by: float) -> pd.DataFrame:
    """Return a baseline's predictions: the model's, a share of them replaced by class 0."""
    rows = errors.predictions[["example_id", "split", "label", "predicted"]]
    lost = np.random.default_rng(5).random(len(rows)) < by
    return rows.assign(predicted=rows["predicted"].where(~lost, 0)).sample(frac=1, random_state=0)


def score(errors: Errors, baseline: pd.DataFrame | None = None) -> ModelScores:
    return score_model(errors, baseline=baseline, train_labels=TRAIN)


def test_scores_are_those_of_scikit_learn() -> None:
    labels, pred_probs = draw_classes(800)
    found = score(make_errors(labels, pred_probs, n_validation=300))
    labels, pred_probs = labels[300:], pred_probs[300:]
    predicted, hits = pred_probs.argmax(1), np.eye(4)[labels]
    f1 = sklearn_metrics.f1_score
    assert {name: each.value for name, each in found.scores.items()} == pytest.approx(
        {
            "accuracy": (labels == predicted).mean(),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, predicted),
            "macro_f1": f1(labels, predicted, average="macro"),
            "micro_f1": f1(labels, predicted, average="micro"),
            "weighted_f1": f1(labels, predicted, average="weighted"),
            "mcc": sklearn_metrics.matthews_corrcoef(labels, predicted),
            "roc_auc": sklearn_metrics.roc_auc_score(hits, pred_probs, average="macro"),
            "average_precision": sklearn_metrics.average_precision_score(hits, pred_probs),
            "log_loss": sklearn_metrics.log_loss(labels, pred_probs),
        }
    )
    for name, each in found.scores.items():
        assert each.low < each.value < each.high, name
        assert each.n == 500
    per_class = sklearn_metrics.roc_auc_score(hits, pred_probs, average=None)
    assert found.classes["roc_auc"].to_numpy() == pytest.approx(per_class)


def test_model_is_compared_with_each_rival_on_the_same_texts() -> None:
    errors = make_errors(*draw_classes(1000), n_validation=200)
    baseline = weaken(errors, by=0.3)
    found = score(errors, baseline)
    tfidf, majority = found.rivals
    own = baseline[baseline["split"] == "test"]
    assert (tfidf.name, majority.name) == (TFIDF, MAJORITY)
    assert tfidf.scores["accuracy"].value == (own["label"] == own["predicted"]).mean()
    assert majority.scores["accuracy"].value == (errors.test["label"] == 1).mean()
    gain = found.scores["accuracy"].value - tfidf.scores["accuracy"].value
    assert tfidf.against.value == pytest.approx(gain)
    assert 0 < tfidf.against.low < gain < tfidf.against.high
    assert found.advice() == []
    assert "Better than the TF-IDF baseline" in repr(compare_with_baseline(found))


def test_model_that_loses_to_the_baseline_is_advised_against() -> None:
    labels, pred_probs = draw_classes(1000)
    errors = make_errors(labels, pred_probs, predicted=np.zeros(1000, np.int64))
    better = errors.predictions.assign(predicted=labels)
    found = score(errors, better)
    advice = found.advice()[0]
    assert advice.action.startswith("Use the TF-IDF baseline")
    assert advice.gain == pytest.approx((labels != 0).mean())
    assert "Worse than" in repr(compare_with_baseline(found))


def test_model_as_good_as_the_baseline_is_questioned() -> None:
    errors = make_errors(*draw_classes(500))
    found = score(errors, weaken(errors, by=0))
    assert "worth its cost" in found.advice()[0].action
    assert found.advice()[0].gain is None
    assert "Not different" in repr(compare_with_baseline(found))


def test_missing_baseline_is_said() -> None:
    found = score(make_errors(*draw_classes(100)))
    assert [rival.name for rival in found.rivals] == [MAJORITY]
    shown = repr(compare_with_baseline(found))
    assert "no baseline" in shown
    assert "Better than the majority class: accuracy +" in shown
    assert found.advice() == []


def test_model_that_loses_to_the_most_frequent_label_is_told_so() -> None:
    labels, pred_probs = draw_classes(400)
    labels[np.arange(400) % 10 < 7] = 1
    found = score(make_errors(labels, pred_probs, predicted=(labels + (labels == 1)) % 4))
    (advice,) = found.advice()
    assert advice.action.startswith("Find out what went wrong in training: the majority class")
    assert advice.gain == pytest.approx(-found.rivals[0].against.value)
    assert advice.gain > 0.3
    assert "Worse than the majority class" in repr(compare_with_baseline(found))


def test_majority_is_named_beside_the_baseline_where_neither_is_beaten() -> None:
    labels, pred_probs = draw_classes(300)
    labels[np.arange(300) % 10 < 9] = 1
    errors = make_errors(labels, pred_probs, predicted=np.ones(300, np.int64))
    found = score(errors, errors.predictions.assign(predicted=labels))
    assert [one.action.split(":")[0].split(",")[0] for one in found.advice()] == [
        "Use the TF-IDF baseline",
        "Find out what went wrong in training",
    ]
    assert found.advice()[1].gain is None
    shown = repr(compare_with_baseline(found))
    assert "Worse than the TF-IDF baseline" in shown
    assert "Not different from the majority class" in shown


def test_rare_class_that_is_found_less_often_asks_for_texts() -> None:
    classes = pd.DataFrame(
        {"label": ["a", "b", "c"], "support": [400, 400, 100], "recall": [0.95, 0.95, 0.6]}
    )
    (weak,) = find_weak_classes(classes, in_training=np.array([1000, 1000, 100]))
    assert (weak.label, weak.in_training, weak.typical) == ("c", 100, 1000)
    advice = weak.advice()
    assert advice.gain == pytest.approx(0.35 * 100 / 900)
    assert "Add training texts of c" in advice.action
    assert find_weak_classes(classes, in_training=np.array([1000, 1000, 900])) == ()


def test_classes_that_differ_by_chance_ask_for_nothing() -> None:
    random = np.random.default_rng(0)
    named = 0
    for _ in range(400):
        hits = random.binomial(60, 0.85, size=20)
        classes = pd.DataFrame({"label": list("abcdefghijklmnopqrst"), "recall": hits / 60})
        counts = random.permutation(np.repeat([10, 100], 10))
        named += bool(find_weak_classes(classes.assign(support=60), in_training=counts))
    assert named / 400 <= 0.075  # 5 % at the most; the chance of more than 30 of 400 is 1 in 60


def test_label_sets_have_the_scores_that_make_sense_for_them() -> None:
    labels, pred_probs = draw_sets(600)
    errors = make_errors(labels, pred_probs, n_validation=100)
    baseline = errors.predictions.assign(predicted=set_column([()] * 600))
    train = pd.Series([np.array([1]), np.array([1]), np.array([0, 2])], dtype=object)
    found = score_model(errors, baseline=baseline, train_labels=train)
    hits, given = labels[100:], pred_probs[100:] >= 0.5
    f1 = sklearn_metrics.f1_score(hits, given, average="micro")
    assert found.compared == "micro_f1"
    assert found.scores["micro_f1"].value == pytest.approx(f1)
    assert found.scores["log_loss"].value == pytest.approx(
        np.mean([sklearn_metrics.log_loss(hits[:, k], pred_probs[100:, k]) for k in range(3)])
    )
    nothing, most = found.rivals
    assert nothing.scores["micro_f1"].value == 0
    assert most.scores["accuracy"].value == (hits == [False, True, False]).all(1).mean()
    assert nothing.against.value == pytest.approx(f1)
    assert nothing.against.low > 0
    json.dumps(found.findings(), allow_nan=False)
    assert "Hamming" in repr(tabulate_scores(found))


@pytest.mark.parametrize("kind", ["perfect", "random", "hopeless", "one class predicted"])
def test_extreme_models_do_not_break_it(kind: str) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    pred_probs = {
        "perfect": np.eye(4)[labels],
        "random": random.dirichlet(np.ones(4), 200),
        "hopeless": np.eye(4)[(labels + 1) % 3],
        "one class predicted": np.tile([0.7, 0.1, 0.1, 0.1], (200, 1)),
    }[kind]
    found = score(make_errors(labels, pred_probs), weaken(make_errors(labels, pred_probs), by=0.1))
    for name, each in found.scores.items():
        assert each.low <= each.value <= each.high, name
    if kind == "perfect":
        assert found.scores["accuracy"].low < 1
        assert found.scores["mcc"].low < 1
        assert found.scores["roc_auc"].low < 1
    assert found.classes["roc_auc"].isna().tolist() == [False, False, False, True]
    text = json.dumps(found.findings(), allow_nan=False)
    assert json.loads(text)["classes"][3]["roc_auc"] is None
    for view in (tabulate_scores, tabulate_classes, compare_with_baseline):
        assert repr(view(found))


def test_class_that_no_test_text_has_is_a_dash() -> None:
    labels, pred_probs = draw_classes(40)
    labels = np.where(labels == 3, 2, labels)
    predicted = np.where(np.arange(40) < 4, 3, labels)
    given = make_errors(labels, pred_probs, predicted=predicted)
    row = tabulate_classes(score(given)).frame.set_index("class").loc[given.label_names[3]]
    assert row["recall"] == row["ROC-AUC"] == "\N{EN DASH}"
    assert row["precision"].startswith("0.0 (0.0 to ")
    assert row["F1"].startswith("0.0 (0.0 to ")
    absent = make_errors(labels, pred_probs, predicted=labels)
    last = tabulate_classes(score(absent)).frame.set_index("class").loc[given.label_names[3]]
    assert (last[["precision", "recall", "F1"]] == "\N{EN DASH}").all()
    drawn = [tick.get_text() for tick in plot_class_scores(score(absent)).get_yticklabels()]
    assert drawn[-1] == given.label_names[3]


def test_single_text_has_no_interval_of_its_log_loss() -> None:
    found = score(make_errors(*draw_classes(1)))
    shown = tabulate_scores(found).frame.set_index("score")["95 % interval"]
    assert shown["log loss in nats (0 is best)"] == "\N{EN DASH}"
    assert shown["accuracy"] != "\N{EN DASH}"
    loss = found.findings()["scores"]["log_loss"]
    assert (loss["low"], loss["high"], loss["n"]) == (None, None, 1)
    json.dumps(found.findings(), allow_nan=False)


def test_no_test_text_is_said() -> None:
    with pytest.raises(NotApplicableError, match="no text in the test split"):
        score(make_errors(*draw_classes(20), n_validation=20))
