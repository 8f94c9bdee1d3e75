"""What all widgets share that move a threshold: the splits to choose by, and a way back."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from nbutils.analysis.errors import Errors
from nbutils.analysis.operating_points import SPLITS
from nbutils.errors import DataError, ParameterError, suggest
from nbutils.escaping import render_text
from nbutils.tables import Note
from nbutils.views.operating_points import HONEST
from nbutils.widgets.base import Widget
from nbutils.widgets.slider_panel import Moves, SliderPanel

NO_TEXT = Note("There is neither a validation nor a test text to choose a threshold by.")


class MovedThreshold(Widget):
    """A threshold that somebody moves, and the split by which that is done.

    Parameters
    ----------
    errors
        Of validation and test texts.
    """

    heading = ""

    def __init__(self, errors: Errors) -> None:
        super().__init__()
        self._errors = errors
        known = set(errors.predictions["split"].unique())
        self.splits = tuple(split for split in SPLITS if split in known)
        self.split = self.splits[0] if self.splits else ""

    @property
    def chosen(self) -> float:
        """The threshold that the report has."""
        raise NotImplementedError

    def move(self, threshold: float) -> None:
        """Try a threshold.

        Parameters
        ----------
        threshold
            In [0, 1].

        Raises
        ------
        DataError
            There is no text.
        ParameterError
            It is no probability.
        """
        if not self.splits:
            raise DataError(NO_TEXT.text)
        if not 0 <= threshold <= 1:
            raise ParameterError(f"threshold: expected a number in [0, 1], found {threshold!r}")
        with self._turn:
            self._move(float(threshold))

    def choose_by(self, split: str) -> None:
        """Choose by the texts of a split; its numbers stand first.

        Parameters
        ----------
        split
            ``validation`` or ``test``.
        """
        if split not in self.splits:
            raise DataError(f"split: there is no {split!r} here{suggest(split, self.splits)}")
        with self._turn:
            self.split = split
            self._panel.show_split(split)
            self._show()

    def reset(self) -> None:
        """Go back to the threshold that the report has."""
        self.move(self.chosen)

    @cached_property
    def _panel(self) -> SliderPanel:
        answering = self.answering
        moves = Moves(
            slide=answering(self._slid),
            move=answering(self.move),
            choose_by=answering(self.choose_by),
            reset=answering(self.reset),
        )
        return SliderPanel(self.splits, moves)

    @property
    def _honest(self) -> str:
        """What choosing by this split means for the other."""
        return HONEST[self.split if "test" in self.splits else ""]

    def _build(self) -> Any:
        import ipywidgets

        if not self.splits:
            return ipywidgets.HTML(NO_TEXT._repr_html_())
        self.reset()
        head = ipywidgets.HTML(f"<strong>{render_text(self.heading)}</strong>")
        return ipywidgets.VBox([head, *self._more(), self._panel.box])

    def _more(self) -> list[Any]:
        """Return controls above the slider."""
        return []

    def _move(self, threshold: float) -> None:
        """Put a threshold on the slider, and show what it brings."""
        raise NotImplementedError

    def _slid(self, threshold: float) -> None:
        """Show what a threshold brings that is on the slider."""
        raise NotImplementedError

    def _show(self) -> None:
        """Show what the threshold brings."""
        raise NotImplementedError
