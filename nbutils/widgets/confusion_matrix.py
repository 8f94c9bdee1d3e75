"""A confusion whose numbers are buttons."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from nbutils.analysis.confusion_cells import Cell
from nbutils.escaping import escape_text
from nbutils.views.confusion_grid import Grid, GridCell

NARROW = 10  # columns up to which they are wide
TURNED = 4  # columns from which on their names stand upright
FRAME = "3px solid var(--jp-ui-font-color0, #808080)"  # not the ink, which fades on the page
LEVEL = "white-space:nowrap;line-height:1.3"
UPRIGHT = f"writing-mode:vertical-rl;transform:rotate(180deg);margin:0 auto;{LEVEL}"


class ButtonGrid:
    """Rows of buttons with the names of rows and columns; the chosen one has a frame.

    Parameters
    ----------
    grid
        What the cells show. One without a text is empty, and no button.
    choose
        Called with the cell of a button that is pressed.
    """

    def __init__(self, grid: Grid, choose: Callable[[Cell], None]) -> None:
        import ipywidgets

        self._plain = ipywidgets.Layout(width="auto", height="2.3em", margin="1px", padding="0")
        self._framed = ipywidgets.Layout(
            width="auto", height="2.3em", margin="0", padding="0", border=FRAME
        )
        self._style = cache(_make_style)
        self._choose, self.caption = choose, grid.caption
        self.buttons: dict[Cell, Any] = {}
        self._framed_cell: Cell = (None, None)
        self.box = self._lay_out(grid)

    def frame(self, cell: Cell) -> None:
        """Show which cell is chosen: none, where it has no button."""
        for own, layout in ((self._framed_cell, self._plain), (cell, self._framed)):
            if own in self.buttons:
                self.buttons[own].layout = layout
        self._framed_cell = cell

    def _lay_out(self, grid: Grid) -> Any:
        import ipywidgets

        n_columns = len(grid.column_names)
        slim = ipywidgets.Layout(width="auto", height="auto", margin="0 .4em 0 0")
        low = ipywidgets.Layout(width="auto", height="auto", align_self="flex-end")
        empty = ipywidgets.HTML()
        upright = n_columns >= TURNED
        heads = [_name(name, low, upright=upright) for name in grid.column_names]
        children = [empty, *heads]
        for name, row in zip(grid.row_names, grid.rows, strict=True):
            cells = [self._button(cell) if cell.count else empty for cell in row]
            children += [_name(name, slim, upright=False), *cells]
        width = "8em" if not upright else "3.6em" if n_columns <= NARROW else "2.8em"
        layout = ipywidgets.Layout(
            grid_template_columns=f"max-content repeat({n_columns}, {width})",
            align_items="center",
            overflow="auto",
            max_width="100%",
        )
        return ipywidgets.GridBox(children, layout=layout)

    def _button(self, cell: GridCell) -> Any:
        import ipywidgets

        button = ipywidgets.Button(
            description=f"{cell.count:,}",
            tooltip=cell.said,
            layout=self._plain,
            style=self._style(cell.colours),
        )
        button.on_click(lambda _: self._choose(cell.cell))
        self.buttons[cell.cell] = button
        return button


def _make_style(colours: tuple[str, str] | None) -> Any:
    import ipywidgets

    ground, ink = colours or (None, None)
    return ipywidgets.ButtonStyle(button_color=ground, text_color=ink)


def _name(name: str, layout: Any, *, upright: bool) -> Any:
    import ipywidgets

    style = UPRIGHT if upright else LEVEL
    shown = escape_text(name)
    return ipywidgets.HTML(f'<bdi style="display:block;{style}">{shown}</bdi>', layout=layout)
