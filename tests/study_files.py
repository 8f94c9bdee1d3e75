"""Study files of tests, and values that differ from the defaults in every section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbutils.params.saving import study_path

COMMENTED = """\
# What it is for.
name: mine
seed: 7  # of all

data_prep:
  # the texts
  dataset: bbc-news

# The training.
fine_tune:
  epochs: 2  # passes
  class_weights:
    spam: 2.0

# What is looked at.
error_analysis:
  worst_examples: 5
"""


def write(text: str) -> Path:
    """Write the study file `mine` of the project in which the test works."""
    path = study_path("mine")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


CHANGED: dict[str, dict[str, Any]] = {
    "data_prep": {
        "dataset": "no",
        "text_column": "1e-4",
        "label_separator": " ",
        "metadata_columns": ["no", "a, b", "7"],
        "test_size": 0.25,
        "deduplicate": False,
        "max_examples": 100,
    },
    "fine_tune": {
        "model": "ünï/🙂",
        "revision": "0123",
        "learning_rate": 1e-4,
        "class_weights": {"no": 2, "1e-4": 0.5, "a: b": 1},
        "max_steps": 5,
        "seed": 7,
    },
    "error_analysis": {"skip": ["shift", "saliency"], "label_issues": "off", "target_error": 1e-3},
    "benchmark": {
        "datasets": ["bbc-news", "null"],
        "test_datasets": [None, "x.csv"],
        "step_lengths": [],
        "accuracy_rate": 1e-5,
        "text_column": "on",
    },
}
