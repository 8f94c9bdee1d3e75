"""What the first screens of a run's pages say: facts, verdicts, cautions, links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbutils.artifacts import NOTEBOOKS
from nbutils.measured import describe_benchmark
from nbutils.params.study import Study
from nbutils.published import compare_with_target
from nbutils.report.page import Comparison, Fact, Link, Page, Step
from nbutils.runs import StudyRun
from nbutils.training.pitfalls import find_cautions
from nbutils.views.advice import link_to_section, say_worth

TITLES = {
    "data_prep": "Data preparation",
    "fine_tune": "Fine-tuning",
    "error_analysis": "Error analysis",
    "benchmark": "Benchmark",
}
SUMMARY = "index.html"
CLASS_FACTS = {"Test accuracy": "accuracy", "Macro F1": "macro_f1"}
SET_FACTS = {
    "Micro F1": "micro_f1",
    "Macro F1": "macro_f1",
    "Subset accuracy": "accuracy",
    "Mean average precision": "mean_average_precision",
}
MOST_STEPS = 3  # on a first screen; the page of the error analysis has the others
LAST_COMPLETED = "last-completed"  # in a report's folder: the pages from before a run failed


def page_name(stage: str) -> str:
    """Return the file name of a stage's page."""
    return Path(NOTEBOOKS[stage]).with_suffix(".html").name


@dataclass(frozen=True)
class Results:
    """What the stages of a run left behind for its first screens; empty where they did not."""

    card: Mapping[str, Any]
    metrics: Mapping[str, Any]
    findings: Mapping[str, Any]


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
        scores, _, _ = _fine_tune_screen(run.study, results)
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
            detail=say_worth(one["gain"], score=score, at_most=one["at_most"]),
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
    counts, kind = card["splits"], _kind_of_names(card)
    total = sum(counts.values())
    return (
        f"{study.fine_tune.model} fine-tuned on {study.data_prep.dataset}: {total:,} texts, "
        f"{len(card['label_names'])} {kind}, {counts.get('train', 0):,} of them for training."
    )


Screen = tuple[tuple[Fact, ...], tuple[str, ...], tuple[str, ...]]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _kind_of_names(card: Mapping[str, Any]) -> str:
    return "labels" if card.get("label_sets") else "classes"


def _per_text(card: Mapping[str, Any]) -> str:
    sets = card.get("label_sets")
    return f"{sets['mean']:.2f} per text, {sets['most']} at most" if sets else ""


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
        Fact(_kind_of_names(card).capitalize(), str(len(card["label_names"])), _per_text(card)),
        Fact(
            "Exact copies found",
            f"{duplicates['exact_copies']:,}",
            f"{duplicates['near_groups']:,} groups of near copies",
        ),
        Fact(
            "Cut by max_length",
            _percent(card["tokens"]["cut_share"]),
            f"of the texts, {study.data_prep.cutting.describe()}",
        ),
    ]
    if corrections := card.get("corrections"):
        left_out = f"{corrections['left_out']:,} texts left out by hand"
        facts.append(Fact("Labels corrected", f"{corrections['corrected']:,}", left_out))
    if card.get("baseline"):
        scores = card["baseline"]["test"]
        several = "micro_f1" in scores
        score = scores["micro_f1" if several else "accuracy"]
        label = "Micro F1 to beat" if several else "Baseline to beat"
        facts.append(Fact(label, _percent(score["value"]), _interval(score)))
    verdict = (
        f"{duplicates['exact_copies']:,} exact copies were found; nothing from the test side is "
        "seen in training."
        if study.data_prep.deduplicate
        else f"{duplicates['exact_copies']:,} exact copies were found and kept: deduplicate is off."
    )
    return tuple(facts), (verdict,), tuple(card["warnings"])


