"""Examples to be read, searched and sorted; links lead to those of one kind.

In a report a script adds the search and the sorting. Without it, and in JupyterLab, the table is
complete, and a link leads to the first example of its kind, with the others below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from nbutils.analysis.mistake_groups import CLOSE, CONFIDENT, TAIL, MistakeGroups
from nbutils.analysis.mistakes import SurestMistakes
from nbutils.escaping import escape_text, plain_attribute
from nbutils.tables import SCROLL, Note, Table, TextExamples
from nbutils.views.confusion import LONGEST_NAME, anchor_of_group

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 900_000  # of a table's rows
TEXT_LIMITS = (600, 300, 150, 60)  # characters of each text; the first with which all rows fit
MORE = '<span class="nb-rest" aria-hidden="true">…</span>'  # gone once the rest is unfolded
SEEN = 160  # characters of a text before it is unfolded
COLUMNS = ("true", "predicted", "confidence", "tags", "text")
TEXTS = ("text", "text_pair")
REST = "are in errors.csv. Of each kind the most confident ones are shown."
WRAP = "white-space:pre-wrap;overflow-wrap:anywhere"


@dataclass(frozen=True, repr=False)
class ExampleTable:
    """Examples with their labels, their confidence and their tags.

    Parameters
    ----------
    rows
        `text[, text_pair], label, predicted, confidence, tags, groups`, in the order of reading;
        tags and groups are tuples of words.
    caption
        What the examples have in common.
    titles
        What a group is, in words, by key: those that links lead to.
    total
        How many such examples there are, of which `rows` may be a part.
    note
        A sentence below the table.
    rest
        Where those are that have no row, to follow on "12 more".
    """

    rows: pd.DataFrame
    caption: str
    titles: Mapping[str, str]
    total: int
    note: str = ""
    rest: str = "had no room."

    def __repr__(self) -> str:
        """Return the first examples as plain text."""
        texts = [name for name in TEXTS if name in self.rows.columns]
        shown = self.rows[["label", "predicted", "confidence", *texts]]
        return repr(Table(shown, self.caption))

    def _repr_html_(self) -> str:
        rows, more = self._fitting, self._more()
        label = plain_attribute(self.caption)
        kinds = ("text", "text", "number", "text", "")
        heads = "".join(
            f'<th scope="col" style="text-align:left"{f" data-sort={kind}" if kind else ""}>'
            f"{name}</th>"
            for name, kind in zip(COLUMNS, kinds, strict=True)
        )
        return (
            f'<div class="nb-texts" data-examples="{label}">'
            f'<p class="nb-caption"><strong>{label}</strong></p>'
            f'<div class="nb-scroll" tabindex="0" role="group" aria-label="{label}" '
            f'style="{SCROLL}"><table class="nb-table"><thead><tr>{heads}</tr></thead>'
            f'<tbody style="{WRAP}">{"".join(rows)}</tbody></table></div>{more}</div>'
        )

    @cached_property
    def _fitting(self) -> list[str]:
        """The rows as HTML that fit, with as much of each text as fits."""
        for limit in TEXT_LIMITS:
            rows = self._render(limit=limit)
            if sum(map(len, rows)) <= MOST_BYTES:
                return rows
        kept, used = [], 0
        for row in rows:
            used += len(row)
            if used > MOST_BYTES:
                break
            kept.append(row)
        return kept

    def _render(self, *, limit: int) -> list[str]:
        seen: set[str] = set()
        rendered = []
        for row in self.rows.to_dict("records"):
            new = [one for one in row["groups"] if one in self.titles and one not in seen]
            seen.update(new)
            rendered.append(self._row(row, new, limit=limit))
        return rendered

    def _row(self, row: Mapping[Any, Any], new: Sequence[str], *, limit: int) -> str:
        anchors = "".join(map(self._anchor, new))
        true, predicted = (_short(row[name]) for name in ("label", "predicted"))
        texts = "\n".join(_folded(str(row[name]), limit) for name in TEXTS if name in row)
        confidence = float(row["confidence"])
        return (
            f'<tr data-in="{" ".join(row["groups"])}"><td>{anchors}{true}</td><td>{predicted}</td>'
            f'<td class="nb-number" data-value="{confidence:.4f}">{100 * confidence:.1f}'
            f"\N{NO-BREAK SPACE}%</td><td>{_short(', '.join(row['tags']))}</td>"
            f"<td>{texts}</td></tr>"
        )

    def _anchor(self, group: str) -> str:
        title = plain_attribute(self.titles[group], limit=3 * LONGEST_NAME)
        return f'<span id="{anchor_of_group(group)}" data-group="{title}"></span>'

    def _more(self) -> str:
        shown = self.rows["groups"].head(len(self._fitting))
        left_out = self.total - len(shown)
        note = f'<p class="nb-more">{plain_attribute(self.note)}</p>' if self.note else ""
        if not left_out:
            return note
        # Links may lead to a kind that had no room: they end where that is said.
        lost = [group for group in self.titles if group not in set(chain(*shown))]
        return (
            f'<p class="nb-more">{"".join(map(self._anchor, lost))}{left_out:,} more {self.rest}'
            f"</p>{note}"
        )


def tabulate_mistakes(found: MistakeGroups) -> ExampleTable | Note:
    """Return the mistakes as a table to read; without any a note says so.

    Parameters
    ----------
    found
        From `group_mistakes`.
    """
    if not found.n_mistakes:
        return Note("No mistakes on the test split.", "good")
    shown = len(found.mistakes)
    words = f"{shown:,} of the {found.n_mistakes:,} mistakes"
    caption = words if found.left_out else f"All {shown:,} mistakes"
    titles = _only(found.titles, found.sizes)
    return ExampleTable(
        found.mistakes, caption, titles, found.n_mistakes, note=say_tags(), rest=REST
    )


def show_surest(found: SurestMistakes) -> TextExamples | Note:
    """Return the mistakes that the model was surest of; without any a note says so.

    Parameters
    ----------
    found
        From `find_surest`.
    """
    if found.rows.empty:
        return Note("No mistakes on the test split.", "good")
    caption = "Wrong predictions on the test split, the most confident first"
    return TextExamples(found.rows.drop(columns="split"), caption=caption)


def tabulate_right(found: MistakeGroups) -> ExampleTable | Note:
    """Return right predictions that might as well have been wrong, as a table to read; or a note.

    Parameters
    ----------
    found
        From `group_mistakes`.
    """
    if found.right.empty:
        return Note("No right predictions on the test split.", "caution")
    caption = "Right, and least sure of it"
    groups = set(chain(*found.right["groups"]))
    return ExampleTable(found.right, caption, _only(found.titles, groups), len(found.right))


def say_tags() -> str:
    """Return what the tags mean that every example may have."""
    sure, close, tail = (
        f"{100 * share:.0f}\N{NO-BREAK SPACE}%" for share in (CONFIDENT, CLOSE, TAIL)
    )
    return (
        f"Tags: confident, wrong with a probability of {sure} or more; close call, the right "
        f"answer was less than {close} away; short and long, the shortest and longest {tail} of "
        "the test texts; right by its end, predicted rightly from its last tokens alone; label "
        "suspect, see the labels worth checking."
    )


def _only(titles: Mapping[str, str], groups: Collection[str]) -> dict[str, str]:
    return {group: title for group, title in titles.items() if group in groups}


def _short(text: object) -> str:
    shown = escape_text(_cut(str(text), LONGEST_NAME))
    return f'<bdi style="overflow-wrap:break-word">{shown}</bdi>' if shown else ""


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _folded(text: str, limit: int) -> str:
    """Return a text whose beginning is seen, and whose rest unfolds."""
    kept = text[:limit]
    more = f"… ({len(text):,} characters)" if len(text) > limit else ""
    if len(kept) <= SEEN + SEEN // 4:
        return f"<bdi>{escape_text(kept)}{more}</bdi>"
    at = kept.rfind(" ", SEEN // 2, SEEN - 1) + 1 or SEEN - 1  # and the dots
    head, rest = escape_text(kept[:at]), escape_text(kept[at:])
    return f"<details><summary><bdi>{head}</bdi>{MORE}</summary><bdi>{rest}{more}</bdi></details>"
