"""A study's report folder: the names of what is in it."""

from __future__ import annotations

from pathlib import Path

from nbutils.artifacts import NOTEBOOKS

TITLES = {
    "data_prep": "Data preparation",
    "fine_tune": "Fine-tuning",
    "error_analysis": "Error analysis",
    "benchmark": "Benchmark",
}
SUMMARY = "index.html"
METRICS = "metrics.json"
PARAMETERS = "params.yaml"
MANIFEST = "manifest.json"  # comes last: without it a report does not count as published
LAST_COMPLETED = "last-completed"  # a folder in it: the pages from before a run failed


def page_name(stage: str) -> str:
    """Return the file name of a stage's page."""
    return Path(NOTEBOOKS[stage]).with_suffix(".html").name
