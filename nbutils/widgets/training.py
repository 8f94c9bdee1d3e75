"""A training as it goes: what is shown is plain HTML, so it stays when the kernel is gone.

One display is updated in place. It carries its numbers a second time as
`application/vnd.nbutils.progress+json`: a batch runner that reads the kernel's messages shows them
on the terminal, and a browser ignores them. A button above it ends the training in order; it is
gone when the training is over, and was never there on a published page.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from nbutils.training.history import History
from nbutils.training.machine import peak_memory_mib
from nbutils.training.watcher import Watcher
from nbutils.widgets.base import PROGRESS_MIME, Widget, answer_while_busy

REFRESH_SECONDS = 1.0
RECENT_STEPS = 50
CURVE_WIDTH, CURVE_HEIGHT, CURVE_POINTS = 560, 120, 280
LEARNT, HELD_OUT = "var(--fig-blue,#2f8bc9)", "var(--fig-orange,#e0701e)"


class _Nothing:
    """The static twin of a button: where nothing runs, nothing is there to be stopped."""

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return ""


class StopButton(Widget):
    """Ends a training after its running step; the best state is kept, and the notebook goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._pressed = threading.Event()

    @property
    def is_pressed(self) -> bool:
        """Whether somebody has pressed it."""
        return self._pressed.is_set()

    @property
    def twin(self) -> _Nothing:
        """Nothing."""
        return _Nothing()

    def press(self) -> None:
        """Ask for the end; what a click does."""
        self._pressed.set()
        self._button.disabled = True
        self._button.description = "Stopping after this step"

    def _build(self) -> Any:
        return self._button

    @cached_property
    def _button(self) -> Any:
        import ipywidgets

        button = ipywidgets.Button(
            description="Stop training",
            icon="stop",
            tooltip="End after the running step, keep the best state, and go on with the notebook",
            layout=ipywidgets.Layout(width="auto"),
        )
        button.on_click(self.answering(lambda _: self.press()))
        answer_while_busy(button)
        return button


class LiveTraining(Watcher):
    """A stop button, a progress bar with time left, and the losses; give it to `fine_tune`.

    Parameters
    ----------
    title
        Which training it is, where there are several.
    """

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._stop = StopButton()
        self._button: Any = None  # the handle of its display
        self._handle: Any = None
        self._shown_at = 0.0
        self._last: History | None = None

    def on_step(self, history: History) -> bool:
        """Show an optimiser step, at most once a second and always the last; True: stop."""
        is_last = len(history.steps) == history.total_steps
        if is_last or time.monotonic() - self._shown_at >= REFRESH_SECONDS:
            self._show(history)
        return self._stop.is_pressed

    def on_validation(self, history: History) -> None:
        """Show a validation."""
        self._show(history)

    def on_end(self) -> None:
        """Show the last state as such, and take the button away."""
        if self._last is not None:
            self._show(self._last, is_over=True)
        if self._button is not None:
            self._button.update({"text/plain": "", "text/html": ""}, raw=True)
            self._stop.close()

    def stop(self) -> None:
        """End after the running step, as the button does; for other threads."""
        self._stop.press()

    def _show(self, history: History, *, is_over: bool = False) -> None:
        from IPython.display import display

        self._shown_at, self._last = time.monotonic(), history
        values = progress_values(history)
        bundle = {
            "text/plain": describe(history, title=self._title, is_over=is_over),
            "text/html": render_progress(history, title=self._title, is_over=is_over),
            PROGRESS_MIME: values | {"title": self._title},
        }
        if self._handle is None:
            self._button = display(self._stop._repr_mimebundle_(), raw=True, display_id=True)
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def seconds_left(history: History) -> float:
    """Return the expected seconds until the last step, at the mean pace of the last 50 steps."""
    recent = history.steps[-RECENT_STEPS:]
    pace = sum(record.seconds for record in recent) / max(1, len(recent))
    return pace * (history.total_steps - len(history.steps))


def texts_per_second(history: History) -> float | None:
    """Return the training texts read per second in the last 50 steps; None: it is not known."""
    recent = history.steps[-RECENT_STEPS:]
    before = history.steps[-len(recent) - 1].epoch if len(recent) < len(history.steps) else 0.0
    seconds = sum(record.seconds for record in recent)
    if history.dynamics is None or not seconds:
        return None
    n_texts = int(history.dynamics.shape[1])
    return (recent[-1].epoch - before) * n_texts / seconds


