"""Live displays in a notebook: what they show is plain HTML, so it stays when the kernel is gone.

One display is updated in place. It carries its numbers a second time as
`application/vnd.nbutils.progress+json`: a batch runner that reads the kernel's messages shows them
on the terminal, and a browser ignores them.
"""

from __future__ import annotations

import html
import time
from typing import Any

from nbutils.training.history import History

PROGRESS_MIME = "application/vnd.nbutils.progress+json"
REFRESH_SECONDS = 1.0
CURVE_WIDTH, CURVE_HEIGHT, CURVE_POINTS = 560, 120, 280


class LiveTraining:
    """A progress bar with time left and the loss curve as it grows; give it to `fine_tune`.

    Parameters
    ----------
    title
        Which training it is, where there are several.
    """

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._handle: Any = None
        self._shown_at = 0.0

    def on_step(self, history: History) -> None:
        """Show an optimiser step, at most once a second and always the last."""
        is_last = len(history.steps) == history.total_steps
        if is_last or time.monotonic() - self._shown_at >= REFRESH_SECONDS:
            self._show(history)

    def on_validation(self, history: History) -> None:
        """Show a validation."""
        self._show(history)

    def _show(self, history: History) -> None:
        from IPython.display import display

        self._shown_at = time.monotonic()
        bundle = {
            "text/plain": describe(history, title=self._title),
            "text/html": render_progress(history, title=self._title),
            PROGRESS_MIME: progress_values(history) | {"title": self._title},
        }
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def seconds_left(history: History) -> float:
    """Return the expected seconds until the last step, at the mean pace of the last 50 steps."""
    recent = history.steps[-50:]
    pace = sum(record.seconds for record in recent) / max(1, len(recent))
    return pace * (history.total_steps - len(history.steps))


def progress_values(history: History) -> dict[str, Any]:
    """Return the numbers of the display: step, steps, epoch, loss, accuracy and seconds left."""
    last = history.steps[-1]
    seen = history.validations
    return {
        "step": last.step,
        "steps": history.total_steps,
        "epoch": round(last.epoch, 3),
        "loss": round(mean_loss(history), 4),
        "accuracy": round(seen[-1].accuracy, 4) if seen else None,
        "seconds_left": round(seconds_left(history), 1),
        "tokens_per_second": round(history.tokens_per_second),
    }


def mean_loss(history: History) -> float:
    """Return the mean training loss of the last ten steps, in nats."""
    recent = history.losses[-10:]
    return sum(recent) / len(recent)


def describe(history: History, *, title: str = "") -> str:
    """Return the progress as one line of text."""
    values = progress_values(history)
    line = f"{title}: " if title else ""
    line += (
        f"step {values['step']} of {values['steps']}, epoch {values['epoch']:.2f}, "
        f"loss {values['loss']:.3f}"
    )
    if values["accuracy"] is not None:
        line += f", validation accuracy {values['accuracy']:.1%}"
    return f"{line}, {values['seconds_left']:.0f} s left, {values['tokens_per_second']} tokens/s"


def render_progress(history: History, *, title: str = "") -> str:
    """Return the progress as HTML: a bar, the line of text, and the loss so far as a small SVG."""
    done = 100 * len(history.steps) / max(1, history.total_steps)
    described = describe(history, title=title)
    return (
        '<div class="nb-progress" style="max-width:36em">'
        f'<progress max="100" value="{done:.1f}" style="width:100%" '
        f'aria-label="training progress"></progress><div>{html.escape(described)}</div>'
        f"{_curve(history.losses)}</div>"
    )


def _curve(losses: list[float]) -> str:
    stride = -(-len(losses) // CURVE_POINTS)
    means = [
        sum(losses[start : start + stride]) / len(losses[start : start + stride])
        for start in range(0, len(losses), stride)
    ]
    top = max(means) or 1.0
    points = " ".join(
        f"{place / max(1, len(means) - 1) * CURVE_WIDTH:.0f},{(1 - mean / top) * CURVE_HEIGHT:.0f}"
        for place, mean in enumerate(means)
    )
    return (
        f'<svg viewBox="0 -4 {CURVE_WIDTH} {CURVE_HEIGHT + 8}" role="img" style="width:100%" '
        f'aria-label="training loss so far, from {means[0]:.2f} to {means[-1]:.2f}">'
        f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2"/></svg>'
    )