def _fine_tune_screen(study: Study, results: Results) -> Screen:
    metrics = results.metrics
    cautions = tuple(find_cautions(study.fine_tune, results.card))
    if not metrics:
        return (), (), cautions
    training = metrics["training"]
    several = metrics.get("task") == "multi_label"
    shown = SET_FACTS if several else CLASS_FACTS
    facts = [
        Fact(label, _percent(score["value"]), _interval(score))
        for label, name in shown.items()
        for score in [metrics["test"][name]]
    ]
    verdicts = []
    if metrics.get("baseline"):
        base = metrics["baseline"]["micro_f1" if several else "accuracy"]
        label = "TF-IDF baseline, micro F1" if several else "TF-IDF baseline"
        facts.append(Fact(label, _percent(base["value"]), _interval(base)))
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
    return tuple(facts), tuple(verdicts), (*cautions, *training.get("notes", ()))


def describe_gain(gain: Mapping[str, Any]) -> str:
    """Return a sentence on a paired comparison with the baseline."""
    of_what = " of micro F1" if gain.get("score") == "micro_f1" else ""
    points = f"{100 * abs(gain['value']):.1f} points{of_what}"
    interval = f"95 % interval {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}"
    if gain["low"] > 0:
        return f"It beats the TF-IDF baseline by {points} on the same test texts ({interval})."
    if gain["high"] < 0:
        return (
            f"It loses to the TF-IDF baseline by {points} on the same test texts ({interval}): "
            "use the baseline, or find out what went wrong."
        )
    return (
        f"It does not beat the TF-IDF baseline beyond chance: {100 * gain['value']:+.1f} "
        f"points{of_what} on the same test texts ({interval})."
    )


def headline_findings(findings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest holds of `findings.json`.

    Parameters
    ----------
    findings
        Empty: there are none.

    Returns
    -------
    dict
        `mistakes` by split, and `ece` where calibration was measured.
    """
    if not findings:
        return {}
    calibration = findings["sections"].get("calibration", {})
    ece = {"ece": calibration["ece"]["value"]} if "ece" in calibration else {}
    return {"mistakes": findings["mistakes"], **ece}


def _error_analysis_screen(study: Study, results: Results) -> Screen:
    findings = results.findings
    if not findings:
        return (), (), ()
    mistakes, total = findings["mistakes"]["test"], results.metrics["test"]["accuracy"]["n"]
    several = findings.get("task") == "multi_label"
    kind = ", with a label missed or spurious" if several else ""
    facts = [Fact("Mistakes", f"{mistakes:,}", f"of {total:,} test texts{kind}")]
    ece = headline_findings(findings).get("ece")
    if ece is not None:
        facts.append(Fact("Calibration error", _percent(ece), "ECE, 0 is perfect"))
    verdicts = _worst_label(findings["outcomes"]) if several else _worst_pair(findings)
    return tuple(facts), verdicts, ()


def _worst_pair(findings: Mapping[str, Any]) -> tuple[str, ...]:
    if not findings["top_confusions"]:
        return ()
    worst = findings["top_confusions"][0]
    return (
        f"Most frequent mistake: {worst['label']} taken for {worst['predicted']}, "
        f"{worst['count']} times ({_percent(worst['share'])} of the class).",
    )


def _worst_label(outcomes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    worst = max(outcomes, key=lambda label: label["missed"] + label["spurious"])
    if not worst["missed"] + worst["spurious"]:
        return ()
    has = worst["right"] + worst["missed"]
    return (
        f"Most mistakes: the label {worst['label']}, missed on {worst['missed']} of the {has} test "
        f"texts that have it and given to {worst['spurious']} that have it not.",
    )


def _benchmark_screen(study: Study, results: Results) -> Screen:
    if not results.metrics:
        return (), (), ()
    found = describe_benchmark(results.metrics)
    facts = tuple(Fact(label, value, detail) for label, value, detail in found.facts)
    return facts, found.verdicts, found.cautions


SCREENS: dict[str, Callable[[Study, Results], Screen]] = {
    "data_prep": _data_prep_screen,
    "fine_tune": _fine_tune_screen,
    "error_analysis": _error_analysis_screen,
    "benchmark": _benchmark_screen,
}