def progress_values(history: History) -> dict[str, Any]:
    """Return the numbers of the display: step, steps, epoch, loss, accuracy, seconds left, cost."""
    last = history.steps[-1]
    seen = history.validations
    texts = texts_per_second(history)
    return {
        "step": last.step,
        "steps": history.total_steps,
        "epoch": round(last.epoch, 3),
        "loss": round(mean_loss(history), 4),
        "accuracy": round(seen[-1].accuracy, 4) if seen else None,
        "seconds_left": round(seconds_left(history), 1),
        "tokens_per_second": round(history.tokens_per_second),
        "texts_per_second": None if texts is None else round(texts, 1),
        "memory_mib": round(peak_memory_mib(history.device)),
    }


def mean_loss(history: History) -> float:
    """Return the mean training loss of the last ten steps, in nats."""
    recent = history.losses[-10:]
    return sum(recent) / len(recent)


def describe(history: History, *, title: str = "", is_over: bool = False) -> str:
    """Return the progress as one line of text."""
    values = progress_values(history)
    line = f"{title}: " if title else ""
    line += (
        f"step {values['step']} of {values['steps']}, epoch {values['epoch']:.2f}, "
        f"loss {values['loss']:.3f}"
    )
    if values["accuracy"] is not None:
        line += f", validation accuracy {values['accuracy']:.1%}"
    if not is_over:
        line += f", {values['seconds_left']:.0f} s left"
    line += f", {values['tokens_per_second']:,} tokens/s"
    if values["texts_per_second"] is not None:
        line += f", {values['texts_per_second']:.0f} texts/s"
    return f"{line}, memory at most {values['memory_mib']:,} MiB"


def render_progress(history: History, *, title: str = "", is_over: bool = False) -> str:
    """Return the progress as HTML: a bar, the line of text, and the losses so far as an SVG."""
    done = 100 * len(history.steps) / max(1, history.total_steps)
    described = describe(history, title=title, is_over=is_over)
    return (
        '<div class="nb-progress" style="max-width:36em">'
        f'<progress max="100" value="{done:.1f}" style="width:100%" '
        f'aria-label="training progress"></progress><div>{html.escape(described)}</div>'
        f"{_curves(history)}</div>"
    )


def _curves(history: History) -> str:
    losses = history.losses
    stride = -(-len(losses) // CURVE_POINTS)
    means = [
        (min(start + stride, len(losses)), _mean(losses[start : start + stride]))
        for start in range(0, len(losses), stride)
    ]
    held_out = [(record.step, record.loss) for record in history.validations]
    top = max(loss for _, loss in means + held_out) or 1.0
    points = [_place(step, loss / top, history) for step, loss in means]
    marks = [_place(step, loss / top, history) for step, loss in held_out]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="4" fill="{HELD_OUT}"/>' for x, y in marks)
    return (
        f'<svg viewBox="-6 -6 {CURVE_WIDTH + 12} {CURVE_HEIGHT + 12}" role="img" '
        f'style="width:100%" aria-label="{_say_losses([loss for _, loss in means], held_out)}">'
        f"{_line(points, LEARNT)}{_line(marks, HELD_OUT, dashes='5 3')}{dots}</svg>"
        f'<div style="font-size:.9em"><span style="color:{LEARNT}" aria-hidden="true">━</span>'
        f' training loss <span style="color:{HELD_OUT}" aria-hidden="true">╍●</span> '
        f"validation loss; from 0 to {top:.2f}</div>"
    )


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses)


def _place(step: int, height: float, history: History) -> tuple[str, str]:
    x = step / max(1, history.total_steps) * CURVE_WIDTH
    return f"{x:.0f}", f"{(1 - height) * CURVE_HEIGHT:.0f}"


def _line(points: Sequence[tuple[str, str]], colour: str, *, dashes: str = "none") -> str:
    joined = " ".join(f"{x},{y}" for x, y in points)
    return (
        f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _say_losses(means: Sequence[float], held_out: Sequence[tuple[int, float]]) -> str:
    said = f"training loss so far, from {means[0]:.2f} to {means[-1]:.2f}"
    if held_out:
        said += f"; validation loss, from {held_out[0][1]:.2f} to {held_out[-1][1]:.2f}"
    return said
