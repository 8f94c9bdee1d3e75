"""Who is told of a training while it goes on."""

from __future__ import annotations

from nbutils.training.history import History


class Watcher:
    """Somebody who looks on: a progress bar, a live curve, a log. This one does nothing."""

    def on_step(self, history: History) -> bool | None:
        """Be told of an optimiser step, the last of `history.steps`; True: let it be the last."""
        return None

    def on_validation(self, history: History) -> None:
        """Be told of a validation: the last of `history.validations`."""
        return

    def on_end(self) -> None:
        """Be told that no more will come, whatever the reason."""
        return
