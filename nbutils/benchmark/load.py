"""Who else was at work while something was measured."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Load:
    """What the cores did while something was measured.

    Attributes
    ----------
    minutes
        How long that took.
    ours, others
        Shares of all cores' time, in [0, 1], used by this process with its children, and by all
        others that the system counts.
    """

    minutes: float
    ours: float
    others: float


class LoadWatch:
    """Looks at the cores from its making to `stop`; children that have ended by then count."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._all, self._own = _busy(), _own()

    def stop(self) -> Load:
        """Return what was seen so far."""
        seconds = time.perf_counter() - self._begin
        cores = psutil.cpu_count() or 1
        own = _own() - self._own
        busy = max(0.0, _busy() - self._all - own)
        whole = max(seconds * cores, 1e-9)
        return Load(seconds / 60, min(1.0, own / whole), min(1.0, busy / whole))


def _busy() -> float:
    """Return the seconds that cores have worked, a hypervisor's other guests included."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in `user` already
    return float(sum(times) - idle - twice)


def _own() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
