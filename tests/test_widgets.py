"""The live display: throttled, updated in place, and readable without a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbutils.training.history import History, StepRecord, ValidationRecord
from nbutils.widgets import training
from nbutils.widgets.base import PROGRESS_MIME, WIDGET_MIME, Widget, offer
from nbutils.widgets.pieces import LivePieces
from nbutils.widgets.training import (
    LiveTraining,
    StopButton,
    describe,
    progress_values,
    render_progress,
    seconds_left,
)


def history(steps: int, *, total: int = 40) -> History:
    records = [
        StepRecord(k + 1, (k + 1) / 20, 0.7 / (k + 1), 1e-4, 1, 100, 0.5) for k in range(steps)
    ]
    return History(steps=records, total_steps=total)


class Handle:
    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []

    def update(self, bundle: dict[str, Any], *, raw: bool) -> None:
        assert raw
        self.updates.append(bundle)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> tuple[list[dict[str, Any]], Handle]:
    import IPython.display

    shown: list[dict[str, Any]] = []
    handle = Handle()

    def display(bundle: dict[str, Any], *, raw: bool, display_id: bool = False) -> Handle:
        shown.append(bundle)
        return handle

    monkeypatch.setattr(IPython.display, "display", display)
    return shown, handle


def test_display_is_updated_in_place_and_not_at_every_step(
    screen: tuple[list[dict[str, Any]], Handle], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, handle = screen
    clock = iter(range(1000))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(clock) * 0.1 + 100)
    live = LiveTraining()
    for step in range(1, 41):
        live.on_step(history(step))
    assert len(shown) == 2  # the button, and the bar
    assert 2 <= len(handle.updates) <= 10
    assert handle.updates[-1][PROGRESS_MIME]["step"] == 40


def test_validation_is_shown_at_once(screen: tuple[list[dict[str, Any]], Handle]) -> None:
    shown, _ = screen
    seen = history(20)
    seen.validations.append(ValidationRecord(20, 1.0, 0.3, 0.925, 0.9))
    LiveTraining().on_validation(seen)
    assert shown[-1][PROGRESS_MIME]["accuracy"] == 0.925
    assert "validation accuracy 92.5%" in shown[-1]["text/plain"]


def test_time_left_follows_the_pace() -> None:
    assert seconds_left(history(10)) == pytest.approx(15)
    assert seconds_left(history(40)) == 0


def test_progress_says_step_loss_and_time_left() -> None:
    line = describe(history(20))
    assert line.startswith("step 20 of 40, epoch 1.00, loss ")
    assert ", 10 s left, 200 tokens/s, memory at most " in line


def test_progress_says_how_many_texts_a_second_where_they_are_known() -> None:
    seen = history(20)
    seen.dynamics = np.zeros((2, 60), np.float32)  # 60 texts; an epoch is 20 steps of half a second
    assert progress_values(seen)["texts_per_second"] == 6.0
    assert "200 tokens/s, 6 texts/s, memory" in describe(seen)


def test_curve_shows_validations_beside_the_training_loss() -> None:
    seen = history(20)
    seen.validations.append(ValidationRecord(20, 1.0, 0.3, 0.925, 0.9))
    page = render_progress(seen)
    assert "training loss so far, from 0.70 to 0.03; validation loss, from 0.30 to 0.30" in page
    assert page.count("<circle") == 1


def test_stop_button_ends_the_training_after_the_running_step() -> None:
    live = LiveTraining()
    assert live.on_step(history(3)) is False
    live._stop.view.children[0].click()
    assert live.on_step(history(4)) is True
    assert live._stop.view.children[0].disabled


def test_stop_button_is_taken_away_when_the_training_is_over(
    screen: tuple[list[dict[str, Any]], Handle],
) -> None:
    shown, handle = screen
    live = LiveTraining()
    live.on_step(history(3))
    assert WIDGET_MIME in shown[0]
    assert PROGRESS_MIME in shown[1]
    live.on_end()
    assert handle.updates[-1] == {"text/plain": "", "text/html": ""}
    assert "s left" in shown[1]["text/plain"]
    assert "s left" not in handle.updates[-2]["text/html"]  # it may have ended before its plan


def test_title_says_which_training_it_is(screen: tuple[list[dict[str, Any]], Handle]) -> None:
    shown, _ = screen
    LiveTraining("fold 1 of 3").on_step(history(40))
    assert shown[-1]["text/plain"].startswith("fold 1 of 3: step 40 of 40")
    assert "fold 1 of 3: step 40" in shown[-1]["text/html"]
    assert shown[-1][PROGRESS_MIME]["title"] == "fold 1 of 3"


def test_progress_is_plain_html_with_labels() -> None:
    page = render_progress(history(20))
    assert '<progress max="100" value="50.0"' in page
    assert 'aria-label="training loss so far' in page
    assert "<script" not in page


def test_pieces_of_work_are_counted_in_one_display(
    screen: tuple[list[dict[str, Any]], Handle],
) -> None:
    shown, handle = screen
    live = LivePieces()
    live.on_piece(0, 4, "training on <b> with seed 1")
    live.on_piece(1, 4, "training on c")
    assert (len(shown), len(handle.updates)) == (1, 1)
    assert "<b>" not in shown[-1]["text/html"]
    assert handle.updates[0]["text/plain"] == "1 of 4 done, now training on c"
    assert handle.updates[0][PROGRESS_MIME] == {"done": 1, "of": 4, "doing": "training on c"}


def test_widget_that_cannot_be_made_says_why_and_ends_no_notebook() -> None:
    def broken() -> Widget:
        raise KeyError("<b>label</b>")

    shown = offer(broken)
    assert "broken cannot be shown. KeyError: '<b>label</b>'" in repr(shown)
    assert "<b>" not in shown._repr_html_()
    assert isinstance(offer(StopButton), StopButton)
