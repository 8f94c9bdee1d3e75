"""A page of rows, each with a button that chooses it, and buttons to the pages beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

PAGE = 12  # rows


class TextRows:
    """Rows of HTML, of which one can be chosen.

    Parameters
    ----------
    head
        Names of the cells, as HTML.
    chosen
        Called with the name of the row that was chosen.
    turned
        Called with -1 or 1 for the page before or after.
    """

    def __init__(
        self, head: str, *, chosen: Callable[[str], None], turned: Callable[[int], None]
    ) -> None:
        import ipywidgets as w

        narrow, wide = w.Layout(width="7em"), w.Layout(flex="1 1 0", min_width="0")
        self._buttons = [w.Button(layout=narrow, disabled=False) for _ in range(PAGE)]
        self._lines = [w.HTML(layout=wide) for _ in range(PAGE)]
        whole = w.Layout(width="100%", align_items="center")
        pairs = zip(self._buttons, self._lines, strict=True)
        self._pairs = [w.HBox(list(pair), layout=whole) for pair in pairs]
        self._names: Sequence[str] = ()
        for place, button in enumerate(self._buttons):
            button.on_click(lambda _, place=place: chosen(self._names[place]))
        corner = w.HTML("<b>example</b>", layout=narrow)
        self._rows = w.VBox(layout=w.Layout(width="100%", min_height=f"{PAGE * 32}px"))
        self.before, self.after = w.Button(description="Previous"), w.Button(description="Next")
        self.before.on_click(lambda _: turned(-1))
        self.after.on_click(lambda _: turned(1))
        self._where = w.HTML()
        turning = w.HBox([self.before, self._where, self.after])
        self.box = w.VBox(
            [w.HBox([corner, w.HTML(head, layout=wide)], layout=whole), self._rows, turning]
        )

    def show(self, rows: Sequence[tuple[str, str]], *, start: int, total: int) -> None:
        """Show a page.

        Parameters
        ----------
        rows
            The name of each row and its HTML, at most `PAGE`.
        start
            Rows before this page.
        total
            Rows of all pages.
        """
        self._names = [name for name, _ in rows]
        for button, line, (name, content) in zip(self._buttons, self._lines, rows, strict=False):
            button.description, button.tooltip = name, f"Read example {name}"
            line.value = content
        self._rows.children = self._pairs[: len(rows)]
        end = start + len(rows)
        self._where.value = f"{start + 1:,} to {end:,} of {total:,}" if rows else "No such text."
        self.before.disabled, self.after.disabled = start == 0, end >= total

    def mark(self, name: str | None) -> None:
        """Mark the row that is chosen, if it is on this page."""
        for button, own in zip(self._buttons, self._names, strict=False):
            button.icon = "chevron-right" if own == name else ""

    @property
    def choosers(self) -> list[Any]:
        """The buttons of the rows on this page."""
        return self._buttons[: len(self._names)]
