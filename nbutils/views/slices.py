"""What is shown of the slices that fail more than the rest."""

from __future__ import annotations

import pandas as pd

from nbutils.analysis.slice_tests import FALSE_DISCOVERIES
from nbutils.analysis.slices import Slices
from nbutils.plots.figure import percent
from nbutils.tables import Note, Table, TextExamples

MOST_NAMES = 2  # of what is told with a slice
NAMES = {
    "slice": "slice", "n": "texts", "rate": "error rate", "low": "low", "high": "high",
    "rest_rate": "of the rest", "expected": "of their classes", "q": "q", "also": "told with it",
}  # fmt: skip
SHARES = ["error rate", "low", "high", "of the rest", "of their classes"]


def tabulate_slices(found: Slices) -> Table | Note:
    """Return the slices with their error rates, or that there is none."""
    if found.table.empty:
        return Note(f"{_say_nothing(found)} {_say_power(found)}".strip(), kind="good")
    table = _name_columns(found.table)
    sample = f", of a sample of {found.texts:,} texts" if found.sampled else ""
    caption = (
        f"Slices that fail more than the rest, of {found.tried:,} tried{sample} (false discovery "
        f"rate {percent(FALSE_DISCOVERIES, digits=0)})"
    )
    return Table(table, caption=caption, percent=SHARES)


def tabulate_class_slices(found: Slices) -> Table | Note:
    """Return the classes that fail more than all others, or that there is none."""
    if found.classes.empty:
        return Note("No class fails more than all others beyond chance.", kind="good")
    table = _name_columns(found.classes).drop(columns="told with it")
    caption = "Classes that fail more than all others, beyond chance"
    return Table(table.rename(columns={"slice": "class"}), caption=caption, percent=SHARES)


def _name_columns(slices: pd.DataFrame) -> pd.DataFrame:
    table = slices.assign(also=[_shorten(names) for names in slices["also"]])
    table = table[[*NAMES]].rename(columns=NAMES)
    return table.drop(columns="of their classes") if slices["expected"].isna().all() else table


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
