"""A run's stage folders as the pages that a stranger reads."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nbutils import published, screens
from nbutils.artifacts import (
    STAGES,
    code_fingerprint,
    digest,
    read_json,
    sha256_file,
    write_json,
    write_text,
)
from nbutils.home import without_home
from nbutils.locks import locked
from nbutils.manifest import describe_changes, describe_environment
from nbutils.params.study import Study
from nbutils.redaction import Redactor
from nbutils.runs import StudyRun, find_notebook
from nbutils.screens import (
    LAST_COMPLETED,
    SUMMARY,
    Results,
    page_name,
    stage_page,
    summary_page,
)

MANIFEST = "manifest.json"


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
    with locked(run.runs_dir, f"report-{digest([str(run.report_dir.resolve())])}"):
        render_key = _render_key(run)
        fresh = run.status == "completed" and run.reused and _is_published(run, render_key)
        if not fresh:
            _sweep(run.report_dir)
            _publish(run, render_key, failed_folder)
    _list_runs(run)
    return not fresh


def _list_runs(run: StudyRun) -> None:
    """Write the list of all runs, if it is older than this run's report."""
    from nbutils.report.site import write_site

    index = run.reports_dir / SUMMARY
    with locked(run.runs_dir, f"site-{digest([str(run.reports_dir.resolve())])}"):
        written = index.stat().st_mtime_ns if index.is_file() else 0
        if written <= (run.report_dir / MANIFEST).stat().st_mtime_ns:
            _sweep(run.reports_dir)
            write_site(run.reports_dir)


def _sweep(folder: Path) -> None:
    """Remove what a killed run was just writing; the folder's lock is held."""
    for stray in folder.glob(".*.tmp"):
        stray.unlink(missing_ok=True)


def _publish(run: StudyRun, render_key: str, failed_folder: Path | None) -> None:
    from nbutils.report.seal import seal_pages

    folder = run.report_dir
    folder.mkdir(parents=True, exist_ok=True)
    if run.status != "completed":
        _put_aside(folder)
    # Until the last page is there the report does not count as published.
    (folder / MANIFEST).unlink(missing_ok=True)
    redactor = Redactor.from_environment()
    results = redactor.redact_tree(_read_results(run))
    manifest = redactor.redact_tree(_build_manifest(run, results, render_key))
    notebooks = {done.stage: done.notebook for done in run.stages}
    if failed_folder is not None and run.failed_stage is not None:
        notebooks[run.failed_stage] = failed_folder / "notebook.ipynb"
    _remove_stale(folder, keep=set(notebooks))
    pages = _write_pages(run, results, manifest, notebooks)
    manifest = seal_pages(pages, manifest | {"predictions": _carry_predictions(run)})
    write_text(folder / "params.yaml", _params_file(redactor.redact_tree(_parameters(run.study))))
    if results.metrics:
        write_json(folder / "metrics.json", results.metrics)
    write_json(folder / MANIFEST, manifest)
    if run.status == "completed":
        shutil.rmtree(folder / LAST_COMPLETED, ignore_errors=True)


def _put_aside(folder: Path) -> None:
    """Move the pages of a completed run to where those of the failed one do not replace them."""
    if (
        not (folder / MANIFEST).is_file()
        or read_json(folder / MANIFEST).get("status") != "completed"
    ):
        return
    aside = folder / LAST_COMPLETED
    aside.mkdir(exist_ok=True)
    for name in _file_names():  # the manifest last: until then it is tried again
        if (folder / name).is_file():
            (folder / name).replace(aside / name)


def _file_names() -> list[str]:
    return [*map(page_name, STAGES), SUMMARY, "metrics.json", "params.yaml", MANIFEST]


def _render_key(run: StudyRun) -> str:
    import nbutils.report

    code = [
        sha256_file(path)
        for path in sorted(Path(nbutils.report.__file__).parent.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    keys = [done.key for done in run.stages]
    speakers = (__file__, screens.__file__, published.__file__)
    words = [sha256_file(Path(module)) for module in speakers]
    return digest([keys, code, words, run.command, run.study.to_yaml()])


def _is_published(run: StudyRun, render_key: str) -> bool:
    if not all((run.report_dir / name).is_file() for name in _file_names()):
        return False
    manifest = read_json(run.report_dir / MANIFEST)
    return manifest.get("render_key") == render_key and manifest.get("status") == "completed"


def _remove_stale(folder: Path, *, keep: set[str]) -> None:
    for stage in STAGES:
        if stage not in keep:
            (folder / page_name(stage)).unlink(missing_ok=True)
    if "error_analysis" not in keep:
        (folder / "metrics.json").unlink(missing_ok=True)


def _read_results(run: StudyRun) -> Results:
    def read(stage: str, name: str) -> Mapping[str, Any]:
        folder = run.folder(stage)
        return {} if folder is None else read_json(folder / name)

    return Results(
        card=read("data_prep", "data_card.json"),
        metrics=read("fine_tune", "metrics.json"),
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
            "seeds": {
                "split": run.study.data_prep.split_seed,
                "fine_tune": run.study.fine_tune.seed,
                "error_analysis": run.study.error_analysis.seed,
            },
            "stage_keys": {done.stage: done.key for done in run.stages},
            "code": {stage: code_fingerprint(find_notebook(stage)) for stage in STAGES},
            "data_fingerprint": run.fingerprints["data"],
            "checkpoint_fingerprint": run.fingerprints["checkpoint"],
            "environment": describe_environment(),
            "changes": describe_changes(Path.cwd()),
            "machine": dict(results.metrics.get("machine", {})),
            "timings": {done.stage: round(done.seconds, 2) for done in run.stages},
            "kernel_peak_mib": {done.stage: done.kernel_peak_mib for done in run.stages},
            "metrics": dict(results.metrics),
            "findings": _headline_findings(results.findings),
            "predictions_sha256": None
            if predictions is None
            else fingerprint_predictions(predictions / "predictions.parquet"),
            "render_key": render_key,
        }
    )


def _headline_findings(findings: Mapping[str, Any]) -> dict[str, Any]:
    if not findings:
        return {}
    return {"mistakes": findings["mistakes"], "ece": findings["calibration"]["ece"]}


def _carry_predictions(run: StudyRun) -> dict[str, Any] | None:
    from nbutils.report.carried import carry_predictions

    folder = run.folder("fine_tune")
    return None if folder is None else carry_predictions(folder / "predictions.parquet")


def _parameters(study: Study) -> dict[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(study.to_yaml())
    return values


def _params_file(values: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


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
    run: StudyRun, results: Results, manifest: Mapping[str, Any], notebooks: Mapping[str, Path]
) -> list[Path]:
    from nbutils.report import headline_figures, write_notebook_report, write_summary

    redactor, figures = Redactor.from_environment(), []
    pages = []
    for stage, notebook in notebooks.items():
        if not notebook.is_file():
            continue
        page = redactor.redact_tree(stage_page(run, results, manifest, stage))
        pages.append(run.report_dir / page_name(stage))
        write_notebook_report(notebook, pages[-1], page)
        figures.extend(headline_figures(notebook))
    summary = redactor.redact_tree(summary_page(run, results, manifest))
    write_summary(run.report_dir / SUMMARY, summary, figures)
    return [*pages, run.report_dir / SUMMARY]
