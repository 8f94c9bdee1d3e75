"""What every widget shares: a static twin, answers that come one after another, spoken mistakes.

Answers come from several threads: the one that runs cells, those of timers that wait for the end of
typing, and where `answer_while_busy` is used the one that answers while a cell runs. They take
turns, behind one lock per widget.
"""

from __future__ import annotations

import functools
import html
import logging
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from nbutils.errors import NbutilsError
from nbutils.escaping import render_text
from nbutils.tables import Note
from nbutils.widgets.cells import list_parts, replace_in_cell

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
PROGRESS_MIME = "application/vnd.nbutils.progress+json"  # for whoever reads the kernel's messages
LOG = logging.getLogger(__name__)


class Shown(Protocol):
    """What a notebook can show without a kernel: a table, a note, facts."""

    def _repr_html_(self) -> str: ...


class Widget:
    """Something to click; where nothing can be clicked, its static twin stands in its place.

    A subclass makes `view` in `_build` and `twin` from its data. Both are cheap: they are made
    whenever the widget is shown, also where nobody looks. What takes long waits for a click.

    Once its cell has run again and shows another one, it is closed, unless it is seen elsewhere.

    Attributes
    ----------
    is_lent
        Whether somebody took `view`, to show it in a place that is not known here; it is closed by
        `close` alone then.
    """

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self.is_lent = False

    def _build(self) -> Any:
        """Return the ipywidget that is shown; called once."""
        raise NotImplementedError

    @property
    def twin(self) -> Shown:
        """What a published page shows."""
        raise NotImplementedError

    @property
    def view(self) -> Any:
        """The ipywidget, with a line for messages below it."""
        self.is_lent = True
        return self._open_view()

    def close(self) -> None:
        """Take it off all pages, so that ipywidgets keeps nothing of it; shown again, it is back.

        What it was asked and what it answered stays with it.
        """
        for part in reversed(list_parts(self)):
            part.close()

    def _open_view(self) -> Any:
        """Return the view, open: all of it anew, as it was, where it had been closed."""
        view = self._whole
        if view.comm is None:
            for part in list_parts(self):
                vars(part).pop("_repr_mimebundle_", None)  # where `close` puts None
                part.open()
        return view

    @cached_property
    def _whole(self) -> Any:
        import ipywidgets

        return ipywidgets.VBox([self._build(), self._status])

    @cached_property
    def _status(self) -> Any:
        import ipywidgets

        return ipywidgets.HTML()

    def __repr__(self) -> str:
        """Return the twin as plain text."""
        return repr(self.twin)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle = dict(self._open_view()._repr_mimebundle_())
        replace_in_cell(self)
        return bundle | {"text/plain": repr(self), "text/html": self.twin._repr_html_()}

    def say(self, message: str, *, kind: str = "status") -> None:
        """Show a line below the widget, which screen readers read out; "" takes it away.

        Parameters
        ----------
        message
            Plain text.
        kind
            ``status``, or ``alert`` for what went wrong.
        """
        word = "<strong>Not done.</strong> " if kind == "alert" else ""
        shown = f'<div role="{html.escape(kind)}">{word}{render_text(message, limit=2000)}</div>'
        self._status.value = shown if message else ""

    def answering(self, answer: Callable[..., None]) -> Callable[..., None]:
        """Return `answer` as a callback: in its turn, and with a message where it fails.

        An exception in a callback of ipywidgets is seen by nobody.
        """

        @functools.wraps(answer)
        def answered(*given: Any) -> None:
            with self._turn:
                try:
                    self.say("")
                    answer(*given)
                except NbutilsError as error:
                    self.say(str(error), kind="alert")
                except Exception as error:
                    LOG.exception("a widget could not answer")
                    self.say(f"{type(error).__name__}: {error}", kind="alert")

        return answered


def offer(make: Callable[..., Widget], *given: Any, **named: Any) -> Shown | Widget:
    """Return a widget, or a note of why there is none: what can be clicked ends no notebook.

    Parameters
    ----------
    make
        Its class.
    *given, **named
        What it is made of.
    """
    try:
        return make(*given, **named)
    except Exception as error:
        LOG.exception("a widget could not be made")
        why = str(error) if isinstance(error, NbutilsError) else f"{type(error).__name__}: {error}"
        return Note(f"{make.__name__} cannot be shown. {why}", "caution")


def answer_while_busy(widget: Any) -> None:
    """Let clicks on an ipywidget be answered while a cell runs.

    ipykernel 7.4 answers a click in the thread in which the widget spoke last, that of the cell
    that made it, and so not before that cell ends. A widget of which it does not remember that is
    answered where JupyterLab asks for: in a subshell, as by ipykernel 7.0 to 7.3. Where there are
    no subshells nothing changes.

    Parameters
    ----------
    widget
        It, and no part of it, is made ready; before it is shown.
    """
    vars(widget.comm).pop("_reply_subshell_id", None)


class Debounced:
    """Calls a function once things have been quiet for a while, with what was said last.

    Parameters
    ----------
    call
        Called in a thread of its own.
    seconds
        Of quiet before the call.
    """

    def __init__(self, call: Callable[..., None], *, seconds: float = 0.2) -> None:
        self._call, self._seconds = call, seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __call__(self, *given: Any) -> None:
        """Forget what was said before, and wait."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._seconds, self._call, given)
            self._timer.daemon = True
            self._timer.start()
