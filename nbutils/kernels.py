"""A kernel's process: its peak memory, how it ended, and ending it in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.25
GRACE_SECONDS = 60.0  # for a training to finish its step and save a checkpoint
# Taking torch's modules apart when Python ends takes seconds (2.5 and then a SIGTERM from
# jupyter_client, after a training) and is of no use. A kernel that was told to end leaves as soon
# as every function registered with `atexit` has run: this one, registered first, runs last, after
# IPython has let go of the user's variables and so has closed the files among them. An error keeps
# its exit code.
# On Linux it asks to be killed with the process `parent`, before anything else: by itself ipykernel
# notices that its parent is gone within seconds only, while the locks of the run are free already.
# A parent that ended before it was asked is seen by the number.
LAUNCH = """\
import atexit, os, runpy, sys
if parent:
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
ended = False
def leave():
    if ended:
        sys.__stdout__.flush()
        sys.__stderr__.flush()
        os._exit(0)
atexit.register(leave)
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
ended = True
"""
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def launch_code() -> str:
    """Return the Python code that a kernel's process runs.

    Linux ends it with the *thread* that started it. Only the main thread lives as long as this
    process; where another one starts the kernel (an event loop is running, too: then
    jupyter_client has a thread of its own do it) it is left to ipykernel to notice.
    """
    is_main = threading.current_thread() is threading.main_thread()
    is_tied = sys.platform == "linux" and is_main and not _is_loop_running()
    return f"parent = {os.getpid() if is_tied else None}\n{LAUNCH}"


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class KernelWatch:
    """Samples the memory of a process from a thread of its own, until told to stop.

    Parameters
    ----------
    pid
        The kernel's process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak_mib = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> KernelWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.is_set():
            try:
                self.peak_mib = max(self.peak_mib, _memory_mib(self.pid))
            except psutil.Error:
                return
            self._stopped.wait(SAMPLE_SECONDS)


def _memory_mib(pid: int) -> float:
    try:  # Linux and Windows remember the peak themselves
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return float(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        memory = psutil.Process(pid).memory_info()
        return float(getattr(memory, "peak_wset", memory.rss) / 2**20)


def memory_limit_mib() -> float:
    """Return how much memory a process can have here, in MiB: the machine's, or its cgroup's."""
    limit = psutil.virtual_memory().total
    for path in CGROUP_LIMITS:
        try:
            found = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if found.isdigit():
            limit = min(limit, int(found))
    return float(limit / 2**20)


def describe_death(code: int | None, *, peak_mib: float, limit_mib: float) -> str:
    """Return how a kernel's process ended, as a sentence.

    Parameters
    ----------
    code
        Its exit code; negative: the number of the signal that ended it; None: not known.
    peak_mib, limit_mib
        Memory that it had at most, and that was to be had, in MiB.
    """
    memory = f"its memory was at most {peak_mib:,.0f} MiB of {limit_mib:,.0f} MiB"
    if code is None:
        return f"Kernel died; {memory}"
    if code >= 0:
        return f"Kernel died: its process left with exit code {code}; {memory}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ""
    if -code == signal.SIGKILL:
        hint = (
            " A kernel killed this way usually ran out of memory: try a smaller "
            "fine_tune.max_length or, in a training, fine_tune.batch_tokens, 1024 say (each step "
            "still learns from all its texts)."
        )
    return f"Kernel died: its process was ended by {name}; {memory}.{hint}"


def end_in_order(pid: int, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End a kernel by SIGTERM, so that a training saves a checkpoint first; by force if it must be.

    Parameters
    ----------
    pid
        The kernel's process; nothing happens when it is gone.
    grace_seconds
        How long it may take.
    """
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(grace_seconds)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        return
