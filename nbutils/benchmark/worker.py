"""A measuring process: reads requests, one JSON object a line, and answers each with another.

It is started by `nbutils.benchmark.children` as ``python -m nbutils.benchmark.worker SPEC``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, TextIO

from nbutils.benchmark.device import wait_for
from nbutils.benchmark.subject import Subject
from nbutils.training.machine import peak_memory_mib

LOOK_SECONDS = 1.0
SUBJECTS = {
    "product": ("nbutils.benchmark.limit", "MatrixProduct"),
    "step": ("nbutils.benchmark.steps", "build_step"),
    "training": ("nbutils.benchmark.real_texts", "build_training"),
    "prediction": ("nbutils.benchmark.predicting", "build_prediction"),
    "accuracy": ("nbutils.benchmark.accuracy", "build_accuracy"),
}


def build_subject(spec: Mapping[str, Any]) -> Subject:
    """Return the subject of a spec: ``{"subject": ..., "variant": ..., "settings": {...}}``."""
    module, name = SUBJECTS[spec["subject"]]
    build = getattr(importlib.import_module(module), name)
    found: Subject = build(spec["variant"], spec["settings"])
    return found


def answer(subject: Subject, request: Mapping[str, Any], *, device: str) -> dict[str, Any]:
    """Do on a device what a request asks for: ``{"prepare": point}`` or ``{"run": round}``."""
    if "prepare" in request:
        subject.prepare(request["prepare"])
        return {}
    work = subject.ready(request["run"])
    gc.collect()
    wait_for(device)
    begin, used = time.perf_counter(), time.process_time()
    numbers = work()
    wait_for(device)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - used
    peak = peak_memory_mib(device)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, **numbers}


def serve(spec: Mapping[str, Any], requests: TextIO, replies: TextIO) -> None:
    """Answer requests until there are no more."""
    subject = build_subject(spec)
    _reply(replies, {})
    for line in requests:
        _reply(replies, answer(subject, json.loads(line), device=spec["settings"]["device"]))


def _reply(replies: TextIO, values: Mapping[str, Any]) -> None:
    replies.write(json.dumps(values) + "\n")
    replies.flush()


def leave_with(parent: int) -> None:
    """End this process soon after the one that started it: a long training would outlive it."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def main() -> None:
    """Serve on what were standard input and output; whatever a library prints goes elsewhere."""
    spec = json.loads(sys.argv[1])
    leave_with(spec["parent"])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(spec, sys.stdin, replies)
    replies.close()
    sys.stderr.flush()
    os._exit(0)  # threads of a training that waits would keep the process


if __name__ == "__main__":
    main()
