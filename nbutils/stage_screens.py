"""What each stage says of itself on a first screen: facts, verdicts, cautions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbutils.measured import describe_benchmark
from nbutils.numerals import below_all
from nbutils.params.study import Study
from nbutils.report.page import Fact
from nbutils.training.pitfalls import find_cautions

CLASS_FACTS = {"Test accuracy": "accuracy", "Macro F1": "macro_f1"}
SET_FACTS = {
    "Micro F1": "micro_f1",
    "Macro F1": "macro_f1",
    "Subset accuracy": "accuracy",
    "Mean average precision": "mean_average_precision",
}
MUCH_UNREAD = 0.05  # share of all tokens, from which the baseline's reading them is told
Screen = tuple[tuple[Fact, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Results:
    """What the stages of a run left behind for its first screens; empty where they did not."""

    card: Mapping[str, Any]
    metrics: Mapping[str, Any]
    findings: Mapping[str, Any]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def kind_of_names(card: Mapping[str, Any]) -> str:
    """Return what the names of a data card are: of labels, any number per text, or of classes."""
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
        Fact(kind_of_names(card).capitalize(), str(len(card["label_names"])), _per_text(card)),
        Fact(
            "Exact copies found",
            f"{duplicates['exact_copies']:,}",
            f"{duplicates['near_groups']:,} groups of near copies",
        ),
        Fact(
            "Cut by max_length",
            _percent(below_all(card["tokens"]["cut_share"])),
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
    near = 100 * study.data_prep.near_duplicate_threshold
    verdict = (
        f"{duplicates['exact_copies']:,} exact copies were found. No two splits share one, or "
        f"texts that have {near:.0f} % or more of their word pairs in common."
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
        verdicts.append(describe_gain(metrics["against_baseline"]) + _beside(metrics, results.card))
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


def _beside(metrics: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Return what a comparison with the baseline on the test texts should be read beside."""
    said, score = "", "micro_f1" if metrics.get("task") == "multi_label" else "accuracy"
    base = ((card.get("baseline") or {}).get("validation") or {}).get(score)
    if base and score in metrics["validation"]:
        difference = 100 * (metrics["validation"][score]["value"] - base["value"])
        said = f" On the validation texts the difference is {difference:+.1f} points."
    lost = card.get("tokens", {}).get("lost_share", 0.0)
    if lost > MUCH_UNREAD:
        said += f" The baseline reads whole texts, the model {_percent(1 - lost)} of their tokens."
    return said


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
    if "mistakes" not in findings:  # there are none, or what counts them failed
        return {}
    calibration = findings["sections"].get("calibration", {})
    ece = {"ece": calibration["ece"]["value"]} if "ece" in calibration else {}
    return {"mistakes": findings["mistakes"], **ece}


def _error_analysis_screen(study: Study, results: Results) -> Screen:
    findings = results.findings
    if "mistakes" not in findings:
        return (), (), tuple(findings.get("failed", ()))
    mistakes, total = findings["mistakes"]["test"], results.metrics["test"]["accuracy"]["n"]
    several = findings.get("task") == "multi_label"
    kind = ", with a label missed or spurious" if several else ""
    facts = [Fact("Mistakes", f"{mistakes:,}", f"of {total:,} test texts{kind}")]
    ece = findings["sections"].get("calibration", {}).get("ece")
    if ece is not None:
        facts.append(Fact("Calibration error", _percent(ece["value"]), f"ECE, {_interval(ece)}"))
    verdicts = _worst_label(findings["outcomes"]) if several else _worst_classes(findings)
    return tuple(facts), verdicts, ()


def _worst_classes(findings: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the class that fails more than the others beyond chance, and the kind of mistake."""
    classes = findings["sections"].get("slices", {}).get("classes", ())
    verdicts = [
        f"Texts {worst['slice']} fail more than the others: {_percent(worst['rate'])} of "
        f"{worst['n']:,}, against {_percent(worst['rest_rate'])}."
        for worst in classes[:1]
    ]
    return (*verdicts, *_worst_pair(findings["top_confusions"]))


def _worst_pair(confusions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    if not confusions:
        return ()
    worst = confusions[0]
    alike = sum(pair["count"] == worst["count"] for pair in confusions)
    often = "once" if worst["count"] == 1 else f"{worst['count']:,} times"
    if alike > 1:
        return (f"No kind of mistake stands out: the most frequent ones were made {often} each.",)
    return (
        f"Most frequent mistake: {worst['label']} taken for {worst['predicted']}, {often} "
        f"({_percent(worst['share'])} of the class).",
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
