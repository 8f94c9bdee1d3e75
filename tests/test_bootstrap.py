"""Bootstrap intervals, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from nbutils.bootstrap import MOST_GROUPS, assign_groups, resample_rows
from nbutils.paired import compare_macro_f1


def mean(means: np.ndarray) -> np.ndarray:
    return means[:, 0]


def test_interval_of_a_skewed_mean_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)  # like a log loss: small, but for some
    covered = []
    for place in range(400):
        losses = random.gamma(0.5, 0.4, size=(120, 1))
        _, low, high = resample_rows(losses, seed=place).interval(mean)
        covered.append(low <= 0.2 <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_grouped_rows_vary_like_single_ones() -> None:
    values = np.random.default_rng(2).exponential(size=(30_001, 1))
    value, low, high = resample_rows(values, seed=0).interval(mean)
    error = values.std() / np.sqrt(len(values))
    assert value == pytest.approx(values.mean())
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("n", [1, MOST_GROUPS, MOST_GROUPS + 1, 30_001])
def test_groups_are_as_equal_as_can_be(n: int) -> None:
    sizes = np.bincount(assign_groups(n, seed=0))
    assert sizes.sum() == n
    assert len(sizes) == min(n, MOST_GROUPS)
    assert sizes.max() - sizes.min() <= 1


def test_what_never_varies_has_no_width() -> None:
    assert resample_rows(np.full((40, 1), 3.0), seed=0).interval(mean) == (3, 3, 3)


def test_paired_macro_f1_covers_the_truth_and_is_told_from_nothing() -> None:
    random = np.random.default_rng(3)

    def guess(labels: np.ndarray, right: float) -> np.ndarray:
        return np.where(random.random(len(labels)) < right, labels, 1 - labels)

    covered = []
    for place in range(300):
        labels = random.integers(0, 2, 300)
        gain = compare_macro_f1(
            labels, guess(labels, 0.9), guess(labels, 0.84), n_classes=2, seed=place
        )
        covered.append(gain.low <= 0.06 <= gain.high)
    assert 0.92 <= np.mean(covered) <= 0.98
    same = compare_macro_f1(labels, labels, labels, n_classes=2)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    worse = compare_macro_f1(labels, guess(labels, 0.6), labels, n_classes=2)
    assert worse.high < 0
    assert worse.p_value < 0.01
