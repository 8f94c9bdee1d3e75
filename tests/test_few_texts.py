"""Few training texts: what is said of them, and how many steps are advised."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from nbutils.data.card_warnings import find_warnings
from nbutils.few_texts import (
    ENOUGH_STEPS,
    FEW,
    describe_expectation,
    has_few_texts,
)
from nbutils.metrics import wilson_interval
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.pitfalls import advise_steps, find_cautions


def card_of(*train: int, test: int = 100, accuracy: float | None = 0.9) -> dict[str, Any]:
    score = None if accuracy is None else {"test": {"accuracy": {"value": accuracy}}}
    return {
        "classes": {f"class {k}": {"train": n, "test": 10} for k, n in enumerate(train)},
        "splits": {"train": sum(train), "validation": 10, "test": test},
        "baseline": score,
    }


@pytest.mark.parametrize(
    ("train", "few"),
    [
        ((FEW - 1, FEW - 1), True),
        ((FEW, FEW), False),
        ((5, 500, 500), False),  # one rare class is no few-shot training
        ((5, 5, 500), True),
    ],
)
def test_texts_are_few_by_the_median_class(train: tuple[int, ...], few: bool) -> None:
    card = card_of(*train)
    assert has_few_texts(card) == few
    assert bool(describe_expectation(card)) == few
    assert not few or describe_expectation(card)[0].startswith("Few training texts")


@pytest.mark.parametrize(("n", "accuracy"), [(100, 0.9), (36, 0.75), (20, None)])
def test_expected_width_is_that_of_the_interval(n: int, accuracy: float | None) -> None:
    (sentence,) = describe_expectation(card_of(8, 8, test=n, accuracy=accuracy))
    low, high = wilson_interval(round((0.5 if accuracy is None else accuracy) * n), n)
    assert f"interval about {100 * (high - low):.0f} points wide: that is what {n} test" in sentence
    assert ("the baseline's" in sentence) == (accuracy is not None)


def test_without_a_test_split_no_width_is_promised() -> None:
    (sentence,) = describe_expectation(card_of(8, 8, test=0))
    assert "interval" not in sentence


@pytest.mark.parametrize("train", [(2, 2), (1, 1), (10, 10), (16, 16), (63, 63, 63)])
@pytest.mark.parametrize("batch", [1, 16, 64])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_advice_followed_makes_enough_steps_and_no_epoch_more(
    train: tuple[int, ...], batch: int, accumulation: int
) -> None:
    card = card_of(*train)
    given = {"batch_size": batch, "gradient_accumulation": accumulation, "epochs": 1}
    advice = advise_steps(FineTuneParams.of(given), card)
    if not advice:
        assert math.ceil(sum(train) / (batch * accumulation)) >= ENOUGH_STEPS
        return
    changes = {name: int(n) for name, n in re.findall(r"fine_tune\.(\w+) to (\d+)", advice[0])}
    followed = FineTuneParams.of(given | changes)
    per_epoch = math.ceil(sum(train) / (followed.batch_size * followed.gradient_accumulation))
    steps = followed.epochs * per_epoch
    assert steps >= ENOUGH_STEPS > steps - per_epoch
    assert advice[0].endswith(f"which makes {steps}")
    assert advise_steps(followed, card) == []


def test_steps_are_made_smaller_only_where_no_epochs_are_enough() -> None:
    (advice,) = advise_steps(FineTuneParams.of({"epochs": 100}), card_of(6, 6))
    assert "set fine_tune.batch_size to 8, which makes 200" in advice


def test_plenty_of_steps_or_of_texts_need_no_advice() -> None:
    assert advise_steps(FineTuneParams.of({"epochs": 1}), card_of(500, 500)) == []
    assert advise_steps(FineTuneParams.of({"epochs": 50}), card_of(40, 40)) == []
    assert advise_steps(FineTuneParams.of({}), {}) == []


def test_cautions_on_few_texts_ask_for_epochs_instead_of_warning_of_them() -> None:
    card = card_of(20, 20)
    short, expectation = find_cautions(FineTuneParams.of({"epochs": 3}), card)
    assert short == (
        "9 optimiser steps are not enough where texts are few: set fine_tune.epochs to 67, "
        "which makes 201"
    )
    assert find_cautions(FineTuneParams.of({"epochs": 67}), card) == [expectation]
    (many,) = find_cautions(FineTuneParams.of({"epochs": 67}), card_of(2000, 2000))
    assert many.startswith("epochs 67 is above 8")


def test_data_and_training_say_the_very_same_sentence() -> None:
    """So that the summary, which has both, shows it once."""
    card = card_of(20, 20)
    card["duplicates"] = dict.fromkeys(("exact_copies", "across_splits", "label_conflicts"), 0)
    card["tokens"] = dict.fromkeys(("cut_share", "unknown_share"), 0.0)
    card["baseline"]["test"]["accuracy"] |= {"low": 0.88, "high": 0.92}
    card["splits"]["test"], card["counts"] = 1000, {"rows_read": 1100}
    for by_split in card["classes"].values():
        by_split["validation"] = 5
    assert find_warnings(card) == describe_expectation(card)
    assert find_cautions(FineTuneParams.of({}), card)[-1:] == describe_expectation(card)
