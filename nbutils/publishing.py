"""A run's stage folders as the pages that a stranger reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nbutils.artifacts import (
    LAST_ARTIFACT,
    NOTEBOOKS,
    digest,
    read_json,
    sha256_file,
    write_json,
    write_text,
)
from nbutils.code_fingerprints import code_fingerprint, library_fingerprint
from nbutils.errors import DataError
from nbutils.home import without_home
from nbutils.locks import locked
from nbutils.manifest import describe_changes, describe_environment
from nbutils.params.strict_yaml import dump_yaml
from nbutils.params.study import Study
from nbutils.redaction import Redactor
from nbutils.report_folders import (
    LAST_COMPLETED,
    MANIFEST,
    METRICS,
    PARAMETERS,
    SUMMARY,
    page_name,
)
from nbutils.runs import StudyRun, find_notebook
from nbutils.screens import stage_page, summary_page
from nbutils.stage_screens import Results, headline_findings


def publish(run: StudyRun, *, failed_folder: Path | None = None) -> bool:
    """Write the pages of a run, unless the very same ones are there.

    Parameters
    ----------
    run
        A finished run, or one that failed at `run.failed_stage`.
    failed_folder
        Folder of the stage that failed.

    Returns
    -------
    bool
        Whether anything was written.
    """
    with locked(run.reports_dir, f"report-{run.study.name}"):
        render_key = _render_key(run)
        fresh = run.status == "completed" and run.reused and _is_published(run, render_key)
        if not fresh:
            kept = (run.report_dir, run.report_dir / LAST_COMPLETED)
            run.last_completed = any(map(_is_of_completed_run, kept))
            _replace(run, _stage_pages(run, render_key, failed_folder))
    _list_runs(run)
    return not fresh


def _list_runs(run: StudyRun) -> None:
    """Write the list of all runs, if it is older than this run's report."""
    from nbutils.report.site import write_site

    times = []
    for path in (run.reports_dir / SUMMARY, run.report_dir / MANIFEST):
        try:
            times.append(path.stat().st_mtime_ns)
        except FileNotFoundError:  # not there yet, or being replaced by another run
            times.append(0)
    if times[0] <= times[1]:
        write_site(run.reports_dir)


