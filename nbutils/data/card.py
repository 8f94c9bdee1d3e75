"""The data card: what the dataset is, what was done to it, and what to be wary of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbutils.data.baseline import Baseline
from nbutils.data.co_occurrence import describe_label_sets
from nbutils.data.corrections import describe_corrections
from nbutils.data.duplicates import Cleaned, count_across_splits
from nbutils.data.fingerprints import fingerprint_source
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.tokens import TokenReport
from nbutils.few_texts import describe_expectation
from nbutils.params.cutting import Cutting
from nbutils.params.data_prep import DataPrepParams

IMBALANCED = 10  # largest class over smallest, from which accuracy misleads
CUT_SHARE = 0.25
UNKNOWN_SHARE = 0.02
COPIES_SHARE = 0.02
WIDE_INTERVAL = 0.10  # width of the test accuracy's interval
SMALL_TEST = 200  # examples
MANY_WITHOUT = 0.5  # share of texts without a label
HEADLINES = {"accuracy": "accuracy", "micro_f1": "micro F1"}


def build_data_card(
    texts: LabelledTexts,
    *,
    params: DataPrepParams,
    cleaned: Cleaned,
    tokens: TokenReport,
    baseline: Baseline | None = None,
) -> dict[str, Any]:
    """Sum up the prepared data as a JSON object, the same for the same data and parameters.

    Parameters
    ----------
    texts
        With a split in every row.
    params
        Parameters of the notebook.
    cleaned
        From `remove_leakage`.
    tokens
        From `measure_tokens`.
    baseline
        From `fit_baseline`; None: it was switched off.

    Returns
    -------
    dict
        `task`, `source`, `fingerprint`, `columns`, `counts`, `label_names`, `id2label`, `splits`,
        `given_splits` (those that the data came with), `classes`, `duplicates`, `tokens`,
        `baseline`, `notes` and `warnings` (plain sentences); and `label_sets` where texts have
        several labels, `corrections` where labels were corrected.
    """
    sets = describe_label_sets(texts.frame["label"], texts.label_names)
    card: dict[str, Any] = {
        "task": texts.task,
        "source": texts.source,
        "fingerprint": fingerprint_source(params),
        "columns": {
            "text": texts.columns.text,
            "text_pair": texts.columns.text_pair,
            "label": texts.columns.label,
        },
        "counts": {**texts.counts, "examples": len(texts.frame)},
        "label_names": list(texts.label_names),
        "id2label": {str(label): name for label, name in enumerate(texts.label_names)},
        "splits": {str(name): int(n) for name, n in texts.split_sizes().items()},
        "given_splits": sorted(set(cleaned.frame["split"]) - {""}),
        "classes": _classes(texts),
        **({"label_sets": sets} if sets else {}),
        **({"corrections": dict(texts.corrections)} if texts.corrections else {}),
        "duplicates": _duplicates(cleaned, texts),
        "tokens": _tokens(tokens, texts, params),
        "baseline": _baseline(baseline),
        "notes": list(texts.notes),
    }
    return card | {"warnings": find_warnings(card)}


def find_warnings(card: dict[str, Any]) -> list[str]:
    """Return one plain sentence for each thing in a data card that a reader should know.

    Parameters
    ----------
    card
        A data card; its `warnings` are not read.
    """
    return [
        *_warn_of_classes(card),
        *_warn_of_label_sets(card),
        *_warn_of_corrections(card),
        *_warn_of_copies(card["duplicates"], card["counts"]),
        *_warn_of_tokens(card["tokens"]),
        *_warn_of_small_test(card),
        *describe_expectation(card),
    ]


def describe_card(card: dict[str, Any]) -> dict[str, str | int]:
    """Return the lines of a data card that a reader wants first, by name."""
    splits = card["splits"]
    facts: dict[str, str | int] = {
        "source": card["source"],
        "fingerprint": card["fingerprint"],
        "classes": len(card["label_names"]),
        **{f"{name} examples": n for name, n in splits.items()},
        **_label_facts(card.get("label_sets")),
        **describe_corrections(card.get("corrections")),
        "exact copies found": card["duplicates"]["exact_copies"],
        "groups of near copies": card["duplicates"]["near_groups"],
        "texts that max_length cuts": _cut_texts(card["tokens"]),
    }
    if card["baseline"]:
        name, score = headline_score(card["baseline"]["test"])
        facts[f"baseline test {name}"] = (
            f"{score['value']:.2%} (95 % interval {score['low']:.2%} to {score['high']:.2%})"
        )
        if card["baseline"]["trained_on"] < splits["train"]:
            facts["baseline trained on"] = f"{card['baseline']['trained_on']:,} texts, a sample"
    return facts


def _cut_texts(tokens: dict[str, Any]) -> str:
    share = _percent(tokens["cut_share"])
    return f"{share} of a sample of {tokens['measured']:,}" if tokens["sampled"] else share


def headline_score(scores: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the value of the score that is shown first: micro F1 for label sets."""
    key = "micro_f1" if "micro_f1" in scores else "accuracy"
    return HEADLINES[key], scores[key]


