"""A threshold to move, with what it brings beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbutils.escaping import render_text
from nbutils.tables import Table
from nbutils.widgets.dress import dress


@dataclass(frozen=True)
class Moves:
    """What the controls of a panel call.

    Attributes
    ----------
    slide
        Called with a threshold that is on the slider.
    move
        Called with any threshold that is typed; it is to be offered then.
    choose_by
        Called with the split to choose by.
    reset
        Called without anything.
    """

    slide: Callable[[float], None]
    move: Callable[[float], None]
    choose_by: Callable[[str], None]
    reset: Callable[[], None]


class SliderPanel:
    """A slider, the split to choose by, a chart and a table of numbers.

    The handle of a slider has no name that a screen reader could say (ipywidgets 8.1), and a mouse
    hits no exact number: beside it any threshold can be typed.

    Parameters
    ----------
    splits
        To choose by, the first one to begin with.
    moves
        What the controls call.
    """

    def __init__(self, splits: Sequence[str], moves: Moves) -> None:
        import ipywidgets

        self._quiet = False
        wide, auto = (ipywidgets.Layout(width=width) for width in ("95%", "auto"))
        wrap = ipywidgets.Layout(flex_flow="row wrap", grid_gap="0 1em")
        self.slider = ipywidgets.SelectionSlider(
            description="threshold", options=(("0", 0.0),), layout=wide
        )
        self.typed = ipywidgets.BoundedFloatText(
            description="or typed", min=0.0, max=1.0, step=0.01
        )
        self.splits = ipywidgets.ToggleButtons(description="choose by", options=tuple(splits))
        self.splits.style.button_width = "auto"
        self.back = ipywidgets.Button(description="back to the report's", layout=auto)
        self.slider.observe(self._unless_quiet(moves.slide), "value")
        self.slider.observe(self._unless_quiet(self._retype), "value")
        self.typed.observe(self._unless_quiet(moves.move), "value")
        self.splits.observe(self._unless_quiet(moves.choose_by), "value")
        self.back.on_click(lambda _: moves.reset())
        self.chart = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 20em", max_width="430px"))
        self.numbers = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 20em"))
        self.note = ipywidgets.HTML()
        controls = ipywidgets.HBox([self.splits, self.typed, self.back], layout=wrap)
        seen = ipywidgets.HBox([self.chart, self.numbers], layout=wrap)
        self.box = ipywidgets.VBox([controls, self.slider, seen, self.note])

    def offer(self, thresholds: Mapping[str, float], *, chosen: float) -> None:
        """Put other thresholds on the slider.

        Parameters
        ----------
        thresholds
            By what is shown of them, ascending.
        chosen
            One of them.
        """
        self._quiet = True
        try:
            with self.slider.hold_sync():  # both in one message: an index is one of its options
                self.slider.options = tuple(thresholds.items())
                self.slider.index = list(thresholds.values()).index(chosen)
            self.typed.value = chosen
        finally:
            self._quiet = False

    def show(self, chart: str, numbers: Table, *, note: str) -> None:
        """Show what the threshold brings."""
        self.chart.value, self.numbers.value = chart, dress(numbers._repr_html_())
        self.note.value = dress(render_text(note, limit=1000))

    def show_split(self, split: str) -> None:
        """Show by which split is chosen."""
        self._quiet = True
        try:
            self.splits.value = split
        finally:
            self._quiet = False

    def _retype(self, threshold: float) -> None:
        self._quiet = True
        try:
            self.typed.value = threshold
        finally:
            self._quiet = False

    def _unless_quiet(self, move: Callable[[Any], None]) -> Callable[[Any], None]:
        def moved(change: Any) -> None:
            if not self._quiet and change.new is not None:
                move(change.new)

        return moved
