"""Scores of rankings, against scikit-learn's and against known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from nbutils.ranking import Estimate, Ordered, rank_classes


def draw(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    positive = random.random(n) < 0.3
    return np.round(random.normal(size=n) + 1.2 * positive, 1), positive  # rounded: with ties


def auc(scores: np.ndarray, positive: np.ndarray) -> Estimate:
    return Ordered.of(scores).roc_auc(positive)


def precision(scores: np.ndarray, positive: np.ndarray) -> Estimate:
    return Ordered.of(scores).mean_share(positive, positive)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    scores, positive = draw(seed)
    assert auc(scores, positive).value == pytest.approx(roc_auc_score(positive, scores))
    assert precision(scores, positive).value == pytest.approx(
        average_precision_score(positive, scores)
    )


@pytest.mark.parametrize("score", [auc, precision])
def test_shifts_are_what_leaving_an_example_out_changes(score: Callable[..., Estimate]) -> None:
    scores, positive = draw(0, n=600)
    whole = score(scores, positive)
    kept = ~np.eye(len(scores), dtype=bool)
    changes = [whole.value - score(scores[rows], positive[rows]).value for rows in kept[:60]]
    assert whole.shifts.sum() == pytest.approx(0, abs=1e-12)
    assert whole.shifts[:60] == pytest.approx(changes, rel=0.05, abs=2e-5)


@pytest.mark.parametrize("score", [auc, precision])
def test_interval_covers_the_truth_as_often_as_it_says(score: Callable[..., Estimate]) -> None:
    truth = score(*draw(99, n=400_000)).value
    found = [score(*draw(1000 + seed, n=400)).score() for seed in range(2000)]
    assert 0.93 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.97


def test_interval_of_the_mean_covers_the_truth_as_often_as_it_says() -> None:
    def sample(n: int) -> dict[str, tuple[float, float, float]]:
        labels = random.integers(0, 3, n)
        pred_probs = random.normal(size=(n, 3)) + 1.5 * np.eye(3)[labels]
        ranked = rank_classes(labels[:, None] == np.arange(3), pred_probs, label_names="abc")
        return {name: (each.value, each.low, each.high) for name, each in ranked.macro.items()}

    random = np.random.default_rng(5)
    truth = sample(300_000)
    samples = [sample(300) for _ in range(1000)]
    for name, (value, _, _) in truth.items():
        inside = [each[name][1] <= value <= each[name][2] for each in samples]
        assert 0.93 <= np.mean(inside) <= 0.97, name


@pytest.mark.parametrize(("positives", "low"), [(5, 0.5), (30, 0.9), (300, 0.99)])
def test_perfect_order_is_the_less_certain_the_fewer_examples_show_it(
    positives: int, low: float
) -> None:
    scores = np.arange(1000.0)
    for estimate in (auc, precision):
        score = estimate(scores, scores >= 1000 - positives).score()
        assert (score.value, score.high) == (1, 1)
        assert low < score.low < 1


def test_constant_scores_rank_nothing() -> None:
    positive = np.arange(100) < 20
    assert auc(np.zeros(100), positive).value == 0.5
    assert precision(np.zeros(100), positive).value == pytest.approx(0.2)


def test_class_without_examples_has_no_score_and_does_not_count() -> None:
    labels = np.array([[True, False, True], [False, False, True], [True, False, True]])
    ranked = rank_classes(labels, np.eye(3), label_names="abc")
    assert ranked.classes["roc_auc"].isna().tolist() == [False, True, True]
    assert ranked.classes["average_precision"].isna().tolist() == [False, True, False]
    assert ranked.macro["roc_auc"].value == ranked.classes["roc_auc"].iloc[0]
    nothing = rank_classes(labels[:, 1:2], np.zeros((3, 1)), label_names="b")
    assert nothing.macro == {}
