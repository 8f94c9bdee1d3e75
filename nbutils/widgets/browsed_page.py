"""The page of texts that a browser shows: which ones were found, and what is said of each."""

from __future__ import annotations

from typing import Any

from nbutils.data.browsing import Browsing, Wanted
from nbutils.data.correction_fields import Label
from nbutils.data.text_search import patterns_of
from nbutils.errors import ParameterError
from nbutils.label_sets import IntArray, say_labels
from nbutils.views.browsing import render_counts, render_row
from nbutils.widgets.label_corrections import LabelCorrections
from nbutils.widgets.label_editor import KEPT
from nbutils.widgets.text_rows import PAGE


class BrowsedPage:
    """A page of the texts that were searched for; all of them at first.

    Parameters
    ----------
    browsing
        The texts.
    corrections
        Their corrected labels, which are shown beside their own.

    Attributes
    ----------
    wanted
        What was searched for.
    start
        Place of the page's first text among those that were found, from 0.
    """

    def __init__(self, browsing: Browsing, corrections: LabelCorrections) -> None:
        self._browsing, self._corrections = browsing, corrections
        self.search(Wanted())

    def search(self, wanted: Wanted) -> None:
        """Find other texts, and turn to their first page."""
        self._found = self._browsing.find(wanted, corrected=self._corrections.labels)
        self.wanted, self.start = wanted, 0

    @property
    def found(self) -> IntArray:
        """Example ids of all texts that were found, in their order."""
        return self._browsing.ids[self._found]

    @property
    def number(self) -> int:
        """The page, from 1."""
        return self.start // PAGE + 1

    def turn_to(self, number: int) -> None:
        """Show another page.

        Raises
        ------
        ParameterError
            There is no such page.
        """
        last = max(1, -(-len(self._found) // PAGE))
        if not 1 <= number <= last:
            raise ParameterError(f"page: expected 1 to {last:,}, found {number:,}")
        self.start = (number - 1) * PAGE

    @property
    def patterns(self) -> list[str]:
        """What is marked in the texts."""
        return patterns_of(self.wanted.words)

    def lines(self) -> list[tuple[str, str]]:
        """Return the example id and the HTML of each text of the page."""
        rows = self._found[self.start : self.start + PAGE]
        return [(str(self._browsing.ids[row]), self._line(int(row))) for row in rows]

    def count(self) -> str:
        """Return the HTML that says how many texts were found, of which labels."""
        counts = self._browsing.count_labels(self._found)
        return render_counts(len(self._found), len(self._browsing), counts)

    def facts(self, row: int) -> dict[str, str]:
        """Return a text's split and label, and the corrected label where there is one."""
        own, names = self._browsing.frame.iloc[[row]], self._browsing.texts.label_names
        facts = {"split": str(own["split"].iat[0]), "label": say_labels(own["label"], names)[0]}
        label = self.correction(int(self._browsing.ids[row]))
        if not isinstance(label, str):
            facts["corrected"] = self._corrections.say(label)
        return facts

    def correction(self, example_id: int) -> Label | str:
        """Return the corrected label of a text, or that it is kept."""
        return self._corrections.labels.get(example_id, KEPT)

    def _line(self, row: int) -> str:
        facts: dict[str, Any] = self.facts(row)
        label = " → ".join(facts[name] for name in ("label", "corrected") if name in facts)
        return render_row(
            {"split": facts["split"], "label": label, "length": self._browsing.lengths[row]},
            str(self._browsing.frame["text"].iat[row]),
            patterns=self.patterns,
        )
