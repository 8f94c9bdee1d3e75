"""A live bar of pieces of work that take long; like `nbutils.widgets.training` in its forms."""

from __future__ import annotations

from typing import Any

from nbutils.escaping import render_text
from nbutils.widgets.base import PROGRESS_MIME


class LivePieces:
    """A progress bar of pieces of work that take long; give it to `measure_accuracy`."""

    def __init__(self) -> None:
        self._handle: Any = None

    def on_piece(self, done: int, total: int, doing: str) -> None:
        """Show what is begun, if anything, and how many pieces are done."""
        from IPython.display import display

        said = f"{done} of {total} done" + (f", now {doing}" if doing else "")
        bundle = {
            "text/plain": said,
            "text/html": '<div class="nb-progress" style="max-width:36em">'
            f'<progress max="{total}" value="{done}" style="width:100%" aria-label="progress">'
            f"</progress><div>{render_text(said)}</div></div>",
            PROGRESS_MIME: {"done": done, "of": total, "doing": doing},
        }
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
