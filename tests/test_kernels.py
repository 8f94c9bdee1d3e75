"""The process of a kernel: tied to the one that started it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbutils.kernels import LAUNCH, launch_code

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are tied on Linux alone")


def test_kernel_whose_parent_is_gone_already_leaves_before_anything_else() -> None:
    words = [sys.executable, "-c", f"parent = {os.getppid()}\n{LAUNCH}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_kernel_is_tied_to_the_main_thread_alone() -> None:
    assert launch_code().startswith(f"parent = {os.getpid()}\n")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(launch_code).result().startswith("parent = None\n")


def test_kernel_that_another_thread_will_start_is_not_tied() -> None:
    async def ask() -> str:
        return launch_code()

    assert asyncio.run(ask()).startswith("parent = None\n")
