"""A study's summary on one page, and the list of all studies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbutils.artifacts import write_text
from nbutils.locks import locked
from nbutils.report.figures import Figure, render_figure
from nbutils.report.page import Page, render_page

INDEX = "index.html"


def write_summary(destination: Path, page: Page, figures: Sequence[Figure] = ()) -> None:
    """Write a study's one-page summary.

    Parameters
    ----------
    destination
        The HTML file, ``reports/<study>/index.html``; its folder is made.
    page
        What it says; links that have a detail are shown as cards.
    figures
        The headline figures of the study's notebooks.
    """
    from markupsafe import Markup as Safe

    rendered = [
        Safe(render_figure(figure, name=f"fig{number}")) for number, figure in enumerate(figures, 1)
    ]
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_text(destination, render_page("summary.html.j2", page=page, figures=rendered))


@dataclass(frozen=True)
class Run:
    """One line of the list of studies.

    Parameters
    ----------
    name, href
        The study and its summary.
    status
        ``completed``, ``failed``, ``interrupted`` or ``broken``.
    problem
        Why the folder could not be read; empty when it could.
    accuracy, low, high
        Test accuracy with its 95 % interval, in [0, 1].
    baseline
        Accuracy to beat, in [0, 1].
    examples
        Test examples.
    finding
        What was found, where there is no accuracy.
    finished
        ISO date and time.
    """

    name: str
    href: str
    status: str
    problem: str = ""
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    examples: int | None = None
    finding: str = ""
    finished: str = ""

    @property
    def when(self) -> str:
        """Date and minute, as written."""
        return self.finished[:16].replace("T", " ")


def write_site(reports_dir: Path) -> Path:
    """Write ``index.html``: every study below a folder of reports, the newest first.

    Parameters
    ----------
    reports_dir
        Folder with one folder per study. Of ``manifest.json`` it reads `name`, `status` and
        `finished`; of ``metrics.json`` the accuracies of `test` and `baseline`, or `finding`. A
        folder where they are missing or broken is listed as such.

    Returns
    -------
    Path
        The page.
    """
    reports_dir.mkdir(parents=True, exist_ok=True)
    with locked(reports_dir, "site"):
        return _write_site(reports_dir)


def _write_site(reports_dir: Path) -> Path:
    for stray in reports_dir.glob(f".{INDEX}.*.tmp"):  # of a killed run; the lock is held
        stray.unlink(missing_ok=True)
    folders = sorted(
        folder
        for folder in reports_dir.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    )
    runs = [_read_run(folder) for folder in folders]
    runs.sort(key=lambda run: run.finished, reverse=True)
    page = Page(
        title="Studies",
        lead="Each study is labelled text, a fine-tuned BERT, and how far to trust it.",
    )
    destination = reports_dir / INDEX
    text = render_page("site.html.j2", page=page, runs=runs, scale=_scale(runs))
    write_text(destination, text)
    return destination


def _read_run(folder: Path) -> Run:
    href = f"./{quote(folder.name)}/{INDEX}" if (folder / INDEX).is_file() else ""
    try:
        manifest, metrics = (_read(folder / name) for name in ("manifest.json", "metrics.json"))
        test = _score(metrics, "test")
        return Run(
            name=str(manifest.get("name") or folder.name),
            href=href,
            status=str(manifest.get("status") or "completed"),
            accuracy=_number(test, "value"),
            low=_number(test, "low"),
            high=_number(test, "high"),
            baseline=_number(_score(metrics, "baseline"), "value"),
            examples=int(test["n"]) if isinstance(test.get("n"), int) else None,
            finding=str(metrics.get("finding") or ""),
            finished=str(manifest.get("finished") or ""),
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"manifest.json and metrics.json cannot be read: {reason}"
        return Run(folder.name, href, "broken", problem)


def _read(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{path.name}: expected a JSON object, found {type(values).__name__}")
    return values


def _score(metrics: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    scores = metrics.get(part)
    accuracy = scores.get("accuracy") if isinstance(scores, Mapping) else None
    if isinstance(accuracy, (int, float)):
        return {"value": accuracy}
    return accuracy if isinstance(accuracy, Mapping) else {}


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return None
    return min(max(float(value), 0.0), 1.0)


def _scale(runs: Sequence[Run]) -> float:
    """Return the lowest share on the axis that all studies are drawn on."""
    lows = [share for run in runs for share in (run.low, run.accuracy, run.baseline) if share]
    return max(0.0, min(lows, default=0.0) - 0.05)
