"""A list of examples to choose from, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

PAGE = 10  # examples


class ExampleList:
    """One page of a list, and buttons to turn it.

    Parameters
    ----------
    choose
        Called with the id of the example that is chosen.
    turn
        Called with 1 or -1 to turn the page.
    """

    def __init__(self, choose: Callable[[Any], None], turn: Callable[[int], None]) -> None:
        import ipywidgets

        wide = ipywidgets.Layout(width="auto")
        slim = ipywidgets.Layout(width="7em")
        self._choose, self._quiet = choose, False
        self.title = ipywidgets.HTML()
        self.lines = ipywidgets.Select(
            rows=PAGE, layout=wide, tooltip="Examples of the chosen kind; choose one to read it"
        )
        self.previous = ipywidgets.Button(description="previous", layout=slim)
        self.next = ipywidgets.Button(description="next", layout=slim)
        self.said = ipywidgets.Label()
        self.previous.on_click(lambda _: turn(-1))
        self.next.on_click(lambda _: turn(1))
        self.lines.observe(self._chosen, "value")
        pager = ipywidgets.HBox([self.previous, self.next, self.said])
        layout = ipywidgets.Layout(flex="1 1 30em", min_width="18em")
        self.box = ipywidgets.VBox([self.title, self.lines, pager], layout=layout)

    def show(self, lines: Sequence[tuple[str, Any]], *, chosen: Any) -> None:
        """Show a page.

        Parameters
        ----------
        lines
            Of each example what is shown, and its id.
        chosen
            The id of the example that is chosen; None: none.
        """
        ids = [example_id for _, example_id in lines]
        self._quiet = True
        try:
            with self.lines.hold_sync():  # both in one message: an index is one of its options
                self.lines.index = None
                self.lines.options = tuple(lines)
                self.lines.index = ids.index(chosen) if chosen in ids else None
        finally:
            self._quiet = False

    def number(self, page: int, *, pages: int) -> None:
        """Say which page it is; the first is 1."""
        self.previous.disabled, self.next.disabled = page <= 1, page >= pages
        self.said.value = f"page {page:,} of {pages:,}"

    def _chosen(self, change: Any) -> None:
        if not self._quiet and change.new is not None:
            self._choose(change.new)
