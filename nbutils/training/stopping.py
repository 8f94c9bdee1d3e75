"""Stopping between two steps, when Ctrl-C or SIGTERM asks for it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While inside, the first signal is noted and the second one acts at once.

    A step that is torn in the middle cannot be gone on from; so the loop asks `is_made` after each
    step, saves, and calls `obey`. Signals reach the main thread alone: elsewhere nothing changes.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def is_made(self) -> bool:
        """Whether somebody asked."""
        return self.signal is not None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.is_made:
            self.__exit__()
            raise KeyboardInterrupt
        self.signal = number

    def obey(self) -> None:
        """Do now what the signal would have done.

        Raises
        ------
        KeyboardInterrupt
            Always, unless the process ends before by SIGTERM.
        """
        number = self.signal
        self.__exit__()
        if number == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)
        raise KeyboardInterrupt("stopped between two steps, with a checkpoint")
