"""One example as a whole: its text, its mark, and what can be asked about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nbutils.analysis.marks import MARKS
from nbutils.escaping import render_text
from nbutils.widgets.dress import dress

NO_MARK = "none"


@dataclass(frozen=True)
class Answers:
    """What the buttons of a panel call.

    Attributes
    ----------
    mark
        Called with one of `MARKS`, or None.
    explain, find_near
        Called without anything.
    """

    mark: Callable[[str | None], None]
    explain: Callable[[], None]
    find_near: Callable[[], None]


class ExamplePanel:
    """The example that is read.

    Parameters
    ----------
    answers
        To its buttons.
    """

    def __init__(self, answers: Answers) -> None:
        import ipywidgets

        self._answers, self._quiet = answers, False
        self.text, self.count, self.words, self.near = (ipywidgets.HTML() for _ in range(4))
        self.earlier = ipywidgets.HTML()
        self.marks = ipywidgets.ToggleButtons(description="mark", options=(NO_MARK, *MARKS))
        self.marks.style.button_width = "auto"
        wide = ipywidgets.Layout(width="auto")
        self.why = ipywidgets.Button(description="Which words decided?", layout=wide)
        self.who = ipywidgets.Button(description="Which training texts are near?", layout=wide)
        self.marks.observe(self._marked, "value")
        self.why.on_click(lambda _: answers.explain())
        self.who.on_click(lambda _: answers.find_near())
        row = ipywidgets.Layout(flex_flow="row wrap", grid_gap="0 1em")
        marking = ipywidgets.HBox([self.marks, self.count], layout=row)
        asking = ipywidgets.HBox([self.why, self.who], layout=row)
        answered = [asking, self.words, self.near]
        self.box = ipywidgets.VBox([self.text, marking, self.earlier, *answered])

    def show(self, text: str, *, mark: str | None, earlier: str | None = None) -> None:
        """Show an example, without the answers for the one before; "": there is none."""
        self.text.value = dress(text)
        self.words.value = self.near.value = ""
        for control in (self.marks, self.why, self.who):
            control.disabled = not text
        self.show_mark(mark, earlier=earlier)

    @contextmanager
    def working(self, place: Any, doing: str) -> Iterator[None]:
        """Say what is being done where the answer will stand, and nothing where it fails."""
        place.value = f'<div role="status">{render_text(doing)}</div>'
        try:
            yield
        except BaseException:
            place.value = ""
            raise

    def show_mark(self, mark: str | None, *, earlier: str | None = None) -> None:
        """Show the mark that is saved, or an earlier one that is no answer any more."""
        said = f"Marked {earlier}. Choose a mark to replace it."
        self.earlier.value = render_text(said) if earlier else ""
        self._quiet = True
        try:
            self.marks.value = mark or NO_MARK
        finally:
            self._quiet = False

    def _marked(self, change: Any) -> None:
        if not self._quiet:
            self._answers.mark(None if change.new == NO_MARK else change.new)
