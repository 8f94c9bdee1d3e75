"""Widgets come and go with the cells that show them: nothing is kept of what is no longer seen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances as living
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from nbutils.tables import Note
from nbutils.widgets.base import WIDGET_MIME, Widget
from nbutils.widgets.cells import CellRun, ShownWidgets, find_cell_run
from nbutils.widgets.text_rows import TextRows
from nbutils.widgets.training import StopButton


class Counter(Widget):
    """Counts clicks, among rows of which one is on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @property
    def twin(self) -> Note:
        return Note("A counter.")

    @cached_property
    def button(self) -> Any:
        button = ipywidgets.Button(description="0")
        button.on_click(self.answering(self._clicked))
        return button

    @cached_property
    def rows(self) -> TextRows:
        return TextRows("", chosen=lambda _: None, turned=lambda _: None)

    def _clicked(self, _: Any) -> None:
        self.count += 1
        self.button.description = str(self.count)

    def _build(self) -> Any:
        self.rows.show([("1", "a")], start=0, total=1)
        return ipywidgets.VBox([self.button, self.rows.box])


def run(cell: str = "a", request: str = "1", session: str = "s") -> CellRun:
    return CellRun(session, cell, request)


def test_closed_widget_leaves_nothing_behind() -> None:
    before = set(living)
    counter = Counter()
    assert WIDGET_MIME in counter._repr_mimebundle_()
    assert len(set(living) - before) > 50
    counter.close()
    assert set(living) == before


def test_closed_widget_that_is_shown_again_is_as_it_was_and_answers() -> None:
    counter = Counter()
    counter._repr_mimebundle_()
    counter.button.click()
    counter.close()
    counter.button.click()
    before = set(living)
    assert WIDGET_MIME in counter._repr_mimebundle_()
    assert set(living) > before
    assert counter.view.children[0].children[0].get_state("description")["description"] == "2"
    counter.button.click()
    assert counter.count == 3
    counter.rows.show([("1", "a"), ("2", "b")], start=0, total=2)
    assert all(row.comm is not None for row in counter.rows._rows.children)


def test_stop_button_is_closed_as_a_whole() -> None:
    before = set(living)
    stop = StopButton()
    stop._repr_mimebundle_()
    stop.close()
    assert set(living) == before


def test_second_run_of_a_cell_gives_up_what_the_first_one_showed() -> None:
    shown, old, older, new = ShownWidgets(), Counter(), Counter(), Counter()
    assert shown.show(older, run()) == []
    assert shown.show(old, run()) == []
    assert shown.show(new, run(request="2")) == [older, old]
    assert shown.show(new, run(request="3")) == []


def test_widget_is_kept_while_another_cell_shows_it() -> None:
    shown, old, new = ShownWidgets(), Counter(), Counter()
    shown.show(old, run("a", "1"))
    shown.show(old, run("b", "2"))
    assert shown.show(new, run("a", "3")) == []
    assert shown.show(new, run("b", "4")) == [old]


def test_cell_of_another_notebook_or_window_is_another_cell() -> None:
    shown = ShownWidgets()
    shown.show(Counter(), run(session="s"))
    assert shown.show(Counter(), run(request="2", session="t")) == []


def test_no_cell_is_known_outside_a_kernel() -> None:
    assert find_cell_run() is None


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, code: str, *, cell: str | None = None) -> str:
    """Run a cell as JupyterLab does, which says the cell's id; return its result as text."""
    content = {"code": code, "silent": False, "store_history": True}
    message = client.session.msg("execute_request", content)
    message["metadata"] = {} if cell is None else {"cellId": cell}
    client.shell_channel.send(message)
    result = ""
    while True:
        said = client.get_iopub_msg(timeout=60)
        if said["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        assert said["msg_type"] != "error", said["content"]["evalue"]
        if said["msg_type"] == "execute_result":
            result = said["content"]["data"]["text/plain"]
        if said["content"].get("execution_state") == "idle":
            return result


BEGIN = """
import gc, weakref
from ipywidgets.widgets.widget import _instances as living
from nbutils.widgets.form import ParameterForm
from nbutils.params.fine_tune import FineTuneParams
made = weakref.WeakSet()
def make():
    form = ParameterForm(FineTuneParams.of({}))
    made.add(form)
    return form
"""


def test_run_all_again_keeps_one_widget_of_a_cell(kernel: BlockingKernelClient) -> None:
    execute(kernel, BEGIN)
    counts = []
    for _ in range(4):
        execute(kernel, "form = make()\nform", cell="form")
        for _ in range(3):
            execute(kernel, "'a result'", cell="other")  # what `_`, `__` and `___` hold
        counts.append(execute(kernel, "gc.collect(); (len(made), len(living))"))
    assert counts[0].startswith("(1, ")
    assert set(counts) == {counts[0]}


@pytest.mark.parametrize(
    ("again", "cell"), [("held", "elsewhere"), ("held.view", "elsewhere"), ("1", None)]
)
def test_widget_that_is_held_and_seen_elsewhere_stays_open(
    kernel: BlockingKernelClient, again: str, cell: str | None
) -> None:
    execute(kernel, BEGIN)
    execute(kernel, "held = make()\nheld", cell=None if cell is None else "form")
    execute(kernel, again, cell=cell)
    execute(kernel, "make()", cell=None if cell is None else "form")
    assert execute(kernel, "held.view.comm is not None") == "True"


def test_widget_that_was_replaced_is_shown_again(kernel: BlockingKernelClient) -> None:
    execute(kernel, BEGIN)
    execute(kernel, "held = make()\nheld", cell="form")
    execute(kernel, "make()", cell="form")
    assert execute(kernel, "held._form.entries['epochs'].input.comm is None") == "True"
    execute(kernel, "held", cell="later")
    execute(kernel, "held._form.entries['epochs'].input.value = '5'")
    assert execute(kernel, "(held.params.epochs, held.view.comm is not None)") == "(5, True)"
