"""What is taken for what, as tables whose every number leads to the examples behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nbutils.analysis.confused_classes import ConfusedClasses, ConfusedLabels
from nbutils.analysis.mistake_groups import OUTCOMES, class_cell, label_cell, say_cell
from nbutils.escaping import escape_text, plain_attribute
from nbutils.plots.names import shorten_all
from nbutils.plots.palette import ON_HIGH, ON_LOW, RIGHT, WRONG, Colour
from nbutils.plots.squares import LEVELS, grade_cells
from nbutils.tables import SCROLL, Note, Table

if TYPE_CHECKING:
    import pandas as pd

LONGEST_NAME = 80  # characters of a class's name where it is read out
NAME_WIDTH = 20  # columns of a class's name where it is seen
CAPTION = "Most frequent mistakes"
CELL = "display:block;padding:.35em .2em;line-height:1.15;text-decoration:none;color:inherit"


def link_to_group(key: str) -> str:
    """Return the link to the examples of a group."""
    return f"#{anchor_of_group(key)}"


def anchor_of_group(key: str) -> str:
    """Return the id by which the examples of a group are found on the page."""
    return f"examples-{key}"


@dataclass(frozen=True, repr=False)
class ConfusionTable:
    """A confusion matrix whose cells are links; of many classes those confused most.

    Parameters
    ----------
    found
        From `find_confusions`.
    linked
        Whether the page has the examples that links lead to; else numbers are plain text.
    """

    found: ConfusedClasses
    linked: bool = True

    def __repr__(self) -> str:
        """Return the counts as plain text."""
        return repr(Table(self._frame(), self._caption()))

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        kept = list(self.found.block)
        names = [self._names[k] for k in kept]
        return pd.DataFrame(self.found.matrix[np.ix_(kept, kept)], index=names, columns=names)

    def _caption(self) -> str:
        words = "Texts by true class (rows) and predicted class (columns), and percent of the row"
        if self.found.is_whole:
            return words
        total = len(self.found.label_names)
        return f"{words}: the {len(self.found.block)} classes confused most, of {total}"

    def _repr_html_(self) -> str:
        rows = [self._row(at) for at in range(len(self.found.block))]
        return _table(self._caption(), self._head(), rows, kind="nb-confusion")

    def _head(self) -> str:
        named = "".join(
            '<th scope="col" style="vertical-align:bottom"><span style="writing-mode:vertical-rl;'
            f'transform:rotate(180deg)">{self._name(k)}</span></th>'
            for k in self.found.block
        )
        elsewhere = "" if self.found.is_whole else '<th scope="col">elsewhere</th>'
        return f'<tr><td></td>{named}{elsewhere}<th scope="col">texts</th></tr>'

    def _row(self, at: int) -> str:
        true, kept = self.found.block[at], list(self.found.block)
        row = self.found.matrix[true]
        cells = "".join(
            _cell(
                class_cell(true, guess) if self.linked else "",
                self._said(true, guess),
                _Count(int(row[guess]), int(row.sum()), _background(level, guess == true)),
            )
            for guess, level in zip(kept, self._levels()[at], strict=True)
        )
        elsewhere = "" if self.found.is_whole else _plain(int(row.sum() - row[kept].sum()))
        head = f'<th scope="row" style="text-align:left">{self._name(true)}</th>'
        return f"<tr>{head}{cells}{elsewhere}{_plain(int(row.sum()))}</tr>"

    def _levels(self) -> Any:
        kept = list(self.found.block)
        shares = self.found.matrix / np.maximum(self.found.matrix.sum(axis=1, keepdims=True), 1)
        return grade_cells(shares[np.ix_(kept, kept)])

    @cached_property
    def _names(self) -> list[str]:
        return shorten_all(self.found.label_names, width=NAME_WIDTH)

    def _name(self, k: int) -> str:
        return _isolated(self._names[k])

    def _said(self, true: int, guess: int) -> str:
        names = self.found.label_names
        return say_cell(names[true][:LONGEST_NAME], names[guess][:LONGEST_NAME])


@dataclass(frozen=True, repr=False)
class OutcomeTable:
    """What became of each label: given rightly, missed, given wrongly; each number a link.

    Parameters
    ----------
    found
        From `find_confusions`.
    linked
        As for `ConfusionTable`.
    """

    found: ConfusedLabels
    linked: bool = True

    def __repr__(self) -> str:
        """Return the counts as plain text."""
        return repr(Table(self.found.worst, self._caption()))

    def _caption(self) -> str:
        shown, total = len(self.found.worst), len(self.found.outcomes)
        if shown == total:
            return "What became of each label, in texts"
        return f"What became of the {shown} labels with most mistakes, of {total}, in texts"

    def _repr_html_(self) -> str:
        labels = self.found.outcomes["label"]
        names = dict(zip(labels.index, shorten_all(labels, width=2 * NAME_WIDTH), strict=True))
        worst = self.found.worst.to_dict("index")
        rows = [self._row(k, row, shown=_isolated(names[k])) for k, row in worst.items()]
        head = "".join(f'<th scope="col">{words}</th>' for words in ("label", *OUTCOMES.values()))
        return _table(self._caption(), f"<tr>{head}</tr>", rows, kind="nb-confusion")

    def _row(self, k: Any, row: Mapping[Any, Any], *, shown: str) -> str:
        name = str(row["label"])
        cells = "".join(
            _cell(
                label_cell(outcome, k) if self.linked else "",
                f"{name[:LONGEST_NAME]} {words}",
                _Count(row[outcome]),
            )
            for outcome, words in OUTCOMES.items()
        )
        return f'<tr><th scope="row" style="text-align:left">{shown}</th>{cells}</tr>'


@dataclass(frozen=True, repr=False)
class PairTable:
    """The most frequent mistakes by pair of classes, each a link to its examples.

    Parameters
    ----------
    found
        From `find_confusions`.
    linked
        As for `ConfusionTable`.
    """

    found: ConfusedClasses
    linked: bool = True

    def __repr__(self) -> str:
        """Return the pairs as plain text."""
        return repr(Table(self.found.pairs, CAPTION))

    def _repr_html_(self) -> str:
        label_names = self.found.label_names
        ids = {name: k for k, name in enumerate(label_names)}
        shown = shorten_all(label_names, width=2 * NAME_WIDTH)
        names = dict(zip(label_names, map(_isolated, shown), strict=True))
        heads = ("true class", "predicted class", "texts", "share of the class", "95 % interval")
        rows = [
            (class_cell(ids[row["label"]], ids[row["predicted"]]) if self.linked else "", row)
            for row in self.found.pairs.to_dict("records")
        ]
        head = "".join(f'<th scope="col">{words}</th>' for words in heads)
        return _table(
            CAPTION,
            f"<tr>{head}</tr>",
            [_pair(key, row, names) for key, row in rows],
        )


def tabulate_confusions(
    found: ConfusedClasses | ConfusedLabels, *, linked: bool = True
) -> ConfusionTable | OutcomeTable:
    """Return what is taken for what as a table of links.

    Parameters
    ----------
    found
        From `find_confusions`.
    linked
        Whether the page lists the mistakes, to which links lead; else numbers are plain text.
    """
    if isinstance(found, ConfusedLabels):
        return OutcomeTable(found, linked)
    return ConfusionTable(found, linked)


def tabulate_pairs(
    found: ConfusedClasses | ConfusedLabels, *, linked: bool = True
) -> PairTable | Table | Note:
    """Return the most frequent mistakes by pair; without any a note says so.

    Parameters
    ----------
    found
        From `find_confusions`.
    linked
        As for `tabulate_confusions`.
    """
    if found.pairs.empty:
        return Note("No mistakes on the test split.", "good")
    if isinstance(found, ConfusedClasses):
        return PairTable(found, linked)
    return Table(found.pairs, CAPTION, percent=["share", "low", "high"])


def _table(caption: str, head: str, rows: list[str], *, kind: str = "") -> str:
    label = plain_attribute(caption)
    return (
        f'<p class="nb-caption"><strong>{label}</strong></p>'
        f'<div class="nb-scroll" tabindex="0" role="group" aria-label="{label}" style="{SCROLL}">'
        f'<table class="{f"nb-table {kind}".strip()}">'
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


@dataclass(frozen=True)
class _Count:
    n: int
    of: int = 0  # 0: no share is shown
    style: str = ""


def _cell(key: str, said: str, count: _Count) -> str:
    if not count.n:
        return "<td></td>"
    share = f"{100 * count.n / count.of:.1f}" if count.of else ""
    label = f"{said}: {count.n:,}{f', {share} %' if share else ''}"
    small = f"<br><small>{share}</small>" if share else ""
    words = _linked(key, label, f"{count.n:,}{small}", style=CELL)
    return f'<td style="padding:0;{count.style}">{words}</td>'


def _linked(key: str, said: str, words: str, *, style: str = "") -> str:
    """Return words as a link to the examples of a group; without a key as they are."""
    look = f' style="{style}"' if style else ""
    if not key:
        return f"<span{look}>{words}</span>"
    return f'<a href="{link_to_group(key)}" aria-label="{plain_attribute(said)}"{look}>{words}</a>'


def _isolated(name: str) -> str:
    return f"<bdi>{escape_text(name)}</bdi>"


def _plain(count: int) -> str:
    return f'<td class="nb-number" style="text-align:right">{count:,}</td>'


def _background(level: int, right: bool) -> str:
    if not level:
        return ""
    ink = ON_LOW if level <= LEVELS // 2 else ON_HIGH
    return f"background:{_themed((RIGHT if right else WRONG)[level - 1])};color:{_themed(ink)}"


def _themed(colour: Colour) -> str:
    return f"var(--fig-{colour.name},{colour.light})"


def _pair(key: str, row: Mapping[Any, Any], names: Mapping[str, str]) -> str:
    true, guess = (str(row[name]) for name in ("label", "predicted"))
    said = f"{say_cell(true[:LONGEST_NAME], guess[:LONGEST_NAME])}: {row['count']:,}"
    pair = "".join(f'<td style="text-align:left">{names[name]}</td>' for name in (true, guess))
    low, share, high = (f"{100 * row[name]:.1f}" for name in ("low", "share", "high"))
    number = 'class="nb-number" style="text-align:right;white-space:nowrap"'
    return (
        f"<tr>{pair}<td {number}>{_linked(key, said, format(row['count'], ','))}</td>"
        f"<td {number}>{share}\N{NO-BREAK SPACE}%</td>"
        f"<td {number}>{low} to {high}</td></tr>"
    )
