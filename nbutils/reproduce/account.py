"""What a check or a reproduction found, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nbutils.reproduce.checking import Check, CheckResult
from nbutils.reproduce.comparing import (
    CONFIDENCE_TOLERANCE,
    TOLERANCE,
    Comparison,
    Difference,
    MetricComparison,
    PredictionComparison,
)
from nbutils.reproduce.running import Reproduction

OUTCOMES = {"good": "ok", "bad": "DIFFERENT", "unknown": "unknown", "unsealed": "NOT SEALED"}
NO_ENVIRONMENT = "environment: as it was (versions, processor, threads, commit, code)"


def describe_check(result: CheckResult) -> str:
    """Return each check with its outcome, then one line on the report."""
    lines = [f"report: {result.report}", *_checks(result.checks)]
    return "\n".join([*lines, f"verdict: {_verdict_of_check(result)}"])


def _verdict_of_check(result: CheckResult) -> str:
    bad = [check.name for check in result.checks if check.outcome == "bad"]
    if bad:
        return f"not as it was published, or not on these inputs: {', '.join(bad)}"
    if not result.sealed:
        return "not sealed: not fully published (run it again), or older than seals"
    return "nothing speaks against this report"


def describe_reproduction(result: Reproduction) -> str:
    """Return metrics, predictions and environment side by side, then one line on the report."""
    lines = [f"report: {result.report}", *_checks(result.inputs)]
    if result.comparison is not None:
        lines += ["", *_metrics(result.comparison.metrics)]
        lines += ["", *_predictions(result.comparison.predictions)]
        lines += ["", *_environment(result.comparison.environment, result.verdict)]
    lines.append("")
    if result.folder is not None:
        lines.append(f"the new run is kept in {result.folder}")
    if result.page is not None:
        lines.append(f"its report: {result.page}")
    return "\n".join([*lines, f"verdict: {_verdict(result)}"])


def _checks(checks: Iterable[Check]) -> list[str]:
    return [f"  {check.name:<14} {OUTCOMES[check.outcome]:<10} {check.detail}" for check in checks]


def _metrics(metrics: Sequence[MetricComparison]) -> list[str]:
    rows = [("metric", "reported", "now", "")]
    rows += [(m.name, _show(m.reported), _show(m.now), m.verdict) for m in metrics]
    return _align(rows)


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _show(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _predictions(found: PredictionComparison) -> list[str]:
    if found.same_sha256:
        return ["predictions: identical, bit for bit (equal sha256)"]
    if not found.source:
        return ["predictions: another sha256; the report carries no rows to compare with"]
    lines = [
        f"predictions: another sha256; {found.rows:,} compared with {found.source}",
        f"  identical                      {found.identical:,}",
        f"  same label, other confidence   {found.other_confidence:,}"
        f" (by up to {found.largest:.3g})",
        f"  other label                    {found.other_label:,}",
    ]
    if found.ids:
        more = ", ..." if found.other_label > len(found.ids) else ""
        lines[-1] += f" (example_id {', '.join(map(str, found.ids))}{more})"
    if found.unmatched:
        lines.append(f"  only in one of the two runs    {found.unmatched:,}")
    return lines


def _environment(differences: Sequence[Difference], verdict: str) -> list[str]:
    if not differences:
        return [NO_ENVIRONMENT]
    cause = "" if verdict == "bit-identical" else ", the likely cause"
    rows = [("environment", "reported", "now")]
    rows += [(d.name, _show(d.reported), _show(d.now)) for d in differences]
    lines = [f"differences of environment{cause}:", *_align(rows)]
    threads = next((d.reported for d in differences if d.name == "machine.threads"), None)
    if cause and isinstance(threads, int):
        lines.append(f"to run it with as many threads as then: OMP_NUM_THREADS={threads}")
    return lines


def _verdict(result: Reproduction) -> str:
    if result.comparison is None:
        bad = [check.name for check in result.inputs if check.outcome == "bad"]
        return f"not run: {', '.join(bad)} not as in the report; --anyway runs it all the same"
    if result.verdict == "bit-identical":
        return "bit-identical: every score and every prediction is that of the report"
    if result.verdict == "within tolerance":
        return (
            f"within tolerance: scores within {TOLERANCE:g}, confidences within "
            f"{CONFIDENCE_TOLERANCE:g}, every label the same; not bit-identical"
        )
    return f"different: {_differing(result.comparison)}"


def _differing(comparison: Comparison) -> str:
    compared = [m for m in comparison.metrics if m.verdict != "not compared"]
    wrong = sum(metric.verdict == "different" for metric in compared)
    found = comparison.predictions
    parts = [f"{wrong} of {len(compared)} values"]
    if found.other_label or found.unmatched:
        parts.append(f"{found.other_label + found.unmatched} of {found.rows} predicted labels")
    elif found.verdict == "different":
        parts.append("predicted probabilities" if found.source else "the sha256 of the predictions")
    return " and ".join(parts)
