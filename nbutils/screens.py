"""The first screens of a run's pages: of each stage, and of the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nbutils.params.study import Study
from nbutils.published import compare_with_target
from nbutils.report.page import Comparison, Link, Page, Step
from nbutils.report_folders import LAST_COMPLETED, SUMMARY, TITLES, page_name
from nbutils.runs import StudyRun
from nbutils.stage_screens import SCREENS, Results, kind_of_names
from nbutils.views.advice import link_to_section, say_worth

MOST_STEPS = 3  # on a first screen; the page of the error analysis has the others


def stage_page(run: StudyRun, results: Results, manifest: Mapping[str, Any], stage: str) -> Page:
    """Return what the page of a stage says around its notebook.

    Parameters
    ----------
    run, results
        The run, and what it left behind.
    manifest
        Embedded in the page; its parameters are shown.
    stage
        One of the study's.
    """
    failed = stage == run.failed_stage
    facts, verdicts, cautions = SCREENS[stage](run.study, results)
    if stage == "error_analysis":
        scores, _, _ = SCREENS["fine_tune"](run.study, results)
        facts = (*(fact for fact in scores if fact.label != "Training"), *facts)
    return Page(
        title=f"{TITLES[stage]}: {run.study.name}",
        lead=_place(run, stage) + _lead(run, results),
        status=run.status if failed else "completed",
        problem=run.problem if failed else "",
        facts=facts,
        verdicts=verdicts,
        cautions=cautions,
        steps=list_steps(results.findings, page="") if stage == "error_analysis" else (),
        comparison=_comparison(run.study, results) if stage == "fine_tune" else None,
        rerun=run.command,
        links=_links(run, current=page_name(stage)),
        parameters=manifest["parameters"][stage],
        manifest=manifest,
    )


def summary_page(run: StudyRun, results: Results, manifest: Mapping[str, Any]) -> Page:
    """Return what the study's summary says; see `stage_page`."""
    stages = run.study.stages
    # what the data are like is the least of the answers
    screens = [SCREENS[stage](run.study, results) for stage in (*stages[1:], stages[0])]
    facts = [fact for screen in screens[: max(1, len(stages) - 1)] for fact in screen[0]]
    base = stage_page(run, results, manifest, stages[0])
    flat = {
        f"{section}.{name}": value
        for section in stages
        for name, value in manifest["parameters"][section].items()
    }
    return replace(
        base,
        title=run.study.name,
        lead=_lead(run, results),
        status=run.status,
        problem=run.problem,
        facts=tuple(facts),
        verdicts=tuple(verdict for screen in screens for verdict in screen[1]),
        cautions=tuple(dict.fromkeys(caution for screen in screens for caution in screen[2])),
        steps=list_steps(results.findings, page=page_name("error_analysis")),
        comparison=_comparison(run.study, results),
        links=_links(run, current=SUMMARY),
        parameters=flat,
    )


def _place(run: StudyRun, stage: str) -> str:
    stages = run.study.stages
    return f"Step {stages.index(stage) + 1} of {len(stages)}. " if len(stages) > 1 else ""


def _comparison(study: Study, results: Results) -> Comparison | None:
    return compare_with_target(study, card=results.card, metrics=results.metrics)


def list_steps(findings: Mapping[str, Any], *, page: str) -> tuple[Step, ...]:
    """Return what to do next, as far as a first screen has room for it.

    Parameters
    ----------
    findings
        `findings.json`; empty: there is none.
    page
        The page of the error analysis, which has the evidence; empty: it is the page itself.
    """
    score = "micro F1" if findings.get("task") == "multi_label" else "accuracy"
    return tuple(
        Step(
            action=one["action"],
            detail=say_worth(
                one["gain"],
                score=score,
                at_most=one["at_most"],
                measured=one.get("measured", False),
            ),
            href=f"{page}{link_to_section(one['section'])}",
        )
        for one in findings.get("advice", ())[:MOST_STEPS]
    )


def _links(run: StudyRun, *, current: str) -> tuple[Link, ...]:
    reached = [done.stage for done in run.stages]
    if run.failed_stage is not None:
        reached.append(run.failed_stage)
    pages = [("Summary", SUMMARY), *((TITLES[stage], page_name(stage)) for stage in reached)]
    if run.last_completed and run.status != "completed":
        pages.append(("Last completed run", f"{LAST_COMPLETED}/{SUMMARY}"))
    return (
        Link("All runs", "../index.html"),
        *(Link(title, name, current=name == current) for title, name in pages),
    )


def _lead(run: StudyRun, results: Results) -> str:
    study, card = run.study, results.card
    if study.description:
        return study.description
    if study.benchmark is not None:
        return f"{study.benchmark.model} on {', '.join(study.benchmark.dataset_sources())}."
    if not card:
        return f"{study.fine_tune.model} on {study.data_prep.dataset}."
    counts, kind = card["splits"], kind_of_names(card)
    total = sum(counts.values())
    return (
        f"{study.fine_tune.model} fine-tuned on {study.data_prep.dataset}: {total:,} texts, "
        f"{len(card['label_names'])} {kind}, {counts.get('train', 0):,} of them for training."
    )
