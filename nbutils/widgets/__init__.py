"""What can be clicked in JupyterLab, on ipywidgets: forms, explorers, sliders, live training.

Each widget carries a static twin, which a published page shows in its place. The classes can be
imported from here; notebooks import them from their own modules, so that a stage's key depends on
those alone that it shows.
"""

from __future__ import annotations

import importlib
from typing import Any

HOMES = {
    "AbstentionSlider": "nbutils.widgets.abstention",
    "ClassThresholdSlider": "nbutils.widgets.thresholds",
    "ConfusionExplorer": "nbutils.widgets.confusion",
    "DataBrowser": "nbutils.widgets.data_browser",
    "AskModel": "nbutils.widgets.ask",
    "LiveTraining": "nbutils.widgets.training",
    "LivePieces": "nbutils.widgets.pieces",
    "RunPicker": "nbutils.widgets.run_picker",
    "ParameterForm": "nbutils.widgets.form",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    """Import a widget at its first use: ipywidgets and torch are slow to import."""
    if name not in HOMES:
        raise AttributeError(f"module 'nbutils.widgets' has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
