"""What is shown of the slices that fail more than the rest."""

from __future__ import annotations

from nbutils.analysis.slice_tests import FALSE_DISCOVERIES
from nbutils.analysis.slices import Slices
from nbutils.plots.figure import percent
from nbutils.tables import Note, Table, TextExamples

MOST_NAMES = 2  # of what is told with a slice


def tabulate_slices(found: Slices) -> Table | Note:
    """Return the slices with their error rates, or that there is none."""
    if found.table.empty:
        return Note(f"{_say_nothing(found)} {_say_power(found)}".strip(), kind="good")
    table = found.table.assign(also=[_shorten(names) for names in found.table["also"]])
    table = table[
        ["slice", "n", "rate", "low", "high", "rest_rate", "expected", "q", "also"]
    ].rename(
        columns={
            "n": "texts",
            "rate": "error rate",
            "rest_rate": "of the rest",
            "expected": "of their classes",
            "also": "told with it",
        }
    )
    if table["of their classes"].isna().all():
        table = table.drop(columns="of their classes")
    sample = f", of a sample of {found.texts:,} texts" if found.sampled else ""
    caption = (
        f"Slices that fail more than the rest, of {found.tried:,} tried{sample} (false discovery "
        f"rate {percent(FALSE_DISCOVERIES, digits=0)})"
    )
    shares = ["error rate", "low", "high", "of the rest", "of their classes"]
    return Table(table, caption=caption, percent=shares)


def show_slice_mistakes(found: Slices) -> TextExamples | None:
    """Return the most confident mistakes in the first slices; None where there is no slice."""
    if found.examples.empty:
        return None
    return TextExamples(found.examples, caption="The most confident mistakes in the first slices")


def _shorten(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMES
    return "; ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _say_nothing(found: Slices) -> str:
    return (
        f"None of the {found.tried:,} slices of at least {found.smallest} texts that were tried "
        "fails more often than the rest beyond chance."
    )


def _say_power(found: Slices) -> str:
    rate = found.mistakes / max(found.texts, 1)
    if not 0 < rate < 1:
        return ""
    if found.detectable is None:
        return (
            f"With {found.mistakes:,} mistakes in {found.texts:,} texts no slice of a tenth of "
            "them could."
        )
    return (
        f"A slice of a tenth of the texts would have been told from an error rate of "
        f"{percent(found.detectable, digits=0)} on; that of all is {percent(rate)}."
    )
