"""Trainings that end by steps or by the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest

import nbutils
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training import checkpointing
from nbutils.training.history import History
from nbutils.training.limits import describe_plan, plan_steps
from nbutils.training.pitfalls import advise_steps
from nbutils.training.watcher import Watcher

RECIPE = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-4, "max_length": 16}


class Clock(Watcher):
    """A watcher that is also the clock: each step takes a minute; one step may be the last."""

    def __init__(self, cut_at: int = 0) -> None:
        self.now, self.cut_at = 1000.0, cut_at

    def __call__(self) -> float:
        return self.now

    def on_step(self, history: History) -> None:
        self.now += 60
        if len(history.steps) == self.cut_at:
            raise RuntimeError("power cut")

    def on_validation(self, history: History) -> None:
        pass


def train(model: Path, reviews: pd.DataFrame, **changes: object) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        **{**RECIPE, "model": str(model), **changes},
    )


@pytest.mark.parametrize(
    ("epochs", "max_steps", "steps", "how"),
    [
        (3, None, 24, "all epochs done"),
        (3, 24, 24, "all epochs done"),
        (3, 100, 24, "all epochs done"),
        (3, 10, 10, "max_steps: 10 of 24 steps in all epochs"),
    ],
)
def test_whichever_ends_first_is_planned(
    epochs: int, max_steps: int | None, steps: int, how: str
) -> None:
    params = FineTuneParams.of({"epochs": epochs, "max_steps": max_steps})
    assert plan_steps(params, 8) == steps
    assert describe_plan(params, 8) == how


def test_schedule_fits_the_steps_that_are_made(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    history = train(tiny_bert, reviews, max_steps=10, warmup_fraction=0.2).history
    rates = history.train["learning_rate"].tolist()
    assert len(rates) == history.total_steps == 10
    assert rates[:3] == pytest.approx([5e-5, 1e-4, 1e-4])
    assert rates[-1] == pytest.approx(1e-4 / 8)
    assert [record.step for record in history.validations] == [8, 10]
    assert history.stopped.startswith("max_steps")


def test_time_limit_ends_in_order_and_keeps_the_best_state(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    history = train(tiny_bert, reviews, time_limit_minutes=11, watcher=clock).history
    assert history.stopped == "time limit: 11 minutes were over after step 11 of 24"
    assert [record.step for record in history.validations] == [8, 11]
    best = max(history.validations, key=lambda seen: (seen.accuracy, -seen.loss))
    assert history.best_step == best.step


class Hand(Watcher):
    """Presses the stop button at a step."""

    def __init__(self, step: int) -> None:
        self.step, self.ended = step, 0

    def on_step(self, history: History) -> bool:
        return len(history.steps) == self.step

    def on_end(self) -> None:
        self.ended += 1


def test_training_stopped_by_hand_keeps_its_best_state_and_says_so(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    hand = Hand(step=11)
    tuned = train(tiny_bert, reviews, watcher=hand)
    assert tuned.history.stopped == "by hand after step 11 of 24"
    assert "a run that nobody stops has another result" in tuned.history.notes[-1]
    assert [record.step for record in tuned.history.validations] == [8, 11]
    assert hand.ended == 1
    assert len(tuned.predict(["good film"]).pred_probs) == 1


def test_who_looks_on_is_told_of_the_end_also_when_it_fails(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    class Broken(Hand):
        def on_step(self, history: History) -> bool:
            raise OSError("no screen")

    hand = Broken(step=0)
    with pytest.raises(OSError, match="no screen"):
        train(tiny_bert, reviews, watcher=hand)
    assert hand.ended == 1


def test_who_looks_on_is_told_of_the_end_of_a_finished_training(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    for _ in range(2):  # the second finds it finished
        hand = Hand(step=0)
        train(tiny_bert, reviews, watcher=hand, checkpoint_dir=tmp_path)
        assert hand.ended == 1


def test_patience_without_validation_texts_is_noted(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    recipe = {"model": str(tiny_bert), "max_length": 16, "max_steps": 2}
    history = nbutils.fine_tune(texts, labels, early_stopping_patience=3, **recipe).history
    assert history.notes == [
        "early_stopping_patience 3 does nothing: there are no validation texts to stop by"
    ]
    assert not nbutils.fine_tune(texts, labels, **recipe).history.notes


def test_one_step_is_made_however_short_the_time(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    history = train(tiny_bert, reviews, time_limit_minutes=1e-9).history
    assert (len(history.steps), len(history.validations)) == (1, 1)


def test_resumed_training_counts_the_time_that_it_already_used(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    folder = tmp_path / "states"

    def train_by(clock: Clock) -> History:
        monkeypatch.setattr(time, "perf_counter", clock)
        changes = {"time_limit_minutes": 6, "watcher": clock, "checkpoint_dir": folder}
        return train(tiny_bert, reviews, **changes).history

    with pytest.raises(RuntimeError, match="power cut"):
        train_by(Clock(cut_at=4))
    # three steps and three minutes are in the state: three are left
    history = train_by(Clock())
    assert len(history.steps) == 6
    assert history.seconds == pytest.approx(360)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": 0}, "max_steps: should be greater than or equal to 1, found 0"),
        ({"max_steps": True}, "max_steps: expected int or none, found True"),
        ({"time_limit_minutes": 0}, "time_limit_minutes: should be greater than 0, found 0"),
    ],
)
def test_limit_that_leaves_nothing_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FineTuneParams.of(change)


def test_epochs_that_max_steps_cuts_short_are_no_mistake() -> None:
    assert FineTuneParams.of({"epochs": 50}).cautions()
    assert not FineTuneParams.of({"epochs": 50, "max_steps": 100}).cautions()


def test_advice_for_few_texts_knows_max_steps() -> None:
    card = {"classes": {"a": {"train": 16}, "b": {"train": 16}}, "splits": {"train": 32}}
    params = FineTuneParams.of({"epochs": 100, "max_steps": 50})
    (advice,) = advise_steps(params, card)
    assert advice.startswith("50 optimiser steps are not enough")
    assert "fine_tune.max_steps to 200" in advice
    assert advise_steps(FineTuneParams.of({"epochs": 100, "max_steps": 200}), card) == []


def test_training_stopped_by_hand_goes_on_when_it_is_run_again(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    whole = train(tiny_bert, reviews)
    stopped = train(tiny_bert, reviews, watcher=Hand(step=11), checkpoint_dir=tmp_path / "c")
    assert len(stopped.history.steps) == 11
    again = train(tiny_bert, reviews, checkpoint_dir=tmp_path / "c")
    assert again.history.stopped == "all epochs done"
    assert again.history.losses == whole.history.losses
    assert again.history.notes == whole.history.notes
    texts = reviews["text"].tolist()
    assert (again.predict(texts).pred_probs == whole.predict(texts).pred_probs).all()


def test_training_stopped_at_its_last_step_is_finished(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    whole = train(tiny_bert, reviews, watcher=Hand(step=24), checkpoint_dir=tmp_path / "c")
    assert whole.history.stopped == "all epochs done"
    again = train(tiny_bert, reviews, watcher=Hand(step=1), checkpoint_dir=tmp_path / "c")
    assert again.history.as_dict() == whole.history.as_dict()  # nothing was done, nor timed again
