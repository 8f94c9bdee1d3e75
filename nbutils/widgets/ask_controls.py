"""The boxes and buttons of the widget that asks models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbutils.analysis.questions import Texts
from nbutils.analysis.text_changes import Change
from nbutils.escaping import render_text

LABELS = ("Text", "Second text")
ROWS = 5  # lines of a box that are seen at once


@dataclass(frozen=True)
class Actions:
    """What is called: `typed` at each key, `ask` by its button, `change` with a change's name."""

    typed: Callable[[Any], None]
    ask: Callable[[], None]
    change: Callable[[str], None]
    undo: Callable[[], None]
    pick_random: Callable[[], None]
    next_mistake: Callable[[], None]


class AskControls:
    """A box for a text or two for a pair, and buttons.

    Parameters
    ----------
    texts
        What stands in the boxes.
    changes
        A button each.
    with_examples
        Whether test texts can be picked.
    actions
        What is called.
    """

    def __init__(
        self, texts: Texts, changes: Sequence[Change], *, with_examples: bool, actions: Actions
    ) -> None:
        import ipywidgets as w

        self.filling = False
        self._row = w.Layout(flex_flow="row wrap", align_items="center", grid_gap="0 .3em")
        self._button = w.Layout(width="auto")
        self._boxes = [self._box(*own) for own in zip(LABELS, texts, strict=False)]
        for box in self._boxes:
            box.observe(actions.typed, "value")
        self.undo = self._make("Undo", "Take the last change back", actions.undo)
        self.undo.disabled = True
        self._about = w.HTML()
        asking = [self._make("Ask", "Ask about the text as it stands", actions.ask)]
        if with_examples:
            asking += [
                self._make("A random test text", "Ask about another one", actions.pick_random),
                self._make("The next mistake", "The most confident first", actions.next_mistake),
            ]
        changing = [self._change(change, actions.change) for change in changes]
        self.view = w.VBox(
            [
                w.HTML('<strong role="heading" aria-level="4">Ask the model</strong>'),
                *self._boxes,
                w.HBox(asking, layout=self._row),
                w.HBox([w.Label("Change it a little:"), *changing, self.undo], layout=self._row),
                self._about,
            ]
        )

    @property
    def texts(self) -> Texts:
        """What stands in the boxes."""
        return tuple(box.value for box in self._boxes)

    def fill(self, texts: Texts, *, about: str) -> None:
        """Write texts into the boxes, and a line below them; `filling` is on meanwhile."""
        self.filling = True
        try:
            for box, text in zip(self._boxes, texts, strict=True):
                box.value = text
        finally:
            self.filling = False
        self.tell(about)

    def tell(self, about: str) -> None:
        """Write a line below the boxes."""
        self._about.value = f'<div role="status">{render_text(about)}</div>' if about else ""

    def _box(self, label: str, text: str) -> Any:
        import ipywidgets as w

        return w.Textarea(
            value=text,
            description=label,
            continuous_update=True,
            rows=ROWS,
            layout=w.Layout(width="100%"),
        )

    def _make(self, label: str, tooltip: str, action: Callable[[], None]) -> Any:
        import ipywidgets as w

        button = w.Button(description=label, tooltip=tooltip, layout=self._button)
        button.on_click(lambda _: action())
        return button

    def _change(self, change: Change, action: Callable[[str], None]) -> Any:
        tooltip = f"{change.what[0].upper()}{change.what[1:]}"
        return self._make(change.name.capitalize(), tooltip, lambda: action(change.name))
