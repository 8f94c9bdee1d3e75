"""The processors of this machine: name, cores, what they can do in one instruction, and GPUs."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
GPUS = Path("/proc/driver/nvidia/gpus")  # a folder for each, with the file `information`
# What matrix products depend on, as Linux names it.
TELLING_FLAGS = (
    "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
    "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "svebf16",
)  # fmt: skip


def processor_name() -> str:
    """Return the processor's name as the system gives it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags() -> tuple[str, ...]:
    """Return those of `TELLING_FLAGS` that the processor has; empty where the system says none."""
    found = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return tuple(flag for flag in TELLING_FLAGS if flag in found)


def usable_cores() -> int | None:
    """Return how many cores this process may use; torch starts as many threads by default."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def gpu_names() -> list[str]:
    """Return the names of NVIDIA's GPUs as Linux gives them, without torch; none elsewhere."""
    models = [_value(path, "Model") for path in sorted(GPUS.glob("*/information"))]
    return [model for model in models if model]


def describe_processor() -> dict[str, Any]:
    """Return what speed depends on: name, flags, cores, GPUs, and the wishes for both."""
    return {
        "cpu": processor_name(),
        "flags": list(processor_flags()),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "gpus": gpu_names(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _cpuinfo(key: str) -> str:
    """Return what the first processor's line of that name says."""
    return _value(CPUINFO, key) if CPUINFO.is_file() else ""


def _value(path: Path, key: str) -> str:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.partition(":")[0].strip() == key:
            return line.partition(":")[2].strip()
    return ""