def _label_facts(sets: Mapping[str, Any] | None) -> dict[str, str | int]:
    if sets is None:
        return {}
    return {
        "labels per text": f"{sets['mean']:.2f} on average, {sets['most']} at most",
        "texts without a label": sets["without"],
    }


def _warn_of_corrections(card: dict[str, Any]) -> list[str]:
    corrections = card.get("corrections") or {"by_split": {}, "unused": 0}
    warnings = []
    if in_test := corrections["by_split"].get("test"):
        warnings.append(
            f"{in_test:,} test labels were corrected, or their texts left out, by hand. Labels "
            "that a model agrees with are seldom looked at, so the test scores favour such a "
            "model, and do not compare with scores on the labels as they came."
        )
    if corrections["unused"]:
        warnings.append(
            f"{corrections['unused']:,} corrected labels were not used: max_examples or the "
            "removal of copies has left their texts out."
        )
    return warnings


def _warn_of_label_sets(card: dict[str, Any]) -> list[str]:
    sets = card.get("label_sets")
    if sets is None:
        return []
    warnings = []
    if not sets["several"]:
        warnings.append(
            "No text has more than one label: with task single_label the model would choose one "
            "of them for each text, which is easier to learn."
        )
    if sets["without"] > MANY_WITHOUT * sum(card["splits"].values()):
        warnings.append(
            f"{sets['without']} texts have no label at all: make sure that they were looked at, "
            "and not just left blank."
        )
    return warnings


def _classes(texts: LabelledTexts) -> dict[str, dict[str, int]]:
    return {
        str(name): {str(split): int(n) for split, n in row.items()}
        for name, row in texts.class_counts().to_dict("index").items()
    }


def _duplicates(cleaned: Cleaned, texts: LabelledTexts) -> dict[str, Any]:
    found = cleaned.duplicates
    return {
        "exact_copies": found.exact_copies,
        "near_groups": found.near_groups,
        "near_threshold": found.threshold,
        "dropped_exact": cleaned.dropped_exact,
        "dropped_near": cleaned.dropped_near,
        "across_given_splits": cleaned.across_given_splits,
        "across_splits": count_across_splits(texts.frame, cleaned.groups),
        "label_conflicts": len(found.conflicts),
    }


def _tokens(tokens: TokenReport, texts: LabelledTexts, params: DataPrepParams) -> dict[str, Any]:
    summary = tokens.by_split().set_index("split")
    return {
        "tokenizer": params.tokenizer,
        **tokens.cutting.as_dict(),
        "sampled": tokens.sampled,
        "measured": len(tokens.table),
        "cut_share": tokens.cut_share,
        "lost_share": tokens.lost_share,
        "unknown_share": tokens.unknown_share,
        "unknown_by_class": {
            str(name): float(share)
            for name, share in tokens.unknown_by_class(texts.label_names).items()
        },
        "lengths": {str(name): row for name, row in summary.to_dict("index").items()},
    }


def _percent(share: float) -> str:
    return f"{share if share == 1 else min(share, 0.999):.1%}"  # what rounds to all is not all


