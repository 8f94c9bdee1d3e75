"""Choosing among finished runs: searched and put in order, one of them opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbutils.errors import DataError, ParameterError, suggest
from nbutils.escaping import plain_attribute, render_text, visible_text
from nbutils.finished_runs.listing import HOW_TO_MAKE_ONE, Order, RunList, list_runs
from nbutils.finished_runs.run import FinishedRun, say_place, say_when
from nbutils.report_folders import TITLES, page_name
from nbutils.tables import Facts, Note, Table
from nbutils.widgets.base import Debounced, Widget
from nbutils.widgets.served import served_at

PAGE = 15  # runs in the list
LONGEST_LINE = 200  # characters
ORDERS = [("newest first", "newest"), ("best score first", "score"), ("by name", "name")]
LINK = "color:inherit;text-decoration:underline;margin-right:1em"


@dataclass(frozen=True)
class _Parts:
    """The ipywidgets that are read or changed."""

    find: Any
    order: Any
    earlier: Any
    later: Any
    place: Any
    refresh: Any
    choices: Any
    facts: Any


class RunPicker(Widget):
    """A list of finished runs to choose from; `run` is the chosen one.

    At first that is the newest of which data and model are still there.

    Of each run its report's manifest alone is read, until more is asked of it.

    Parameters
    ----------
    runs_dir, reports_dir
        As for `nbutils.open_run`.
    """

    def __init__(
        self, *, runs_dir: str | Path | None = None, reports_dir: str | Path | None = None
    ) -> None:
        super().__init__()
        self._places = (runs_dir, reports_dir)
        self._words = ""
        self._order: Order = "newest"
        self._page = 0
        self._drawing = False
        self._all = self._found = list_runs(*self._places)
        # of a run whose folders are gone, little but its numbers can be looked at
        whole = (run for run in self._all if run.has("data_prep") and run.has("fine_tune"))
        self._chosen = next(whole, self._all[0] if self._all else None)

    @property
    def runs(self) -> RunList:
        """The runs that match what was searched for, in the order that was chosen."""
        return self._found

    @property
    def run(self) -> FinishedRun:
        """The chosen run.

        Raises
        ------
        DataError
            There is no run.
        """
        if self._chosen is None:
            raise DataError(f"expected a finished run, found none; {HOW_TO_MAKE_ONE}")
        return self._chosen

    @property
    def twin(self) -> Table | Note:
        """The newest runs as a table."""
        return self._all.table()

    def filter(self, text: str) -> None:
        """Keep the runs that have every word of a text, such as ``imdb epochs=3``."""
        with self._turn:
            if "_parts" in self.__dict__:
                self._parts.find.value = text
            self._filter(text)

    def sort(self, order: Order) -> None:
        """Put the runs in order: ``"newest"``, ``"score"`` or ``"name"``."""
        with self._turn:
            self._order, self._page = order, 0
            self._look()

    def page(self, number: int) -> None:
        """Show a page of the list, the first is 1; beyond the ends, the nearest."""
        with self._turn:
            self._page = min(max(number - 1, 0), max(0, (len(self._found) - 1) // PAGE))
            self._draw()

    def choose(self, run: str | FinishedRun) -> None:
        """Choose a run, by its name for example.

        Raises
        ------
        ParameterError
            There is none of that name.
        """
        name = run if isinstance(run, str) else run.name
        known = [each for each in self._all if each is run or name == each.name]
        if not known:
            names = [each.name for each in self._all] or ["none"]
            raise ParameterError(f"run {name!r}: no such run{suggest(name, names)}")
        with self._turn:
            self._chosen = next((each for each in known if each is run), known[0])
            at = [each is self._chosen for each in self._found]
            self._page = at.index(True) // PAGE if any(at) else self._page
            self._draw()

    def refresh(self) -> None:
        """Look again for runs; the chosen one stays chosen while it is there."""
        with self._turn:
            self._all = list_runs(*self._places)
            own = None if self._chosen is None else _identity(self._chosen)
            first = self._all[0] if self._all else None
            self._chosen = next((run for run in self._all if _identity(run) == own), first)
            self._look()

    def _filter(self, text: str) -> None:
        if text != self._words:
            self._words, self._page = text, 0
            self._look()

    def _look(self) -> None:
        self._found = self._all.matching(self._words).ordered(self._order)
        self.page(self._page + 1)

    @cached_property
    def _parts(self) -> _Parts:
        import ipywidgets

        auto, rows = ipywidgets.Layout(width="auto"), min(PAGE, max(3, len(self._all)))
        return _Parts(
            find=ipywidgets.Text(description="Find", placeholder="words, or epochs=3"),
            order=ipywidgets.Dropdown(description="Order", options=ORDERS, value=self._order),
            earlier=ipywidgets.Button(description="Previous runs", layout=auto),
            later=ipywidgets.Button(description="Next runs", layout=auto),
            place=ipywidgets.HTML(),
            refresh=ipywidgets.Button(description="Refresh", layout=auto),
            choices=ipywidgets.Select(description="Run", rows=rows, layout=auto),
            facts=ipywidgets.HTML(),
        )

    def _build(self) -> Any:
        import ipywidgets

        parts = self._parts
        typed = Debounced(self.answering(lambda change: self._filter(change["new"])), seconds=0.25)
        parts.find.observe(typed, names="value")
        parts.order.observe(self.answering(self._sort_listed), names="value")
        parts.earlier.on_click(self.answering(lambda _: self.page(self._page)))
        parts.later.on_click(self.answering(lambda _: self.page(self._page + 2)))
        parts.refresh.on_click(self.answering(lambda _: self._refresh_aloud()))
        parts.choices.observe(self.answering(self._choose_listed), names="index")
        self._draw()
        head = ipywidgets.HBox([parts.find, parts.order, parts.refresh])
        pages = ipywidgets.HBox([parts.earlier, parts.later, parts.place])
        return ipywidgets.VBox([head, parts.choices, pages, parts.facts])

    def _refresh_aloud(self) -> None:
        self.refresh()
        self.say(f"{len(self._all):,} finished runs.")

    def _sort_listed(self, change: Any) -> None:
        if not self._drawing:
            self.sort(change["new"])

    def _choose_listed(self, change: Any) -> None:
        if not self._drawing and change["new"] is not None:
            self._chosen = self._found[self._page * PAGE + change["new"]]
            self._parts.facts.value = self._tell()

    def _draw(self) -> None:
        if "_parts" not in self.__dict__:  # nobody looks yet
            return
        parts, start = self._parts, self._page * PAGE
        listed = self._found[start : start + PAGE]
        at = [place for place, run in enumerate(listed) if run is self._chosen]
        self._drawing = True
        try:
            parts.order.value = self._order
            parts.choices.options = [(self._line(run), place) for place, run in enumerate(listed)]
            parts.choices.index = at[0] if at else None
        finally:
            self._drawing = False
        last = start + len(listed)
        parts.place.value = f"{start + 1:,} to {last:,} of {len(self._found):,}" if listed else ""
        parts.earlier.disabled = not start
        parts.later.disabled = last == len(self._found)
        parts.facts.value = self._tell()

    def _line(self, run: FinishedRun) -> str:
        """Return a run as one line of the list, which is plain text."""
        score = "" if run.score is None else str(run.score)
        said = [run.name, score, say_when(run.when), run.subject, self._found.say_differences(run)]
        line = visible_text(" \N{MIDDLE DOT} ".join(filter(None, said)))
        return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"

    def _tell(self) -> str:
        """Return what is known of the chosen run, or how to get one, as HTML."""
        if self._chosen is None:
            return self.twin._repr_html_()
        none = "" if self._found else Note("No run has all of these words.")._repr_html_()
        differs = self._found.differences(self._chosen)
        apart = Facts(differs, caption="Where the runs in the list differ")._repr_html_()
        return f"{none}{self._chosen._repr_html_()}{apart if differs else ''}{_link(self._chosen)}"


def _identity(run: FinishedRun) -> tuple[str, bool]:
    return run.name, run.report_dir is None


def _link(run: FinishedRun) -> str:
    """Return links to the pages of a run's report, and in words where it is."""
    if run.report is None or run.report_dir is None:
        return "<p>It has no report: notebooks that are run in JupyterLab make none.</p>"
    words = f"<p>Its report is {render_text(say_place(run.report))}"
    pages = {"Summary": run.report}
    pages |= {TITLES[stage]: run.report_dir / page_name(stage) for stage in run.folders}
    found = {title: served_at(page) for title, page in pages.items() if page.is_file()}
    if None in found.values():
        return f"{words}: open it in a browser.</p>"
    links = "".join(
        f'<a href="{plain_attribute(href)}" target="_blank" rel="noopener" style="{LINK}">'
        f"{title}</a>"
        for title, href in found.items()
    )
    # the server refuses links from one page to another, whose sandbox hides where they come from
    return f"{words}; here each page opens by its own link:</p><p>{links}</p>"
