"""What is shown of differences between training and test texts."""

from __future__ import annotations

from nbutils.analysis.shift import CHANCE, Shift
from nbutils.plots.figure import percent as share
from nbutils.tables import Note, Table


def say_shift(found: Shift) -> Note:
    """Return in a sentence whether a classifier can tell test texts from training texts."""
    auc = found.auc
    measured = f"AUC {auc.value:.2f}, 95 % interval {auc.low:.2f} to {auc.high:.2f}"
    if auc.low > 0.5:
        return Note(
            f"A classifier tells test texts from training texts ({measured}; 0.5 is guessing).",
            kind="caution",
        )
    text = f"A classifier cannot tell test texts from training texts ({measured}; 0.5 is guessing)."
    return Note(text, kind="good")


def tabulate_shift(found: Shift) -> Table:
    """Return the effect sizes, each beside what chance makes of it."""
    table = found.effects.rename(
        columns={"chance": "by chance, up to", "beyond": "beyond chance", "of": "difference of"}
    )
    return Table(table, caption="Training against test texts: 0 is no difference")


def tabulate_splits(found: Shift) -> Table:
    """Return lengths and the share of new words, a row for each split."""
    table = found.sides.rename(
        columns={
            "sampled": "looked at",
            "median_words": "median words",
            "new_words": "words unknown to training",
        }
    )
    return Table(table, caption="Both splits", percent=["words unknown to training"])


def tabulate_shift_words(found: Shift) -> Table | Note:
    """Return the words that are more frequent in either split, or that there is none."""
    if found.words.empty:
        return Note("No word is more frequent in one of the splits beyond chance.", kind="good")
    names = {"train": "of training texts", "test": "of test texts"}
    caption = (
        f"Words that one split has more often (false discovery rate {share(CHANCE, digits=0)})"
    )
    return Table(found.words.rename(columns=names), caption=caption, percent=list(names.values()))
