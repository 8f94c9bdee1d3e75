"""The data card: what the dataset is, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbutils.data.baseline import Baseline, headline_score
from nbutils.data.card_warnings import find_warnings
from nbutils.data.co_occurrence import describe_label_sets
from nbutils.data.corrections import describe_corrections
from nbutils.data.duplicates import Cleaned, count_across_splits
from nbutils.data.fingerprints import fingerprint_source
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.tokens import TokenReport, say_share
from nbutils.params.data_prep import DataPrepParams


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
        `task`, `source`, `fingerprint`, `parameters`, `columns`, `counts`, `label_names`,
        `id2label`, `splits`, `given_splits` (those that the data came with), `classes`,
        `duplicates`, `tokens`, `baseline`, `notes` and `warnings` (plain sentences); and
        `label_sets` where texts have several labels, `corrections` where labels were corrected.
    """
    sets = describe_label_sets(texts.frame["label"], texts.label_names)
    card: dict[str, Any] = {
        "task": texts.task,
        "source": texts.source,
        "fingerprint": fingerprint_source(params),
        "parameters": params.model_dump(mode="json", exclude={"output_dir"}),
        "columns": {
            "text": texts.columns.text,
            "text_pair": texts.columns.text_pair,
            "label": texts.columns.label,
            "metadata": list(texts.columns.metadata),
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
    share = say_share(tokens["cut_share"])
    return f"{share} of a sample of {tokens['measured']:,}" if tokens["sampled"] else share


def _label_facts(sets: Mapping[str, Any] | None) -> dict[str, str | int]:
    if sets is None:
        return {}
    return {
        "labels per text": f"{sets['mean']:.2f} on average, {sets['most']} at most",
        "texts without a label": sets["without"],
    }


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
