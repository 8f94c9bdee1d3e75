"""What is taken for what, with the texts beside it: read them, ask why, mark what they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from nbutils.analysis.asking import explain_text
from nbutils.analysis.confusion_cells import ANY, Cell, find_cell, find_cells
from nbutils.analysis.held_out import HeldOut
from nbutils.analysis.marks import Marks
from nbutils.analysis.neighbours import TrainingIndex
from nbutils.analysis.saved_model import SavedModel
from nbutils.errors import DataError
from nbutils.escaping import render_text
from nbutils.plots.names import shorten_all
from nbutils.tables import Note
from nbutils.views.confusion_grid import lay_out
from nbutils.views.one_example import (
    render_example,
    render_near,
    say_line,
    shade_example,
    tabulate_probabilities,
)
from nbutils.widgets.base import Widget
from nbutils.widgets.confusion_matrix import ButtonGrid
from nbutils.widgets.dress import dress, scroll
from nbutils.widgets.example_list import PAGE, ExampleList
from nbutils.widgets.example_panel import Answers, ExamplePanel

ORDERS = (("most confident first", True), ("least confident first", False))
NAME_WIDTH = 60  # columns of a name among those to choose from
NONE = -1  # in place of a value: any


class ConfusionExplorer(Widget):
    """A confusion whose numbers open the texts behind them; these can be explained and marked.

    Parameters
    ----------
    model
        With its errors. It is loaded when somebody first asks why.
    data
        A `DatasetDict` with the split `train`, among whose texts the nearest are looked for.
    marks
        A CSV file, which need not exist; one that does is continued.
    seed
        Of the sample of training texts; that of the report finds what it has read already.
    """

    def __init__(
        self, model: SavedModel, data: Mapping[str, Any], *, marks: Path | str, seed: int = 42
    ) -> None:
        super().__init__()
        self._model, self._data, self._seed = model, data, seed
        self._cells = find_cells(model.errors)
        self._held_out = HeldOut(model.errors)
        self.marks = Marks(Path(marks), self._held_out)
        self._refusal = self._read_marks()
        self._cell: Cell = self._cells.worst
        self._surest_first, self._page, self._quiet = True, 1, False
        self._row: dict[Any, Any] = {}  # of the example that is read

    @property
    def twin(self) -> Note:
        """How many examples are marked, or where the same texts are found."""
        if self._refusal:
            return Note(self._refusal, "caution")
        if len(self.marks):
            return Note(self._count_marks())
        return Note(
            "The numbers of the confusion table lead to the texts behind them, in the table of all "
            "mistakes. In JupyterLab these can be read here, explained and marked."
        )

    @property
    def example_id(self) -> Any:
        """The example that is read; None: there is none."""
        return self._row.get("example_id")

    def choose(self, first: str | None = None, second: str | None = None) -> None:
        """Open a cell: its true and its predicted class, or its label and outcome; None is any."""
        with self._turn:
            self._open(find_cell(self._cells, (first, second)))

    def sort(self, *, surest_first: bool) -> None:
        """Put the examples in order of their confidence."""
        with self._turn:
            self._surest_first = surest_first
            self._open(self._cell)

    def page(self, number: int) -> None:
        """Show a page of the examples; the first is 1."""
        with self._turn:
            self._page = min(max(1, number), self._listed.pages(PAGE))
            ids = self._listed.page(self._page, size=PAGE).example_ids.tolist()
            self._read(ids[0] if ids else None)
            self._show_page()

    def select(self, example_id: Any) -> None:
        """Read one of the examples of the chosen cell.

        Raises
        ------
        DataError
            It is not among them.
        """
        with self._turn:
            place = self._listed.place(example_id)
            if place is None:
                raise DataError(f"example {example_id}: expected one of {self._said()}")
            self._page = place // PAGE + 1
            self._read(example_id)
            self._show_page()

    def mark(self, mark: str | None) -> None:
        """Mark the example that is read, and save it at once; None takes its mark away.

        Raises
        ------
        DataError
            No example is read, or the file of marks is not one of this data.
        """
        with self._turn:
            row = self._read_row()
            try:
                self.marks.mark(row["example_id"], mark)
                self._refusal = ""
            finally:
                known = row["example_id"]
                self._panel.show_mark(self.marks[known], earlier=self.marks.earlier(known))
                self._show_count()
                self._show_page()

    def explain(self) -> None:
        """Show which words of the example that is read decided."""
        with self._turn:
            row, place = self._read_row(), self._panel.words
            weights = self._cells.contrast(row["example_id"], self._cell)
            with self._panel.working(place, "Asking the model which words decided …"):
                known, pair = self._model.classifier, row.get("text_pair")
                found = explain_text(known, row["text"], pair, weights=weights)
                place.value = dress(shade_example(row, found)._repr_html_())

    def find_near(self) -> None:
        """Show the training texts that the model finds most like the example that is read."""
        with self._turn:
            row, index, place = self._read_row(), self._index, self._panel.near
            n = len(index.training)
            doing = f"Looking among {n:,} of {index.of:,} training texts; at first they are read …"
            with self._panel.working(place, doing):
                near = index.nearest(self._held_out.find([row["example_id"]]))
                place.value = dress(render_near(near, searched=n, of=index.of))

    @cached_property
    def _index(self) -> TrainingIndex:
        return TrainingIndex.of_model(self._model, self._data, seed=self._seed)

    def _build(self) -> Any:
        import ipywidgets

        wrap = ipywidgets.Layout(flex_flow="row wrap", grid_gap="0 1em")
        heading = ipywidgets.HTML(f"<strong>{render_text(self._buttons.caption)}</strong>")
        choosing = ipywidgets.HBox([*self._axes, self._order], layout=wrap)
        looking = ipywidgets.HBox([self._buttons.box, self._list.box], layout=wrap)
        self._open(self._cell)
        self._show_count()
        return ipywidgets.VBox([heading, choosing, looking, self._panel.box])

    @cached_property
    def _axes(self) -> list[Any]:
        import ipywidgets

        found = []
        for name, values in self._cells.axes:
            shown = shorten_all(values, width=NAME_WIDTH)
            options = [(ANY, NONE), *zip(shown, range(len(values)), strict=True)]
            axis = ipywidgets.Dropdown(description=name, options=options)
            axis.observe(self.answering(self._axis_turned), "value")
            found.append(axis)
        return found

    @cached_property
    def _order(self) -> Any:
        import ipywidgets

        order = ipywidgets.Dropdown(description="order", options=ORDERS)
        order.observe(self.answering(self._order_turned), "value")
        return order

    @cached_property
    def _buttons(self) -> ButtonGrid:
        return ButtonGrid(lay_out(self._cells.found), self.answering(self._open))

    @cached_property
    def _list(self) -> ExampleList:
        turn = self.answering(lambda step: self.page(self._page + step))
        return ExampleList(self.answering(self._read), turn)

    @cached_property
    def _panel(self) -> ExamplePanel:
        answering = self.answering
        answers = Answers(answering(self.mark), answering(self.explain), answering(self.find_near))
        return ExamplePanel(answers)

    def _axis_turned(self, _: Any) -> None:
        if not self._quiet:
            first, second = (None if axis.value == NONE else axis.value for axis in self._axes)
            self._open((first, second))

    def _order_turned(self, change: Any) -> None:
        if not self._quiet:
            self.sort(surest_first=change.new)

    def _open(self, cell: Cell) -> None:
        self._cell = cell
        self._listed = self._cells.choose(cell, surest_first=self._surest_first)
        self._quiet = True
        try:
            for axis, value in zip(self._axes, cell, strict=True):
                axis.value = NONE if value is None else value
            self._order.value = self._surest_first
        finally:
            self._quiet = False
        self._buttons.frame(cell)
        self._list.title.value = f"<strong>{render_text(self._said())}</strong>"
        self.page(1)

    def _said(self) -> str:
        n = len(self._listed)
        return f"{self._cells.say(self._cell)}: {n:,} {'text' if n == 1 else 'texts'}"

    def _show_page(self) -> None:
        page, several = self._listed.page(self._page, size=PAGE), None in self._cell
        found = self._held_out.find(page.example_ids).assign(confidence=page.confidences)
        rows = found.to_dict("records")
        ids = [row["example_id"] for row in rows]
        marks = [{"mark": self.marks[known], "earlier": self.marks.earlier(known)} for known in ids]
        lines = [say_line(row, **own, labels=several) for row, own in zip(rows, marks, strict=True)]
        self._list.show(tuple(zip(lines, ids, strict=True)), chosen=self.example_id)
        self._list.number(self._page, pages=self._listed.pages(PAGE))

    def _read(self, example_id: Any) -> None:
        """Show an example of the list; None: there is none."""
        place = None if example_id is None else self._listed.place(example_id)
        if place is None:
            self._row = {}
            self._panel.show("", mark=None)
            return
        (row,) = self._held_out.find([example_id]).to_dict("records")
        self._row = row | {"confidence": float(self._listed.confidences[place])}
        table = tabulate_probabilities(
            self._held_out.probabilities(example_id),
            self._row,
            label_names=self._model.errors.label_names,
        )
        text = scroll(render_example(self._row), label="the text")
        mark, earlier = self.marks[example_id], self.marks.earlier(example_id)
        self._panel.show(text + table._repr_html_(), mark=mark, earlier=earlier)

    def _read_row(self) -> dict[Any, Any]:
        if not self._row:
            raise DataError("no example is read: choose one of the list first")
        return self._row

    def _read_marks(self) -> str:
        """Return why the marks cannot be continued, or nothing."""
        try:
            self.marks.read()
        except DataError as error:
            return f"No mark can be saved. {error}"
        return ""

    def _show_count(self) -> None:
        shown = Note(self._refusal, "caution")._repr_html_() if self._refusal else ""
        self._panel.count.value = shown or render_text(self._count_marks())

    def _count_marks(self) -> str:
        counts, more = self.marks.counts, self.marks.n_earlier
        kinds = ", ".join(f"{count:,} {mark}" for mark, count in counts.items())
        said = f"{sum(counts.values()):,} marked so far, in {self.marks.path.name}: {kinds}."
        kept = f" {more:,} more {'is' if more == 1 else 'are'} kept, made when model or label said"
        return f"{said}{kept} otherwise." if more else said
