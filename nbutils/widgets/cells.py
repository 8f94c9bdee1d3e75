"""Which widgets the cells of a notebook show: those of an earlier run of a cell are given up.

ipywidgets keeps every widget until it is closed, and with it all that its callbacks hold: data,
models, indexes. Run All would add another one of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

OWN = "nbutils.widgets."


@dataclass(frozen=True)
class CellRun:
    """One run of a cell.

    Attributes
    ----------
    session
        Of one notebook in one window: another window goes on to show what this one replaces, and
        notebooks on one kernel may have cells of the same id.
    cell
        Its id, the same in every run.
    request
        Another one in every run.
    """

    session: str
    cell: str
    request: str


class ShownWidgets:
    """What the last run of each cell shows."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], tuple[str, list[Any]]] = {}

    def show(self, widget: Any, run: CellRun) -> list[Any]:
        """Note that a run of a cell shows a widget; return those that no cell shows any more."""
        place = run.session, run.cell
        request, before = self._shown.get(place, ("", []))
        if request == run.request:
            before.append(widget)
            return []
        self._shown[place] = run.request, [widget]
        still = {id(each) for _, widgets in self._shown.values() for each in widgets}
        return [each for each in before if id(each) not in still]


SHOWN = ShownWidgets()


def find_cell_run() -> CellRun | None:
    """Return the run of a cell that this is part of; None where cells have no id, as in batch."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    parent = shell.get_parent() if shell is not None and hasattr(shell, "get_parent") else {}
    cell, header = (parent.get("metadata") or {}).get("cellId"), parent.get("header") or {}
    if not cell or not header.get("msg_id"):
        return None
    return CellRun(str(header.get("session", "")), str(cell), str(header["msg_id"]))


def replace_in_cell(widget: Any) -> None:
    """Note that the running cell shows a widget; close those of its last run that are seen nowhere.

    Parameters
    ----------
    widget
        A `nbutils.widgets.base.Widget`.
    """
    run = find_cell_run()
    if run is None:
        return
    gone = [each for each in SHOWN.show(widget, run) if not each.is_lent]
    for each in gone:
        each.close()
    _forget_results(gone)


def _forget_results(widgets: list[Any]) -> None:
    """Take widgets out of `Out`, where IPython keeps whatever a cell ended with."""
    from IPython.core.getipython import get_ipython

    shell, gone = get_ipython(), {id(each) for each in widgets}
    results = {} if shell is None else shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if id(result) in gone]:
        shell.drop_by_id({f"_{number}": results.pop(number)})


def list_parts(root: Any) -> list[Any]:
    """Return all ipywidgets that a widget of this project is made of, parts before what has them.

    Parts that are not on the page right now are among them, such as rows of a longer page.

    Parameters
    ----------
    root
        The widget.
    """
    return list(_visit(vars(root), {}))


def _visit(thing: Any, seen: dict[int, Any]) -> Iterator[Any]:
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept, or something else might get its id
    for part in _inside(thing):
        yield from _visit(part, seen)
    if _is_ipywidget(thing):
        yield thing


def _inside(thing: Any) -> Iterable[Any]:
    if _is_ipywidget(thing):
        return _traits(thing)
    if type(thing) in (list, tuple):
        return tuple(thing)
    if type(thing) is dict:
        return tuple(thing.values())
    own = type(thing).__module__.startswith(OWN)
    return tuple(vars(thing).values()) if own and hasattr(thing, "__dict__") else ()


def _traits(widget: Any) -> Iterator[Any]:
    return (getattr(widget, name) for name in widget.keys)


def _is_ipywidget(thing: Any) -> bool:
    import ipywidgets

    return isinstance(thing, ipywidgets.Widget)
