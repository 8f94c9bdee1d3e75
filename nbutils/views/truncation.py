"""What is shown of what cutting long texts costs."""

from __future__ import annotations

from nbutils.analysis.truncation import Truncation
from nbutils.numerals import below_all
from nbutils.plots.figure import percent
from nbutils.tables import Facts, Note


def summarize_truncation(found: Truncation) -> Facts:
    """Return how much of the test texts is not read."""
    texts = "test texts, a sample," if found.sampled else "test texts"
    return Facts(
        {
            "texts are cut": found.cutting.describe(),
            f"{texts} that are cut": percent(below_all(found.cut_texts)),
            "tokens that are not read": percent(found.cut_tokens),
            "tokens that 95 % of the texts have at most": found.fit,
        }
    )


def show_rereading(found: Truncation) -> Facts | Note:
    """Return what changes when the last tokens are read, or why they were not."""
    if found.reread is None:
        return Note(found.why)
    counts = found.reread.counts
    value, low, high = (100 * number for number in found.reread.gain)
    mistakes = f"of {counts['mistakes']:,} mistakes"
    right = f"of {counts['right']:,} right predictions"
    return Facts(
        {
            "read again": f"{len(found.reread.table):,} of the "
            f"{found.reread.of_mistakes + found.reread.of_right:,} test texts that are cut",
            "the end alone, predicted otherwise": f"{counts['mistakes_changed']:,} {mistakes}",
            "the end alone, right": f"{counts['mistakes_mended']:,} {mistakes}",
            "the end alone, no longer right": f"{counts['right_lost']:,} {right}",
            "both together, right": f"{counts['mistakes_mended_by_both']:,} {mistakes}",
            "both together, no longer right": f"{counts['right_lost_by_both']:,} {right}",
            "both together, test accuracy": f"{value:+.1f} points ({low:+.1f} to {high:+.1f})",
        },
        caption="The last tokens read in place of the first, or both",
    )
