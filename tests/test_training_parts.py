"""Pitfalls, diagnosis, optimiser groups and the machine's abilities."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbutils.checkpoints.loading import load_classifier
from nbutils.errors import DataError, TrainingDivergedError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training import machine
from nbutils.training.diagnosis import describe_fit
from nbutils.training.history import History, StepRecord, ValidationRecord
from nbutils.training.optimizer import build_optimizer
from nbutils.training.pitfalls import LossWatch, check_labels

PLAIN = FineTuneParams.of({})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "found none; without labels the forward pass has no loss"),
        ([0, 1], "expected 3, one per text"),
        ([0, 1, 2], r"ids from 0 to 1 for 2 classes, found 2 at row 2; number the classes from 0"),
        ([0, -1, 1], "found -1 at row 1"),
        ([0.0, 1.0, 1.0], "expected whole numbers, found float64"),
        ([1, 1, 1], "found only class 1; .*one class"),
    ],
)
def test_labels_without_a_lesson_are_refused(labels: list[int] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_labels(labels, n_texts=3, n_classes=2)


def test_good_labels_come_back_as_ids() -> None:
    assert check_labels([0, 1, 1], n_texts=3, n_classes=2).dtype == np.int64


def watch_loss(rate: float, *, highest: float = 1e-4, precision: str = "bf16") -> LossWatch:
    return LossWatch(
        guessing=math.log(2),
        learning_rate=rate,
        highest_usual_rate=highest,
        precision=precision,
    )


def look(losses: list[float]) -> int:
    watch = watch_loss(1e-3)
    for step, loss in enumerate(losses, start=1):
        watch.look(step, loss, 1.0)
    return len(losses)


def test_loss_that_runs_away_stops_the_training() -> None:
    with pytest.raises(TrainingDivergedError, match=r"diverges; lower .*now 0.001, try 5e-05"):
        look([0.7] * 30 + [0.7 + 0.2 * k for k in range(60)])


def test_loss_that_runs_away_from_the_start_stops_the_training() -> None:
    with pytest.raises(TrainingDivergedError, match=r"step 20: .*diverges"):
        look([0.7, 0.9] + [9.0] * 500)


@pytest.mark.parametrize(
    "losses",
    [
        [0.7] * 200,  # learns nothing
        [0.7, 0.1, 5.0, 0.1] * 50,  # single spikes
        [3.0] * 20 + [0.5] * 50,  # a bad start
        list(np.linspace(0.7, 0.0, 100)),
    ],
)
def test_loss_that_only_disappoints_goes_on(losses: list[float]) -> None:
    assert look(losses) == len(losses)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_loss_that_is_no_number_stops_the_training(loss: float) -> None:
    with pytest.raises(TrainingDivergedError, match=f"step 2: the loss is {loss}"):
        look([0.7, loss])


def test_gradient_that_is_no_number_stops_the_training() -> None:
    with pytest.raises(TrainingDivergedError, match="the gradient norm nan"):
        watch_loss(1e-4).look(1, 0.7, math.nan)


@pytest.mark.parametrize(("highest", "advice"), [(1e-4, "5e-05"), (1e-3, "5e-04")])
def test_rate_to_try_is_usual_for_what_is_trained(highest: float, advice: str) -> None:
    with pytest.raises(TrainingDivergedError, match=f"now 0.01, try {advice}"):
        watch_loss(0.01, highest=highest).look(2, math.nan, 1.0)


@pytest.mark.parametrize("step", [1, 2])
def test_precision_is_blamed_where_it_can_be_raised(step: int) -> None:
    for precision, blamed in (("bf16", True), ("fp32", False)):
        with pytest.raises(TrainingDivergedError) as caught:
            watch_loss(1e-4, precision=precision).look(step, math.nan, 1.0)
        assert ("precision" in str(caught.value)) == blamed


def history(train: list[float], validation: list[float], best: int | None = None) -> History:
    steps = [
        StepRecord(k + 1, (k + 1) / 10, loss, 1e-4, 1, 10, 0.1) for k, loss in enumerate(train)
    ]
    looks = [
        ValidationRecord(10 * (k + 1), float(k + 1), loss, 0.9, 0.9)
        for k, loss in enumerate(validation)
    ]
    return History(steps=steps, validations=looks, best_step=best, label_entropy=math.log(2))


@pytest.mark.parametrize(
    ("train", "validation", "says"),
    [
        ([0.69] * 30, [0.69, 0.69, 0.69], "Underfitting: .*ends at 0.69.*Train longer, or raise"),
        ([0.05] * 30, [0.30, 0.25, 0.60], "Overfitting sets in: .*lowest after 2 epochs"),
        ([0.20] * 30, [0.50, 0.40, 0.30], "Still improving: .*0.400 to 0.300"),
        ([0.20] * 30, [0.30, 0.26, 0.255], "No sign of overfitting"),
        ([0.001] * 30, [0.002, 0.001, 0.0011], "No sign of overfitting"),  # of next to nothing
        ([0.001] * 30, [0.0020, 0.0015, 0.0013], "No sign of overfitting"),
        ([0.01] * 30, [0.02, 0.03, 0.05], "Overfitting sets in: .*lowest after 1 epoch "),
        ([0.20] * 30, [], ".*Without a validation split nobody can say"),
        ([], [], "No step was made"),
    ],
)
def test_diagnosis_reads_the_curves(train: list[float], validation: list[float], says: str) -> None:
    assert re.match(says, describe_fit(history(train, validation, best=20), params=PLAIN))


def test_collapse_at_a_high_rate_is_not_answered_by_a_higher_one() -> None:
    said = describe_fit(history([0.86] * 30, []), params=FineTuneParams.of({"learning_rate": 1e-2}))
    assert "high enough to destroy what pretraining learnt: lower it to 5e-5" in said
    assert "raise" not in said


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ({"learning_rate": 9e-5}, "Train longer, or raise the learning rate, up to 0.0001;"),
        ({"learning_rate": 1e-4}, "Train longer; if that"),
        ({"lora_rank": 8, "learning_rate": 3e-4}, "Train longer, or raise .* up to 0.001;"),
        ({"lora_rank": 8, "learning_rate": 1e-3}, "Train longer; if that"),
        ({"lora_rank": 8, "learning_rate": 5e-3}, "high, even for low-rank updates: lower it to"),
        (
            {"freeze_layers": 6, "learning_rate": 1e-3},
            "if there are any, lower it .*freeze fewer",
        ),
    ],
)
def test_advice_on_the_learning_rate_is_for_what_was_trained(
    recipe: dict[str, Any], says: str
) -> None:
    said = describe_fit(history([0.69] * 30, []), params=FineTuneParams.of(recipe))
    assert re.search(says, said)
    assert ("destroy" in said) == ("freeze_layers" in recipe)


@pytest.mark.parametrize(("rate", "says"), [(1e-4, "Train longer; if"), (1e-2, "lower it to 5e-5")])
def test_rate_that_the_schedule_has_rounded_up_is_the_one_that_was_asked_for(
    rate: float, says: str
) -> None:
    rounded = StepRecord(1, 0.1, 0.69, math.nextafter(rate, 1.0), 1, 10, 0.1)
    stuck = History(steps=[rounded] * 30, label_entropy=math.log(2))
    assert says in describe_fit(stuck)


def test_majority_class_alone_is_no_success() -> None:
    shares = History(
        steps=history([0.2] * 30, []).steps,
        validations=history([], [0.2, 0.2]).validations,
        label_entropy=0.1985,  # of 95 and 5 in 100
    )
    assert describe_fit(shares, params=PLAIN).startswith("Underfitting")


def test_loss_of_smoothed_labels_is_measured_from_the_least_that_it_can_be() -> None:
    learnt = History(steps=history([0.21] * 30, []).steps, label_entropy=0.32, least_loss=0.2)
    assert not describe_fit(learnt, params=PLAIN).startswith("Underfitting")
    nothing = History(steps=history([0.31] * 30, []).steps, label_entropy=0.32, least_loss=0.2)
    assert describe_fit(nothing, params=PLAIN).startswith("Underfitting")


def test_biases_and_layer_norms_are_not_decayed(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"])
    optimizer = build_optimizer(model, FineTuneParams.of({"weight_decay": 0.3}))
    decay = {
        id(weight): group["weight_decay"]
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    for name, weight in model.named_parameters():
        plain = name.endswith("bias") or "LayerNorm" in name
        assert decay[id(weight)] == (0.0 if plain else 0.3), name


def test_bf16_is_chosen_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(machine, "has_native_bf16", lambda _, found=native: found)
        assert machine.choose_precision("auto", "cpu") == expected
        assert machine.choose_precision("fp32", "cpu") == "fp32"


def test_history_keeps_its_columns_when_it_is_empty() -> None:
    assert list(History().train.columns)[:3] == ["step", "epoch", "loss"]
    assert History().validation.empty
    assert History().tokens_per_second == 0
