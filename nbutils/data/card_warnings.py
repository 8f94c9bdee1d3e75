"""What a reader of a data card should be wary of, as plain sentences."""

from __future__ import annotations

from typing import Any

from nbutils.data.baseline import headline_score
from nbutils.data.tokens import say_share
from nbutils.few_texts import describe_expectation
from nbutils.params.cutting import Cutting

IMBALANCED = 10  # largest class over smallest, from which accuracy misleads
CUT_SHARE = 0.25
UNKNOWN_SHARE = 0.02
COPIES_SHARE = 0.02
WIDE_INTERVAL = 0.10  # width of the test accuracy's interval
SMALL_TEST = 200  # examples
MANY_WITHOUT = 0.5  # share of texts without a label


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
            f"{say_share(tokens['unknown_share'])} of the tokens are unknown to "
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
        f"{say_share(tokens['cut_share'])} of the texts are longer than {limit}; "
        f"{say_share(tokens['lost_share'])} of all tokens are never read. {mend}; training time "
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
