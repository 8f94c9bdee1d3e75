"""The device that a benchmark measures."""

from __future__ import annotations

import torch

from nbutils.errors import ParameterError
from nbutils.training.machine import choose_device, choose_precision


def find_device(wanted: str) -> str:
    """Return the device of the parameter ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ParameterError
        This machine has none of that kind.
    """
    best = choose_device()
    if wanted == "auto":
        return best
    if wanted not in {"cpu", best}:
        raise ParameterError(
            f"benchmark.device: expected auto, cpu or what torch finds here, {best}, found {wanted}"
        )
    return wanted


def precisions(device: str) -> list[str]:
    """Return the arithmetics to measure: fp32, and bf16 where the device has it."""
    return list(dict.fromkeys(("fp32", choose_precision("auto", device))))


def wait_for(device: str) -> None:
    """Wait until a device has done all that it was given; a CPU has."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
