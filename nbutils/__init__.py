"""Parameterized notebooks that fine-tune BERT on labelled text and publish honest reports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbutils.finished_runs.listing import list_runs
    from nbutils.finished_runs.opening import open_run
    from nbutils.finished_runs.run import FinishedRun
    from nbutils.training.api import FineTuned, fine_tune
    from nbutils.training.classifier import Classifier
    from nbutils.training.rate_range import RangeTest, find_learning_rate
    from nbutils.training.saved import load_fine_tuned

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "FineTuned",
    "FinishedRun",
    "RangeTest",
    "__version__",
    "find_learning_rate",
    "fine_tune",
    "list_runs",
    "load_fine_tuned",
    "open_run",
]

HOMES = {
    "fine_tune": "nbutils.training.api",
    "FineTuned": "nbutils.training.api",
    "Classifier": "nbutils.training.classifier",
    "load_fine_tuned": "nbutils.training.saved",
    "find_learning_rate": "nbutils.training.rate_range",
    "RangeTest": "nbutils.training.rate_range",
    "open_run": "nbutils.finished_runs.opening",
    "list_runs": "nbutils.finished_runs.listing",
    "FinishedRun": "nbutils.finished_runs.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that `nbutils --help` does not wait for torch."""
    if name not in HOMES:
        raise AttributeError(f"module 'nbutils' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
