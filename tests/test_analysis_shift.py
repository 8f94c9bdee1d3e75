"""Training and test texts compared: no difference where there is none, and the right one else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2_contingency, ks_2samp
from sklearn.metrics import roc_auc_score

from nbutils.analysis.shift import cohens_d, cramers_v, find_shift, js_distance, ks_distance
from nbutils.analysis.two_samples import auc_with_variance, tell_apart
from nbutils.analysis.words import count_words
from nbutils.errors import NotApplicableError

WORDS = np.array([f"word{place}" for place in range(200)])
WEIGHTS = 1 / np.arange(2, 202)


def make_split(n: int, *, seed: int, extra: str = "", longest: int = 30) -> pd.DataFrame:
    """Return `n` labelled texts; every third has the word `extra`."""
    random = np.random.default_rng(seed)
    texts = [
        " ".join(random.choice(WORDS, size, p=WEIGHTS / WEIGHTS.sum()))
        for size in random.integers(5, longest, n)
    ]
    if extra:
        texts = [f"{text} {extra}" if place % 3 == 0 else text for place, text in enumerate(texts)]
    return pd.DataFrame({"text": texts, "label": random.integers(3, size=n)})


def test_splits_of_the_same_texts_show_no_shift() -> None:
    found = find_shift(make_split(400, seed=1), make_split(200, seed=2), seed=0)
    assert found.auc.low <= 0.5 <= found.auc.high
    assert not found.effects["beyond"].any()
    assert found.words.empty
    assert found.advice() == []
    json.dumps(found.findings(), allow_nan=False)


def test_interval_of_the_classifier_covers_guessing_as_often_as_it_says() -> None:
    random, draws = np.random.default_rng(0), 120
    words = count_words(make_split(160, seed=5)["text"].tolist())
    side = np.arange(160) < 80
    scores = [tell_apart(words, random.permutation(side), seed=k) for k in range(draws)]
    covered = sum(score.low <= 0.5 <= score.high for score in scores)
    assert binom.ppf(0.005, draws, 0.95) <= covered <= binom.ppf(0.995, draws, 0.95)


def test_word_that_test_texts_alone_have_is_named() -> None:
    found = find_shift(make_split(600, seed=1), make_split(300, seed=2, extra="zebra"), seed=0)
    assert found.words.loc[0, "word"] == "zebra"
    assert found.words.loc[0, ["train", "test"]].tolist() == [0, pytest.approx(1 / 3, abs=0.01)]
    assert found.auc.low > 0.5
    beyond = found.effects.set_index("of")["beyond"]
    assert beyond["words"]
    assert not beyond["labels"]
    sides = found.sides.set_index("split")
    assert sides.loc["train", "new_words"] == 0
    assert sides.loc["test", "new_words"] == pytest.approx(
        100 / sides.loc["test", "texts"] / 17, rel=0.2
    )


def test_longer_and_otherwise_labelled_test_texts_are_told() -> None:
    test = make_split(300, seed=2, longest=90)
    test["label"] = test["label"].clip(upper=1)
    found = find_shift(make_split(600, seed=1), test, seed=0)
    beyond = found.effects.set_index("measure")["beyond"]
    assert beyond[["Cohen's d of the log", "Kolmogorov-Smirnov distance", "Cramér's V"]].all()
    assert found.sides["median_words"].is_monotonic_increasing


def test_texts_of_another_kind_are_worth_an_advice() -> None:
    other = make_split(200, seed=2)
    other["text"] = other["text"].str.replace("word", "term")
    found = find_shift(make_split(200, seed=1), other, seed=0)
    assert found.auc.value > 0.99
    (advice,) = found.advice()
    assert "term0" in advice.action
    assert advice.gain is None


def test_several_labels_and_pairs_of_texts_are_compared() -> None:
    train, test = make_split(100, seed=1), make_split(60, seed=2)
    for split, sets in ((train, [(0,), (0, 1)]), (test, [(2,), ()])):
        split["label"] = pd.Series([sets[k % 2] for k in range(len(split))], dtype=object)
        split["text_pair"] = "and now"
    found = find_shift(train, test)
    assert found.effects.set_index("of").loc["labels", "value"] == pytest.approx(1)


@pytest.mark.parametrize("sizes", [(19, 50), (50, 0)])
def test_too_few_texts_are_not_compared(sizes: tuple[int, int]) -> None:
    train, test = (make_split(50, seed=1).head(size) for size in sizes)
    with pytest.raises(NotApplicableError, match=r"at least 20 training and 20 test texts"):
        find_shift(train, test)


def test_effect_sizes_are_those_of_others() -> None:
    random = np.random.default_rng(0)
    values = random.poisson(9, 80)
    sides = np.stack([random.permutation(80) < 30 for _ in range(3)], axis=1)
    for k, (d, ks) in enumerate(
        zip(
            cohens_d(values, sides.astype(np.float32)),
            ks_distance(values, sides.astype(np.float32)),
            strict=True,
        )
    ):
        test, train = values[sides[:, k]], values[~sides[:, k]]
        pooled = (test.var() * 30 + train.var() * 50) / 78
        assert d == pytest.approx((test.mean() - train.mean()) / np.sqrt(pooled), rel=1e-4)
        assert ks == pytest.approx(ks_2samp(test, train).statistic, abs=1e-6)
    one, other = random.integers(1, 50, (2, 6, 1)).astype(float)
    assert js_distance(one, other)[0] == pytest.approx(jensenshannon(one, other, base=2)[0])
    both = np.hstack([one, other])
    chi2 = chi2_contingency(both, correction=False).statistic
    assert cramers_v(one, other)[0] == pytest.approx(np.sqrt(chi2 / both.sum()))


def test_area_under_the_curve_and_its_variance_are_right() -> None:
    random = np.random.default_rng(0)

    def draw() -> tuple[Any, Any]:
        return random.normal(0, 1, 60), random.normal(0.8, 1, 40)

    first, second = draw()
    truth = np.repeat([0, 1], [60, 40])
    value, _ = auc_with_variance(first, second)
    assert value == pytest.approx(roc_auc_score(truth, np.concatenate([first, second])))
    values, variances = zip(*(auc_with_variance(*draw()) for _ in range(600)), strict=True)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.15)


def test_texts_without_a_word_are_compared() -> None:
    signs = pd.DataFrame({"text": ["!?", "..."] * 15, "label": [0, 1] * 15})
    found = find_shift(signs, signs)
    assert (found.auc.low, found.auc.value, found.auc.high) == (0, 0.5, 1)
    json.dumps(found.findings(), allow_nan=False)
