"""Measuring processes as their parent sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from nbutils.benchmark import worker
from nbutils.errors import NbutilsError

PATIENCE = 30  # seconds that a process has to leave


class Child:
    """One measuring process; its answers come one by one.

    Parameters
    ----------
    subject
        What it measures: a name in `nbutils.benchmark.worker.SUBJECTS`.
    variant
        Which way of doing it.
    settings
        What all variants share, as JSON can hold it.
    """

    def __init__(self, subject: str, variant: str, settings: Mapping[str, Any]) -> None:
        self.variant = variant
        what = {"subject": subject, "variant": variant, "settings": settings}
        spec = {**what, "parent": os.getpid()}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__, json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            env=environment_of(settings),
        )

    def wait_until_ready(self) -> None:
        """Wait until it has loaded what it needs."""
        self._read()

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Have it get ready for a point."""
        self._ask({"prepare": dict(point)})

    def run(self, number: int) -> dict[str, float]:
        """Have it work once, and return `seconds`, `cpu_seconds`, `peak_mib` and more numbers."""
        return self._ask({"run": number})

    def close(self) -> None:
        """Let it go; kill it if it does not leave."""
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.communicate()
        self._said.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, float]:
        if self._process.stdin is not None and self._process.poll() is None:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if line:
            values: dict[str, float] = json.loads(line)
            return values
        code = self._process.wait()
        self._said.seek(0)
        words = self._said.read().decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else f"exit code {code}"
        raise NbutilsError(f"{self.variant}: its measuring process ended: {reason}")


def environment_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return a process's environment: where the CPU is measured, it finds no GPU to train on."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if settings["device"] == "cpu" else {}
    return {**os.environ, **hidden}


@contextmanager
def open_children(
    subject: str, variants: Sequence[str], settings: Mapping[str, Any]
) -> Iterator[dict[str, Child]]:
    """Start a process for each variant, and end them all at the end.

    Raises
    ------
    NbutilsError
        One of them ended before it was ready.
    """
    with ExitStack() as stack:
        children = {}
        for variant in variants:
            children[variant] = Child(subject, variant, settings)
            stack.callback(children[variant].close)
        try:
            for child in children.values():
                child.wait_until_ready()
            yield children
        except BaseException:
            for child in children.values():
                child.kill()
            raise
