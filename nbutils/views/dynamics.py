"""What is shown of the map of the training texts."""

from __future__ import annotations

import pandas as pd

from nbutils.analysis.cartography import TrainingMap
from nbutils.tables import Note, Table, TextExamples

MEANING = {
    "easy": "believed, on average and at last, and steadily",
    "ambiguous": "wavering, or believed early or late alone",
    "hard": "not believed, neither on average nor at last",
}
USELESS = (
    "The model came to know hardly more than how frequent each label is. That it does not believe "
    "a label is no evidence against it, so no texts are listed."
)


def tabulate_regions(found: TrainingMap) -> Table:
    """Return how many texts are in each region."""
    counts, n = found.counts(), max(1, len(found.table))
    rows = [(name, MEANING[name], count, count / n) for name, count in counts.items()]
    frame = pd.DataFrame(rows, columns=["region", "the given label is", "texts", "share"])
    return Table(frame, caption=f"Training texts over {found.epochs} epochs", percent=["share"])


def show_hard_texts(found: TrainingMap, *, most: int = 10) -> TextExamples | Note:
    """Return the training texts whose labels are believed least, at most `most` of them.

    Of a model that believes little of anything none are shown.
    """
    if not found.believable:
        return Note(USELESS, kind="caution")
    if found.hard.empty:
        return Note("Every training label came to be believed.", kind="good")
    shown, total = found.hard.head(most), len(found.hard)
    caption = "Training texts whose labels the model never came to believe"
    if len(shown) < total:
        caption += f": the {len(shown)} hardest of {total:,}, of which findings.json lists more"
    return TextExamples(shown, caption=caption)
