"""What a benchmark found, in the words of its report's first screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
SAME = {"equal", "no difference shown"}
BUSY = 0.05  # share of the cores' time used by others, from which the times are worth a caution


@dataclass(frozen=True)
class Findings:
    """Facts as (label, value, detail), sentences that conclude, sentences that caution."""

    facts: tuple[tuple[str, str, str], ...]
    verdicts: tuple[str, ...]
    cautions: tuple[str, ...]


def describe_benchmark(metrics: Mapping[str, Any]) -> Findings:
    """Return what the first screen says of a benchmark's `metrics.json`."""
    head, accuracy = metrics["headline"], metrics["accuracy"]
    trained = head["beside_fastest"]
    facts = [(_about("Training", row, trained), *_training_words(row)) for row in trained]
    if head["steps"]:
        facts.append(("One optimiser step", *_step_words(head)))
    if head["memory"]:
        facts.append(("Memory", *_memory_words(head["memory"])))
    if head["prediction"]:
        facts.append(("Prediction", *_prediction_words(head["prediction"])))
    if head["shares"]:
        facts.append(("Of the machine's limit", *_share_words(head)))
    facts += [(_about("Accuracy", row, accuracy), *_accuracy_words(row)) for row in accuracy]
    verdicts = [_beside_others(row, head["training"]) for row in trained]
    same = [row["dataset"] for row in accuracy if row["verdict"] in SAME]
    if same:
        verdicts.append(
            f"Accuracy differs from Trainer's by no more than chance does on {' and '.join(same)}."
        )
    return Findings(
        tuple(facts), (*verdicts, _where(metrics["machine"])), tuple(_cautions(metrics))
    )


def _about(label: str, row: Mapping[str, Any], rows: Sequence[Any]) -> str:
    return label if len(rows) == 1 else f"{label} on {row['dataset']}"


def _training_words(row: Mapping[str, Any]) -> tuple[str, str]:
    return _ratio(row), (
        f"as fast as Trainer at its fastest ({row['baseline']}), trainings of {row['steps']} steps "
        f"on {row['dataset']}; {_rounds(row)}"
    )


def _ratio(row: Mapping[str, Any]) -> str:
    return f"{row['ratio']:.1f}{TIMES}"


def _rounds(row: Mapping[str, Any]) -> str:
    return f"{row['n']} rounds, {row['low']:.1f} to {row['high']:.1f}"


def _span(values: Iterable[float], form: str) -> str:
    low, high = min(values := list(values)), max(values)
    texts = [format(value, form) for value in (low, high)]
    return " to ".join(dict.fromkeys(texts))


def _step_words(head: Mapping[str, Any]) -> tuple[str, str]:
    lengths = _span((row["length"] for row in head["steps"]), "d")
    ratios = _span((row["ratio"] for row in head["steps"]), ".1f")
    detail = f"as fast as the stock step in fp32, at {lengths} tokens"
    if head["steps_fp32"] != head["steps"]:
        detail += (
            f"; {_span((row['ratio'] for row in head['steps_fp32']), '.1f')}{TIMES} in fp32 too"
        )
    return f"{ratios}{TIMES}", detail


def _memory_words(memory: Mapping[str, Any]) -> tuple[str, str]:
    share = memory["nbutils"] / memory["stock"]
    return f"{100 * share:.0f} %", (
        f"of the stock fp32 peak, at {memory['length']} tokens: {memory['nbutils']:,.0f} instead "
        f"of {memory['stock']:,.0f} MiB"
    )


def _prediction_words(row: Mapping[str, Any]) -> tuple[str, str]:
    return _ratio(row), f"as fast as a transformers pipeline, {row['rows']:,} texts; {_rounds(row)}"


def _share_words(head: Mapping[str, Any]) -> tuple[str, str]:
    lengths = _span((row["length"] for row in head["shares"]), "d")
    shares = _span((100 * row["share"] for row in head["shares"]), ".0f")
    return f"{shares} %", f"of its best matrix products, at {lengths} tokens ({head['ours']})"


def _accuracy_words(row: Mapping[str, Any]) -> tuple[str, str]:
    value = f"{100 * row['difference']:+.1f} points"
    if row["low"] is None:
        return value, f"nbutils minus Trainer on {row['dataset']}, of one seed: no interval"
    low, high = 100 * row["low"], 100 * row["high"]
    return value, (
        f"nbutils in {row['precision']} minus Trainer in fp32 on {row['dataset']}; 95 % interval "
        f"{low:+.1f} to {high:+.1f}, {row['seeds']} seeds: {row['verdict']}"
    )


def _beside_others(fastest: Mapping[str, Any], training: Iterable[Mapping[str, Any]]) -> str:
    found = [
        f"{_ratio(row)} as fast as {row['baseline']} ({_rounds(row)})"
        for row in training
        if row["dataset"] == fastest["dataset"] and row["baseline"] != fastest["baseline"]
    ]
    others = f"Beside the other baselines, training on {fastest['dataset']}"
    return f"{others} is {' and '.join(found)}."


def _where(machine: Mapping[str, Any]) -> str:
    device = machine.get("device", "cpu")
    place = "" if device == "cpu" else f"{device}, in a machine with "
    return (
        f"Measured on {place}{machine['cpu']} with {machine['threads']} threads and torch "
        f"{machine['torch']}, all variants in turn. Another machine, model or text length has "
        "other ratios; the command below measures yours."
    )


def _cautions(metrics: Mapping[str, Any]) -> Iterable[str]:
    head, others = metrics["headline"], metrics["load"]["others"]
    is_timed = head["training"] or head["steps"] or head["prediction"]
    if is_timed and others > BUSY:
        yield (
            f"Other processes used {100 * others:.0f} % of the cores meanwhile: times are too "
            "long, and ratios less sure than their rounds say."
        )
    for row in metrics["accuracy"]:
        if row["verdict"] not in SAME:
            yield f"Accuracy on {row['dataset']} beside Trainer's: {row['verdict']}."
