"""What this machine can do: device, arithmetic, memory."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
KEPT = 2**31 - 1  # bytes; the largest value that mallopt takes


def choose_device() -> str:
    """Return the fastest device at hand: ``cuda``, ``mps`` or ``cpu``."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def has_native_bf16(device: str) -> bool:
    """Return whether matrix products in bf16 run in hardware on `device`, not emulated."""
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if device != "cpu":
        return False
    flags = Path("/proc/cpuinfo")
    if not flags.is_file():
        return False
    words = flags.read_text(encoding="ascii", errors="ignore")
    return ("avx512_bf16" in words or "amx_bf16" in words) and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def choose_precision(wanted: str, device: str) -> str:
    """Return ``bf16`` or ``fp32`` for the parameter's ``auto``, ``bf16`` or ``fp32``."""
    if wanted != "auto":
        return wanted
    return "bf16" if has_native_bf16(device) else "fp32"


def keep_pages() -> bool:
    """Make glibc keep freed memory for the next step instead of returning it to the system.

    By default every large buffer of a step is mapped, zeroed page by page, and unmapped again: half
    of the time of a step on long texts. It is a setting of the whole process, and stays.

    Returns
    -------
    bool
        Whether this C library was told so; it changes the speed alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    settings = ((M_MMAP_THRESHOLD, KEPT), (M_TRIM_THRESHOLD, KEPT), (M_ARENA_MAX, 1))
    return all([mallopt(name, value) for name, value in settings])


def describe_machine(device: str) -> dict[str, str | int]:
    """Return what a result's last bits depend on: threads, vector instructions, and the GPU."""
    return {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else "none",
    }


def peak_memory_mib(device: str) -> float:
    """Return the peak memory of this process so far, in MiB: GPU memory on CUDA, else resident."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
