"""What a run was made of: enough for somebody else to run it again and compare."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import nbutils
from nbutils.processor import processor_name, usable_cores

PACKAGES = (
    "torch", "transformers", "tokenizers", "peft", "datasets", "numpy", "pandas", "pyarrow",
    "scikit-learn", "scipy", "captum", "cleanlab", "matplotlib", "papermill", "nbclient",
    "nbconvert", "ipykernel",
)  # fmt: skip
LONGEST_DIFF = 20_000  # characters; more is no slip that a reader could judge


def describe_environment() -> dict[str, Any]:
    """Return versions, platform, processor and threads of this Python, and the project's commit."""
    versions = {"nbutils": nbutils.__version__}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "git": describe_commit(Path.cwd()),
    }


def describe_commit(folder: Path) -> dict[str, Any]:
    """Return `{"commit": hash or None, "dirty": whether tracked files were changed}`."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)}


def describe_changes(folder: Path) -> dict[str, Any] | None:
    """Return what the tracked files have beyond the commit; None: nothing, or no repository.

    Returns
    -------
    dict or None
        ``{"files": names, "sha256": of the diff, "diff": text}``; a diff of more than
        `LONGEST_DIFF` characters is left out.
    """
    diff = _git(folder, "diff", "--no-ext-diff", "--no-color", "HEAD")
    if not diff:
        return None
    return {
        "files": (_git(folder, "diff", "--name-only", "HEAD") or "").splitlines(),
        "sha256": hashlib.sha256(diff.encode()).hexdigest(),
        "diff": diff if len(diff) <= LONGEST_DIFF else None,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # a diff quotes files in any encoding
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