def _stage_pages(run: StudyRun, render_key: str, failed_folder: Path | None) -> Path:
    """Write the whole report beside where it belongs, and return its folder.

    A report that is only half written, when the disk is full or somebody stops the run, replaces
    nothing.
    """
    staging = run.reports_dir / f".{run.study.name}.new"
    shutil.rmtree(staging, ignore_errors=True)  # of a killed run; the report's lock is held
    staging.mkdir(parents=True)
    try:
        _write_report(run, staging, render_key, failed_folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return staging


def _write_report(run: StudyRun, folder: Path, render_key: str, failed_folder: Path | None) -> None:
    from nbutils.report.seal import seal_pages

    redactor = Redactor.from_environment()
    results = redactor.redact_tree(_read_results(run))
    manifest = redactor.redact_tree(_build_manifest(run, results, render_key))
    notebooks = {done.stage: done.notebook for done in run.stages}
    if failed_folder is not None and run.failed_stage is not None:
        notebooks[run.failed_stage] = failed_folder / "notebook.ipynb"
    pages = _write_pages(run, folder, results, manifest, notebooks)
    manifest = seal_pages(pages, manifest | {"predictions": _carry_predictions(run)})
    write_text(folder / PARAMETERS, dump_yaml(redactor.redact_tree(_parameters(run.study))))
    if results.metrics:
        write_json(folder / METRICS, results.metrics)
    write_json(folder / MANIFEST, manifest)


def _replace(run: StudyRun, staging: Path) -> None:
    """Put a whole report in the place of the one that is there, the manifest last.

    Without a manifest a report does not count as published: should this be cut short, it is done
    again by the next run.
    """
    folder, aside = run.report_dir, run.report_dir / LAST_COMPLETED
    folder.mkdir(parents=True, exist_ok=True)
    if run.status != "completed" and _is_of_completed_run(folder):
        aside.mkdir(exist_ok=True)
        _move(folder, aside)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in _file_names(NOTEBOOKS):
        if not (staging / name).is_file():
            (folder / name).unlink(missing_ok=True)
    _move(staging, folder)
    shutil.rmtree(staging)
    if run.status == "completed":
        shutil.rmtree(aside, ignore_errors=True)


def _move(source: Path, destination: Path) -> None:
    for name in _file_names(NOTEBOOKS):
        if (source / name).is_file():
            (source / name).replace(destination / name)


def _is_of_completed_run(folder: Path) -> bool:
    return _read_manifest(folder).get("status") == "completed"


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a report; empty: it has none, or one that nobody can read."""
    try:
        return read_json(folder / MANIFEST)
    except DataError:
        return {}


def _file_names(stages: Iterable[str]) -> list[str]:
    return [*map(page_name, stages), SUMMARY, METRICS, PARAMETERS, MANIFEST]


def _render_key(run: StudyRun) -> str:
    import nbutils.report

    code = [
        sha256_file(path)
        for path in sorted(Path(nbutils.report.__file__).parent.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    keys = [done.key for done in run.stages]
    words = library_fingerprint("nbutils.publishing")  # and all that speaks on the first screens
    return digest([keys, code, words, run.command, run.study.to_yaml()])


def _is_published(run: StudyRun, render_key: str) -> bool:
    names = _file_names(run.study.stages)
    if not all((run.report_dir / name).is_file() for name in names):
        return False
    manifest = _read_manifest(run.report_dir)
    return manifest.get("render_key") == render_key and manifest.get("status") == "completed"


def _read_results(run: StudyRun) -> Results:
    def read(stage: str, name: str) -> Mapping[str, Any]:
        folder = run.folder(stage)
        return {} if folder is None else read_json(folder / name)

    scored = run.study.scored
    return Results(
        card=read("data_prep", "data_card.json"),
        metrics=read(scored, LAST_ARTIFACT[scored]),
        findings=read("error_analysis", "findings.json"),
    )


def _build_manifest(run: StudyRun, results: Results, render_key: str) -> dict[str, Any]:
    predictions = run.folder("fine_tune")
    return without_home(
        {
            "name": run.study.name,
            "status": run.status,
            "problem": run.problem,
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": run.command,
            "parameters": _parameters(run.study),
            "seeds": _seeds(run.study),
            "stage_keys": {done.stage: done.key for done in run.stages},
            "code": {stage: code_fingerprint(find_notebook(stage)) for stage in run.study.stages},
            "data_fingerprint": run.fingerprints["data"][0],
            "checkpoint_fingerprint": run.fingerprints["checkpoint"][0],
            "environment": describe_environment(),
            "changes": describe_changes(Path.cwd()),
            "machine": dict(results.metrics.get("machine", {})),
            "timings": {done.stage: round(done.seconds, 2) for done in run.stages},
            "kernel_peak_mib": {done.stage: done.kernel_peak_mib for done in run.stages},
            "metrics": dict(results.metrics),
            "findings": headline_findings(results.findings),
            "predictions_sha256": None
            if predictions is None
            else fingerprint_predictions(predictions / "predictions.parquet"),
            "render_key": render_key,
        }
    )


def _seeds(study: Study) -> dict[str, int]:
    if study.benchmark is not None:
        return {"benchmark": study.benchmark.seed}
    return {
        "split": study.data_prep.split_seed,
        "fine_tune": study.fine_tune.seed,
        "error_analysis": study.error_analysis.seed,
    }


def _carry_predictions(run: StudyRun) -> dict[str, Any] | None:
    from nbutils.report.carried import carry_predictions

    folder = run.folder("fine_tune")
    return None if folder is None else carry_predictions(folder / "predictions.parquet")


def _parameters(study: Study) -> dict[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(study.to_yaml())
    return values


def fingerprint_predictions(path: Path) -> str:
    """Return the SHA-256 of what a predictions file says, whatever version wrote it.

    The columns count with their names, the rows in the order of `split, example_id`, numbers as
    64-bit little-endian values.
    """
    import hashlib

    import pandas as pd

    table = pd.read_parquet(path).sort_values(["split", "example_id"], kind="stable")
    found = hashlib.sha256()
    for name in table.columns:
        column = table[name]
        found.update(f"{name}\n".encode())
        if column.dtype.kind in "if":
            found.update(column.to_numpy(f"<{column.dtype.kind}8").tobytes())
        else:
            found.update("\n".join(map(_plain_text, column)).encode())
    return found.hexdigest()


def _plain_text(value: Any) -> str:
    # a list of labels is read as an array, whose text depends on the version of numpy
    return str(value.tolist() if hasattr(value, "tolist") else value)


def _write_pages(
    run: StudyRun,
    folder: Path,
    results: Results,
    manifest: Mapping[str, Any],
    notebooks: Mapping[str, Path],
) -> list[Path]:
    from nbutils.report import headline_figures, write_notebook_report, write_summary

    redactor, figures = Redactor.from_environment(), []
    pages = []
    for stage, notebook in notebooks.items():
        if not notebook.is_file():
            continue
        page = redactor.redact_tree(stage_page(run, results, manifest, stage))
        pages.append(folder / page_name(stage))
        write_notebook_report(notebook, pages[-1], page)
        figures.extend(headline_figures(notebook))
    summary = redactor.redact_tree(summary_page(run, results, manifest))
    write_summary(folder / SUMMARY, summary, figures)
    return [*pages, folder / SUMMARY]