def _baseline(baseline: Baseline | None) -> dict[str, Any] | None:
    if baseline is None:
        return None
    f1 = baseline.classes.set_index("label")["f1"]
    return {
        **{
            split: {name: score.as_dict() for name, score in scores.items()}
            for split, scores in baseline.scores.items()
        },
        "f1_by_class": {str(name): float(value) for name, value in f1.items()},
        "trained_on": baseline.trained_on,
    }


def _warn_of_classes(card: dict[str, Any]) -> list[str]:
    sizes = {name: sum(by_split.values()) for name, by_split in card["classes"].items()}
    largest, smallest = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
    warnings = []
    if sizes[largest] > IMBALANCED * sizes[smallest]:
        warnings.append(
            f"Classes are unequal: {largest!r} has {sizes[largest]} examples, {smallest!r} "
            f"{sizes[smallest]}. Accuracy says little about rare classes: read macro F1, and "
            "consider class_weights: balanced."
        )
    for split in card["splits"]:
        missing = [name for name, by_split in card["classes"].items() if not by_split[split]]
        if missing:
            warnings.append(
                f"The {split} split has no example of {', '.join(map(repr, missing[:5]))}"
                f"{' and others' if len(missing) > 5 else ''}."
            )
    return warnings


def _warn_of_copies(duplicates: dict[str, Any], counts: dict[str, int]) -> list[str]:
    warnings = []
    if duplicates["exact_copies"] > COPIES_SHARE * counts["rows_read"]:
        warnings.append(
            f"{duplicates['exact_copies']} of {counts['rows_read']} texts are exact copies of "
            f"others; {duplicates['dropped_exact']} were dropped."
        )
    if duplicates["across_splits"]:
        warnings.append(
            f"{duplicates['across_splits']} texts have a copy in another split, so test scores are "
            "too good; set deduplicate to true."
        )
    if duplicates["label_conflicts"]:
        warnings.append(
            f"{duplicates['label_conflicts']} groups of copies carry different labels: at least "
            "one label in each is wrong or a matter of taste."
        )
    return warnings


def _warn_of_tokens(tokens: dict[str, Any]) -> list[str]:
    warnings = []
    if tokens["cut_share"] > CUT_SHARE:
        warnings.append(_warn_of_cutting(tokens))
    if tokens["unknown_share"] > UNKNOWN_SHARE:
        warnings.append(
            f"{_percent(tokens['unknown_share'])} of the tokens are unknown to "
            f"{tokens['tokenizer']}: choose a checkpoint that was pretrained on this "
            "language or script."
        )
    return warnings


def _warn_of_cutting(tokens: dict[str, Any]) -> str:
    cutting = Cutting.of(tokens)
    limit, mend = {
        "head": (
            f"max_length {cutting.max_length}",
            "Raise max_length if the end of a text matters, or see whether truncation head_tail "
            "or chunks does better",
        ),
        "head_tail": (
            f"max_length {cutting.max_length} and lose their middle",
            "Raise max_length if the middle of a text matters, or see whether truncation chunks "
            "does better",
        ),
        "chunks": (
            f"{cutting.max_chunks} chunks of {cutting.max_length} tokens",
            "Raise max_chunks if the end of a text matters",
        ),
    }[cutting.truncation]
    return (
        f"{_percent(tokens['cut_share'])} of the texts are longer than {limit}; "
        f"{_percent(tokens['lost_share'])} of all tokens are never read. {mend}; training time "
        "grows with what is read."
    )


def _warn_of_small_test(card: dict[str, Any]) -> list[str]:
    n = card["splits"].get("test", 0)
    scores = (card["baseline"] or {}).get("test")
    score = headline_score(scores)[1] if scores else None
    width = score["high"] - score["low"] if score else 0.0
    if n >= SMALL_TEST and width <= WIDE_INTERVAL:
        return []
    shown = (
        f"; the baseline's 95 % interval is {100 * width:.0f} percentage points wide"
        if score
        else ""
    )
    return [f"The test split has {n} examples{shown}: small differences between models are noise."]
