"""Intervals of the scores of a confusion matrix, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from nbutils.agreement import (
    balanced_accuracy,
    jackknife,
    macro_f1,
    margins_of,
    matthews_correlation,
    weighted_f1,
)
from nbutils.intervals import interval_of_mean
from nbutils.metrics import FROM_MATRIX, score_matrix, wilson_interval

SCORES = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "weighted_f1": weighted_f1,
    "mcc": matthews_correlation,
}
THREE = np.array([[34, 1, 1], [2, 30, 2], [1, 3, 26]]) / 100


def two_classes(share: float, *, found: float, spared: float) -> np.ndarray:
    """Return cell probabilities: the share of class 1, its recall, and that of class 0."""
    rest = 1 - share
    return np.array([[rest * spared, rest * (1 - spared)], [share * (1 - found), share * found]])


def many_classes(k: int, *, right: float, uneven: float = 0.0, seed: int = 2) -> np.ndarray:
    """Return cell probabilities of K classes that are found unequally often."""
    random = np.random.default_rng(seed)
    sizes = np.arange(1.0, k + 1) ** -uneven
    cells = random.dirichlet(np.full(k, 0.5), k) * ~np.eye(k, dtype=bool)
    recalls = random.beta(8 * right, 8 * (1 - right), k)
    cells *= ((1 - recalls) / cells.sum(axis=1))[:, None]
    return np.asarray((cells + np.diag(recalls)) * (sizes / sizes.sum())[:, None])


def coverage(cells: np.ndarray, n: int, *, draws: int) -> dict[str, float]:
    """Return how often the intervals hold the truth."""
    truth = {name: float(score(margins_of(cells))) for name, score in SCORES.items()}
    inside: dict[str, list[bool]] = {name: [] for name in truth}
    drawn = np.random.default_rng(0).multinomial(n, cells.ravel(), size=draws)
    for draw in drawn.reshape(-1, *cells.shape):
        scores = score_matrix(draw)
        for name, value in truth.items():
            inside[name].append(scores[name].low <= value <= scores[name].high)
    return {name: float(np.mean(found)) for name, found in inside.items()}


@pytest.mark.parametrize(
    ("cells", "n"),
    [
        (THREE, 250),
        (two_classes(0.1, found=0.9, spared=0.98), 300),
        (two_classes(0.3, found=0.95, spared=0.97), 200),
    ],
    ids=["three classes", "a rare class", "two classes"],
)
def test_intervals_of_few_classes_cover_the_truth_as_often_as_they_say(
    cells: np.ndarray, n: int
) -> None:
    for name, covered in coverage(cells, n, draws=1000).items():
        assert 0.93 <= covered <= 0.975, name


@pytest.mark.parametrize(
    ("cells", "n", "draws"),
    [
        (two_classes(0.05, found=0.9, spared=0.999), 200, 600),
        (many_classes(20, right=0.85), 60, 400),
        (many_classes(20, right=0.85, uneven=0.7), 100, 400),
        (many_classes(50, right=0.85), 150, 400),
        (many_classes(150, right=0.85), 300, 200),
        (many_classes(150, right=0.9), 1500, 200),
    ],
    ids=["rare and easy", "20 in 60", "20 uneven in 100", "50 in 150", "150 in 300", "150 in 1500"],
)
def test_intervals_hold_the_truth_where_classes_have_few_examples(
    cells: np.ndarray, n: int, draws: int
) -> None:
    for name, covered in coverage(cells, n, draws=draws).items():
        # at 0.95, as few as 0.92 of 200 draws are an accident of one in fifty
        assert covered >= (0.92 if draws < 400 else 0.93), name


@pytest.mark.parametrize(
    "matrix",
    [
        [[50, 0], [10, 0]],
        [[50, 0], [0, 10]],
        [[0, 50], [10, 0]],
        [[50, 0], [0, 0]],
        [[0, 50], [0, 0]],
        [[1, 0], [0, 0]],
        [[0, 1], [0, 0]],
        [[1, 0], [0, 1]],
    ],
)
def test_no_interval_is_without_width(matrix: list[list[int]]) -> None:
    scores = score_matrix(np.array(matrix))
    assert list(scores) == list(FROM_MATRIX)
    for name, score in scores.items():
        assert score.high - score.low > 0.05, name
        assert score.low <= score.value <= score.high, name
        assert (-1 if name == "mcc" else 0) <= score.low, name
        assert score.high <= 1, name


def test_mean_of_one_proportion_has_the_interval_of_wilson() -> None:
    for hits in (0, 1, 7, 10):
        found = interval_of_mean(np.array([float(hits)]), np.array([10.0]))
        assert found == pytest.approx(wilson_interval(hits, 10), abs=1e-4)


def test_mean_of_proportions_is_as_certain_as_its_rarest_class() -> None:
    low, high = interval_of_mean(np.array([190.0, 10.0]), np.array([190.0, 10.0]))
    # all of the doubt may be in the class of ten: half of what Wilson leaves it
    assert low == pytest.approx(1 - (1 - wilson_interval(10, 10)[0]) / 2, abs=0.005)
    assert high == 1


def test_jackknife_is_that_of_leaving_out_example_by_example() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 1])
    given = np.array([0, 0, 1, 1, 1, 2, 2, 0, 2, 0])

    def score(rows: np.ndarray) -> float:
        matrix = np.zeros((3, 3), np.int64)
        np.add.at(matrix, (labels[rows], given[rows]), 1)
        return float(macro_f1(margins_of(matrix)))

    rows = np.arange(10)
    left_out = np.array([score(rows[rows != out]) for out in rows])
    matrix = np.zeros((3, 3), np.int64)
    np.add.at(matrix, (labels, given), 1)
    found = jackknife(matrix, macro_f1)
    assert found.value == pytest.approx(score(rows))
    assert found.corrected == pytest.approx(10 * found.value - 9 * left_out.mean())
    assert found.variance == pytest.approx(0.9 * ((left_out - left_out.mean()) ** 2).sum())
