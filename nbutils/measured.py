"""What a benchmark found, in the words of its report's first screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
DYNAMIC = "Trainer, dynamic padding"  # in fp32: what a careful user runs
BUSY = 0.05  # share of the cores' time used by others, from which the times are worth a caution


@dataclass(frozen=True)
class Findings:
    """Facts as (label, value, detail), sentences that conclude, sentences that caution."""

    facts: tuple[tuple[str, str, str], ...]
    verdicts: tuple[str, ...]
    cautions: tuple[str, ...]


def describe_benchmark(metrics: Mapping[str, Any]) -> Findings:
    """Return what the first screen says of a benchmark's `metrics.json`."""
    head = metrics["headline"]
    facts = [
        ("Training", *_training_words(head["training"][DYNAMIC])),
        ("One optimiser step", *_step_words(head)),
        ("Memory", *_memory_words(head["memory"])),
        ("Prediction", *_prediction_words(head["prediction"])),
    ]
    if head["shares"]:
        facts.append(("Of the machine's limit", *_share_words(head)))
    if metrics["accuracy"]:
        facts.append(("Accuracy", *_accuracy_words(metrics["accuracy"])))
    verdicts = (_beside_others(head["training"]), _where(metrics["machine"]))
    return Findings(tuple(facts), verdicts, tuple(_cautions(metrics)))


def _training_words(row: Mapping[str, Any]) -> tuple[str, str]:
    detail = f"as fast as Trainer in fp32 with dynamic padding, on {row['dataset']}; {_rounds(row)}"
    return _ratio(row), detail


def _ratio(row: Mapping[str, Any]) -> str:
    return f"{row['ratio']:.1f}{TIMES}"


def _rounds(row: Mapping[str, Any]) -> str:
    return f"quartiles of {row['n']} rounds {row['low']:.1f} to {row['high']:.1f}"


def _span(values: Iterable[float], form: str) -> str:
    low, high = min(values := list(values)), max(values)
    texts = [format(value, form) for value in (low, high)]
    return " to ".join(dict.fromkeys(texts))


def _step_words(head: Mapping[str, Any]) -> tuple[str, str]:
    lengths = _span((row["length"] for row in head["steps"]), "d")
    ratios = _span((row["ratio"] for row in head["steps"]), ".1f")
    return f"{ratios}{TIMES}", f"as fast as the stock step in fp32, at {lengths} tokens"


def _memory_words(memory: Mapping[str, Any]) -> tuple[str, str]:
    share = memory["nbutils"] / memory["stock"]
    return f"{100 * share:.0f} %", (
        f"of the stock fp32 peak, at {memory['length']} tokens: {memory['nbutils']:,.0f} instead "
        f"of {memory['stock']:,.0f} MiB"
    )


def _prediction_words(row: Mapping[str, Any]) -> tuple[str, str]:
    return _ratio(row), f"as fast as a transformers pipeline, {row['rows']} texts; {_rounds(row)}"


def _share_words(head: Mapping[str, Any]) -> tuple[str, str]:
    lengths = _span((row["length"] for row in head["shares"]), "d")
    shares = _span((100 * row["share"] for row in head["shares"]), ".0f")
    return f"{shares} %", f"of its best matrix products, at {lengths} tokens ({head['ours']})"


def _accuracy_words(accuracy: Mapping[str, Any]) -> tuple[str, str]:
    value = f"{100 * accuracy['difference']:+.1f} points"
    if accuracy["low"] is None:
        return value, "nbutils minus Trainer, of one seed: no interval"
    low, high = 100 * accuracy["low"], 100 * accuracy["high"]
    return value, (
        f"nbutils minus Trainer; 95 % interval {low:+.1f} to {high:+.1f}, {accuracy['seeds']} seeds"
    )


def _beside_others(training: Mapping[str, Any]) -> str:
    found = [
        f"{_ratio(row)} as fast as {baseline} ({_rounds(row)})"
        for baseline, row in training.items()
        if baseline != DYNAMIC
    ]
    dataset = training[DYNAMIC]["dataset"]
    return f"Beside the other baselines, training on {dataset} is {' and '.join(found)}."


def _where(machine: Mapping[str, Any]) -> str:
    return (
        f"Measured on {machine['cpu']} with {machine['threads']} threads and torch "
        f"{machine['torch']}, all variants in turn. Another machine, model or text length has "
        "other ratios; the command below measures yours."
    )


def _cautions(metrics: Mapping[str, Any]) -> Iterable[str]:
    others = metrics["load"]["others"]
    if others > BUSY:
        yield (
            f"Other processes used {100 * others:.0f} % of the cores meanwhile: times are too "
            "long, and ratios less sure than their quartiles say."
        )
    accuracy = metrics["accuracy"]
    if accuracy and accuracy["low"] is not None and not accuracy["low"] <= 0 <= accuracy["high"]:
        yield "The two trainings do not reach the same accuracy: chance does not explain it."
