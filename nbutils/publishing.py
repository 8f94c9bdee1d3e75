"""A run's stage folders as the pages that a stranger reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nbutils.artifacts import (
    NOTEBOOKS,
    STAGES,
    code_fingerprint,
    digest,
    read_json,
    sha256_file,
    write_json,
    write_text,
)
from nbutils.manifest import describe_changes, describe_environment, without_home
from nbutils.params.study import Study
from nbutils.redaction import Redactor
from nbutils.report.page import Fact, Link, Page
from nbutils.study import StudyRun, find_notebook, locked

TITLES = {
    "data_prep": "Data preparation",
    "fine_tune": "Fine-tuning",
    "error_analysis": "Error analysis",
}
SUMMARY = "index.html"
MANIFEST = "manifest.json"


def page_name(stage: str) -> str:
    """Return the file name of a stage's page."""
    return Path(NOTEBOOKS[stage]).with_suffix(".html").name


@dataclass(frozen=True)
class Results:
    """What the stages of a run left behind for its first screens; empty where they did not."""

    card: Mapping[str, Any]
    metrics: Mapping[str, Any]
    findings: Mapping[str, Any]


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
    from nbutils.report.site import write_site

    with locked(run.runs_dir, f"report-{digest([str(run.report_dir.resolve())])}"):
        render_key = _render_key(run)
        if run.status == "completed" and run.reused and _is_published(run, render_key):
            return False
        # Until the last page is there the report does not count as published.
        (run.report_dir / MANIFEST).unlink(missing_ok=True)
        _sweep(run.report_dir)
        _publish(run, render_key, failed_folder)
    with locked(run.runs_dir, f"site-{digest([str(run.reports_dir.resolve())])}"):
        _sweep(run.reports_dir)
        write_site(run.reports_dir)
    return True


def _sweep(folder: Path) -> None:
    """Remove what a killed run was just writing; the folder's lock is held."""
    for stray in folder.glob(".*.tmp"):
        stray.unlink(missing_ok=True)


def _publish(run: StudyRun, render_key: str, failed_folder: Path | None) -> None:
    from nbutils.report.seal import seal_pages

    folder = run.report_dir
    folder.mkdir(parents=True, exist_ok=True)
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


