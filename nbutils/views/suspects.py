"""The labels that may be wrong: how many, which for which, and the first of them to read."""

from __future__ import annotations

from nbutils.analysis.suspects import SUSPECTS_FILE, Suspects
from nbutils.tables import Note, Table, TextExamples

USELESS = (
    "The model is right hardly more often than who always gives the most frequent label. What it "
    "disagrees with is no evidence against a label, and the estimate means little."
)
LIMITS = (
    "The estimate takes labels that a model contradicts with confidence for wrong. It counts texts "
    "that are hard, or that deserve either label, as wrong labels too; it misses mistakes that are "
    "made so regularly that the model has learnt them. The interval covers the choice of texts, "
    "and none of this."
)


def explain_noise(suspects: Suspects) -> Note:
    """Return what the estimate is not worth, and what was not checked."""
    words = LIMITS if suspects.believable else USELESS
    if suspects.unchecked:
        words = f"The training labels were not checked: {suspects.unchecked.rstrip('.')}. {words}"
    is_whole = suspects.believable and not suspects.unchecked
    return Note(words, kind="info" if is_whole else "caution")


def tabulate_noise(suspects: Suspects) -> Table:
    """Return how many labels were checked, are suspect, and are estimated to be wrong."""
    shares = ["share", "low", "high"]
    caption = "Labels checked, and the estimated share of wrong ones with its 95 % interval"
    return Table(suspects.noise, caption=caption, percent=shares)


def tabulate_wrong_labels(suspects: Suspects, *, most: int = 10) -> Table | Note:
    """Return which labels are taken for which others.

    Parameters
    ----------
    suspects
        From `find_suspects`.
    most
        Rows at the most.
    """
    pairs = suspects.pairs.head(most)
    if pairs.empty:
        return Note("No label is estimated to be wrong.", kind="good")
    return Table(pairs, caption="Labels estimated to be wrong, by what they should be")


def show_suspects(suspects: Suspects, *, most: int = 10) -> TextExamples | Note:
    """Return the most suspect labels with their texts.

    Parameters
    ----------
    suspects
        From `find_suspects`.
    most
        Texts at the most.
    """
    rows = suspects.rows
    if rows.empty:
        return Note("No label is suspect.", kind="good")
    shown = rows.head(most).drop(columns=["corrected_label", "comment"])
    return TextExamples(shown, caption=f"The most suspect labels: {len(shown)} of {len(rows):,}")


def point_to_file(suspects: Suspects) -> Note:
    """Return where the suspects are, and what to do with them."""
    return Note(
        f"{SUSPECTS_FILE} lists {len(suspects.rows):,} labels. Copy it, fill in corrected_label "
        "where a label is wrong, name the copy in data_prep.label_corrections, and run again."
    )
