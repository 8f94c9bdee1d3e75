"""A study's report folder: the names of what is in it, and the stages that it is made of."""

from __future__ import annotations

from pathlib import Path

from nbutils.artifacts import NOTEBOOKS, read_json
from nbutils.errors import DataError

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


def find_page(report: Path) -> Path:
    """Return a page of a report; of a report's folder its first.

    Raises
    ------
    DataError
        There is none.
    """
    page = report / SUMMARY if report.is_dir() else report
    if not page.is_file():
        raise DataError(f"{page}: no such page; name a page of a report, or its folder")
    return page


def find_uses(reports_dir: Path) -> tuple[dict[str, dict[str, float]], list[Path]]:
    """Return which reports use which stages, and the manifests that do not say so.

    Returns
    -------
    uses
        By the key of a stage, the names of the studies whose reports use it, and when each report
        was written, in seconds since 1970.
    torn
        Manifests that cannot be read.
    """
    uses: dict[str, dict[str, float]] = {}
    torn: list[Path] = []
    for pattern in (f"*/{MANIFEST}", f"*/{LAST_COMPLETED}/{MANIFEST}"):
        for path in sorted(reports_dir.glob(pattern)):
            try:
                keys, written = read_json(path).get("stage_keys"), path.stat().st_mtime
            except (DataError, OSError):
                torn.append(path)
                continue
            name = path.relative_to(reports_dir).parts[0]
            for key in keys.values() if isinstance(keys, dict) else ():
                uses.setdefault(str(key), {})[name] = written
    return uses, torn