def _render_key(run: StudyRun) -> str:
    import nbutils.report

    code = [
        sha256_file(path)
        for path in sorted(Path(nbutils.report.__file__).parent.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    keys = [done.key for done in run.stages]
    return digest([keys, code, sha256_file(Path(__file__)), run.command, run.study.to_yaml()])


def _is_published(run: StudyRun, render_key: str) -> bool:
    files = [SUMMARY, MANIFEST, "metrics.json", "params.yaml", *map(page_name, STAGES)]
    if not all((run.report_dir / name).is_file() for name in files):
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
            found.update("\n".join(map(str, column)).encode())
    return found.hexdigest()


def _write_pages(
    run: StudyRun, results: Results, manifest: Mapping[str, Any], notebooks: Mapping[str, Path]
) -> list[Path]:
    from nbutils.report import headline_figures, write_notebook_report, write_summary

    redactor, figures = Redactor.from_environment(), []
    pages = []
    for stage, notebook in notebooks.items():
        if not notebook.is_file():
            continue
        page = redactor.redact_tree(_stage_page(run, results, manifest, stage))
        pages.append(run.report_dir / page_name(stage))
        write_notebook_report(notebook, pages[-1], page)
        figures.extend(headline_figures(notebook))
    summary = redactor.redact_tree(_summary_page(run, results, manifest))
    write_summary(run.report_dir / SUMMARY, summary, figures)
    return [*pages, run.report_dir / SUMMARY]


def _stage_page(run: StudyRun, results: Results, manifest: Mapping[str, Any], stage: str) -> Page:
    failed = stage == run.failed_stage
    facts, verdicts, cautions = {
        "data_prep": _data_prep_screen,
        "fine_tune": _fine_tune_screen,
        "error_analysis": _error_analysis_screen,
    }[stage](run.study, results)
    if stage == "error_analysis":
        scores, _, _ = _fine_tune_screen(run.study, results)
        facts = (*(fact for fact in scores if fact.label != "Training"), *facts)
    return Page(
        title=f"{TITLES[stage]}: {run.study.name}",
        lead=f"Step {STAGES.index(stage) + 1} of {len(STAGES)}. {_lead(run, results)}",
        status=run.status if failed else "completed",
        problem=run.problem if failed else "",
        facts=facts,
        verdicts=verdicts,
        cautions=cautions,
        rerun=run.command,
        links=_links(run, current=page_name(stage)),
        parameters=manifest["parameters"][stage],
        manifest=manifest,
    )


def _summary_page(run: StudyRun, results: Results, manifest: Mapping[str, Any]) -> Page:
    _, prep_verdicts, prep_cautions = _data_prep_screen(run.study, results)
    tune_facts, tune_verdicts, tune_cautions = _fine_tune_screen(run.study, results)
    error_facts, error_verdicts, error_cautions = _error_analysis_screen(run.study, results)
    base = _stage_page(run, results, manifest, STAGES[0])
    flat = {
        f"{section}.{name}": value
        for section in STAGES
        for name, value in manifest["parameters"][section].items()
    }
    return replace(
        base,
        title=run.study.name,
        lead=_lead(run, results),
        status=run.status,
        problem=run.problem,
        facts=(*tune_facts, *error_facts),
        verdicts=(*tune_verdicts, *error_verdicts, *prep_verdicts),
        cautions=(*tune_cautions, *error_cautions, *prep_cautions),
        links=_links(run, current=SUMMARY),
        parameters=flat,
    )


def _links(run: StudyRun, *, current: str) -> tuple[Link, ...]:
    reached = [done.stage for done in run.stages]
    if run.failed_stage is not None:
        reached.append(run.failed_stage)
    pages = [("Summary", SUMMARY), *((TITLES[stage], page_name(stage)) for stage in reached)]
    return (
        Link("All runs", "../index.html"),
        *(Link(title, name, current=name == current) for title, name in pages),
    )


def _lead(run: StudyRun, results: Results) -> str:
    study, card = run.study, results.card
    if study.description:
        return study.description
    if not card:
        return f"{study.fine_tune.model} on {study.data_prep.dataset}."
    counts = card["splits"]
    total = sum(counts.values())
    return (
        f"{study.fine_tune.model} fine-tuned on {study.data_prep.dataset}: {total:,} texts, "
        f"{len(card['label_names'])} classes, {counts.get('train', 0):,} of them for training."
    )


Screen = tuple[tuple[Fact, ...], tuple[str, ...], tuple[str, ...]]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(score: Mapping[str, Any]) -> str:
    return f"95 % interval {100 * score['low']:.1f} to {100 * score['high']:.1f}"


def _data_prep_screen(study: Study, results: Results) -> Screen:
    card = results.card
    if not card:
        return (), (), ()
    duplicates, splits = card["duplicates"], card["splits"]
    facts = [
        Fact(
            "Texts kept",
            f"{sum(splits.values()):,}",
            ", ".join(f"{count:,} {name}" for name, count in splits.items()),
        ),
        Fact("Classes", str(len(card["label_names"]))),
        Fact(
            "Exact copies found",
            f"{duplicates['exact_copies']:,}",
            f"{duplicates['near_groups']:,} groups of near copies",
        ),
        Fact(
            "Cut by max_length",
            _percent(card["tokens"]["cut_share"]),
            f"of the texts, at {study.data_prep.max_length} tokens",
        ),
    ]
    if card.get("baseline"):
        score = card["baseline"]["test"]["accuracy"]
        facts.append(Fact("Baseline to beat", _percent(score["value"]), _interval(score)))
    verdict = (
        f"{duplicates['exact_copies']:,} exact copies were found; nothing from the test side is "
        "seen in training."
        if study.data_prep.deduplicate
        else f"{duplicates['exact_copies']:,} exact copies were found and kept: deduplicate is off."
    )
    return tuple(facts), (verdict,), tuple(card["warnings"])


def _fine_tune_screen(study: Study, results: Results) -> Screen:
    metrics = results.metrics
    cautions = tuple(study.fine_tune.cautions())
    if not metrics:
        return (), (), cautions
    accuracy, f1 = metrics["test"]["accuracy"], metrics["test"]["macro_f1"]
    training = metrics["training"]
    facts = [
        Fact("Test accuracy", _percent(accuracy["value"]), _interval(accuracy)),
        Fact("Macro F1", _percent(f1["value"]), _interval(f1)),
    ]
    verdicts = []
    if metrics.get("baseline"):
        base = metrics["baseline"]["accuracy"]
        facts.append(Fact("TF-IDF baseline", _percent(base["value"]), _interval(base)))
        verdicts.append(describe_gain(metrics["against_baseline"]))
    facts.append(
        Fact(
            "Training",
            f"{training['seconds']:.0f} s",
            f"{training['epochs']:g} epochs, {training['tokens_per_second']:,.0f} tokens/s, "
            f"{training['device']} {training['precision']}",
        )
    )
    verdicts.append(training["diagnosis"])
    return tuple(facts), tuple(verdicts), cautions


def describe_gain(gain: Mapping[str, Any]) -> str:
    """Return a sentence on a paired comparison with the baseline."""
    points = f"{100 * abs(gain['value']):.1f} points"
    interval = f"95 % interval {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}"
    if gain["low"] > 0:
        return f"It beats the TF-IDF baseline by {points} on the same test texts ({interval})."
    if gain["high"] < 0:
        return (
            f"It loses to the TF-IDF baseline by {points} on the same test texts ({interval}): "
            "use the baseline, or find out what went wrong."
        )
    return (
        f"It does not beat the TF-IDF baseline beyond chance: {100 * gain['value']:+.1f} points on "
        f"the same test texts ({interval})."
    )


def _error_analysis_screen(study: Study, results: Results) -> Screen:
    findings = results.findings
    if not findings:
        return (), (), ()
    mistakes, total = findings["mistakes"]["test"], results.metrics["test"]["accuracy"]["n"]
    facts = (
        Fact("Mistakes", f"{mistakes:,}", f"of {total:,} test texts"),
        Fact("Calibration error", _percent(findings["calibration"]["ece"]), "ECE, 0 is perfect"),
    )
    verdicts = []
    if findings["top_confusions"]:
        worst = findings["top_confusions"][0]
        verdicts.append(
            f"Most frequent mistake: {worst['label']} taken for {worst['predicted']}, "
            f"{worst['count']} times ({_percent(worst['share'])} of the class)."
        )
    return facts, tuple(verdicts), ()
