"""What is shown of copies among the test texts."""

from __future__ import annotations

import pandas as pd

from nbutils.analysis.leakage import NEAR, SHOWN, Leakage
from nbutils.plots.figure import percent
from nbutils.tables import Note, Table, TextExamples

NEARNESS = f"(from {percent(NEAR, digits=0)} common word pairs on)"


def say_leakage(found: Leakage) -> Note:
    """Return in sentences how many test texts have a copy in training, and what that does."""
    searched = f"{found.train_texts:,} training texts"
    if found.compared < found.train_texts:
        searched += f" (for near copies, among a sample of {found.compared:,})"
    if found.copies.empty:
        return Note(
            f"No test text has an exact copy or a near one {NEARNESS} among the "
            f"{searched}: they were compared once more.",
            kind="good",
        )
    near = len(found.copies) - found.exact
    other = int((~found.copies["same_label"]).sum())
    labels = f" {other:,} of them carry another label than their copy." if other else ""
    return Note(
        f"{found.exact:,} test texts have an exact copy and {near:,} more a near one {NEARNESS} "
        f"among the {searched}.{labels} {found.describe_effect()}",
        kind="caution",
    )


def tabulate_leakage(found: Leakage) -> Table:
    """Return the accuracy on all test texts, without copies, and without suspect labels."""
    table = found.scores.rename(columns={"test_texts": "test texts", "value": "accuracy"})
    caption = "Accuracy without copies"
    if found.suspects is not None:
        caption += (
            f", and without the {found.suspects:,} suspect labels; the model contradicts these, so "
            "that flatters it"
        )
    return Table(table, caption=caption, percent=["accuracy", "low", "high"])


def show_copies(found: Leakage, *, most: int = 5) -> TextExamples | None:
    """Return the first test texts with their copies; None where there is no copy.

    Parameters
    ----------
    found
        The audit.
    most
        How many, at most 20: half of them near copies where there are as many.
    """
    if found.copies.empty:
        return None
    shown = found.copies.head(SHOWN)
    near = shown[shown["kind"] == "near"].head(max(1, most // 2))
    shown = pd.concat([shown[shown["kind"] == "exact"].head(most - len(near)), near])
    table = shown.rename(columns={"train_text": "text_pair"})
    return TextExamples(table, caption="Test texts, and below each its copy", limit=300)
