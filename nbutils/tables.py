"""Tables, facts, notes and example texts as HTML, safe whatever the data contains.

The objects show themselves in a notebook. Their HTML stands alone in JupyterLab; in a report the
style sheet dresses it further.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nbutils.escaping import render_text, visible_text
from nbutils.numerals import count_decimals, format_alone, format_value, is_missing, is_number

if TYPE_CHECKING:
    import pandas as pd

MOST_TABLE_ROWS = 500
LONGEST_CELL = 300  # characters
SCROLL = "overflow-x:auto;max-width:100%"
NOTE_WORDS = {"info": "Note", "caution": "Caution", "good": "Good"}
NOTE_COLOURS = {"info": "#0072b2", "caution": "#d55e00", "good": "#008f69"}


@dataclass(frozen=True, repr=False)
class Table:
    """A data frame as a table that scrolls in its own region.

    Parameters
    ----------
    frame
        Shown with its index, unless that only counts rows; at most 500 rows.
    caption
        What the table says.
    percent
        Columns whose shares in [0, 1] are shown as percent.
    """

    frame: pd.DataFrame
    caption: str = ""
    percent: Sequence[str] = ()

    def __repr__(self) -> str:
        """Return the table as plain text."""
        shown = self.frame.head(20).map(lambda value: _plain(value, limit=60))
        shown.columns = [_plain(_joined(name), limit=60) for name in shown.columns]
        shown.index = [_plain(_joined(name), limit=60) for name in shown.index]
        text = shown.to_string() if len(shown.columns) else "(no columns)"
        more = f"\n… {len(self.frame) - 20:,} more rows" if len(self.frame) > 20 else ""
        return _plain_caption(self.caption) + text + more

    def _repr_html_(self) -> str:
        rows = self.frame.head(MOST_TABLE_ROWS)
        columns = [
            _Column.of(rows.iloc[:, at], self._is_percent(at)) for at in range(rows.shape[1])
        ]
        with_index = _names_rows(self.frame)
        head = "".join(column.head() for column in columns)
        if with_index:
            name = " · ".join(str(part) for part in rows.index.names if part is not None)
            width = _word_width([name, *map(str, rows.index)])
            style = f"text-align:left;min-width:{width}ch"
            head = f'<th scope="col" style="{style}">{render_text(name)}</th>{head}'
        body = "".join(
            self._row(row, columns, rows.index[row] if with_index else None)
            for row in range(len(rows))
        )
        left_out = len(self.frame) - len(rows)
        more = f"<p class='nb-more'>… {left_out:,} more rows</p>" if left_out else ""
        label = html.escape(_plain(self.caption or "Table", limit=LONGEST_CELL), quote=True)
        return (
            f'<div class="nb-scroll" tabindex="0" role="group" aria-label="{label}" '
            f'style="{SCROLL}"><table class="nb-table">{_caption(self.caption)}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
        )

    def _is_percent(self, at: int) -> bool:
        return str(self.frame.columns[at]) in self.percent

    def _row(self, row: int, columns: Sequence[_Column], name: Any) -> str:
        cells = "".join(column.cell(row) for column in columns)
        if name is None:
            return f"<tr>{cells}</tr>"
        shown = render_text(_joined(name))
        return f'<tr><th scope="row" style="text-align:left">{shown}</th>{cells}</tr>'


@dataclass(frozen=True)
class _Column:
    name: str
    cells: list[str]
    numeric: bool

    @property
    def width(self) -> int:
        """Characters below which words would be broken, at most 24."""
        return _word_width([self.name, *self.cells])

    @classmethod
    def of(cls, values: pd.Series[Any], percent: bool) -> _Column:
        listed = values.tolist()
        numbers = [value for value in listed if not is_missing(value)]
        numeric = bool(numbers) and all(is_number(value) for value in numbers)
        digits = count_decimals(numbers) if numeric else 0
        cells = [format_value(value, percent=percent, digits=digits) for value in listed]
        return cls(_joined(values.name), cells, numeric)

    def head(self) -> str:
        return f'<th scope="col"{self._style()}>{render_text(self.name)}</th>'

    def cell(self, row: int) -> str:
        shown = self.cells[row]
        content = shown if self.numeric else render_text(shown, limit=LONGEST_CELL)
        return f"<td{self._style()}>{content}</td>"

    def _style(self) -> str:
        if self.numeric:
            # Each number is our own: digits, signs and a no-break space need no escape.
            return (
                ' class="nb-number" style="text-align:right;font-variant-numeric:tabular-nums;'
                f'white-space:nowrap;min-width:{self.width}ch"'
            )
        return f' style="text-align:left;min-width:{self.width}ch"'


def _word_width(texts: Sequence[str]) -> int:
    words = (word for text in texts for word in text[:LONGEST_CELL].split())
    return min(24, 1 + max(map(len, words), default=0))


def _joined(name: object) -> str:
    return " · ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _plain(value: object, *, limit: int) -> str:
    text = format_alone(value)
    return visible_text(text if len(text) <= limit else text[: limit - 1] + "…")


def _plain_caption(caption: str) -> str:
    return _plain(caption, limit=LONGEST_CELL) + "\n" if caption else ""


def _names_rows(frame: pd.DataFrame) -> bool:
    return type(frame.index).__name__ != "RangeIndex" and len(frame) > 0


def _caption(text: str) -> str:
    if not text:
        return ""
    return f'<caption style="text-align:left;caption-side:top">{render_text(text)}</caption>'


@dataclass(frozen=True, repr=False)
class Facts:
    """Names and values in two columns: a data card, a device, a result.

    Parameters
    ----------
    mapping
        Values by name; a list or tuple is joined with commas.
    caption
        What the facts are about.
    """

    mapping: Mapping[str, Any]
    caption: str = ""

    def __repr__(self) -> str:
        """Return the facts as plain text, one a line."""
        lines = [
            f"{_plain(name, limit=60)}: {_plain(_said(value), limit=LONGEST_CELL)}"
            for name, value in self._items()
        ]
        return _plain_caption(self.caption) + "\n".join(lines)

    def _items(self) -> list[tuple[str, Any]]:
        return [(str(name), value) for name, value in self.mapping.items()]

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left;min-width:8em">{render_text(name)}</th>'
            f'<td style="text-align:left;min-width:6em">{render_text(_said(value))}</td></tr>'
            for name, value in self._items()
        )
        caption = _caption(self.caption)
        return f'<table class="nb-table nb-facts">{caption}<tbody>{rows}</tbody></table>'


def render_chips(facts: Mapping[Any, Any]) -> str:
    """Return values by name as the line of small facts on a card; an id is no amount."""
    said = {k: str(v) if k == "example_id" else format_alone(v) for k, v in facts.items()}
    return "".join(
        f'<span class="nb-chip" style="display:inline-block;margin-right:1em">'
        f"<span>{render_text(name)}</span> "
        f"<strong>{render_text(value, limit=120)}</strong></span>"
        for name, value in said.items()
    )


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(_said(part) for part in value)
    return format_alone(value)


@dataclass(frozen=True, repr=False)
class Note:
    """One paragraph that the reader should not miss.

    Parameters
    ----------
    text
        Plain sentences.
    kind
        ``info``, ``caution`` or ``good``; said in words too, not by colour alone.
    """

    text: str
    kind: Literal["info", "caution", "good"] = "info"

    def __repr__(self) -> str:
        """Return the note as plain text."""
        return f"{NOTE_WORDS[self.kind]}: {visible_text(self.text)}"

    def _repr_html_(self) -> str:
        return (
            f'<div class="nb-note nb-{self.kind}" role="note" style="border-left:4px solid '
            f'{NOTE_COLOURS[self.kind]};padding:.5em .9em;margin:.6em 0">'
            f"<p style='margin:0'><strong>{NOTE_WORDS[self.kind]}.</strong> "
            f"{render_text(self.text, limit=4000)}</p></div>"
        )


@dataclass(frozen=True, repr=False)
class TextExamples:
    """Texts to read, one card each, with the other columns as small facts.

    Parameters
    ----------
    frame
        One row per example; the column `text` (and `text_pair`, if there is one) is read, all
        others are named facts.
    caption
        What the examples have in common.
    limit
        Characters of each text that are shown.
    """

    frame: pd.DataFrame
    caption: str = ""
    limit: int = 600

    def __repr__(self) -> str:
        """Return the first examples as plain text."""
        cards = [
            " | ".join(f"{_plain(name, limit=60)}: {_plain(row[name], limit=120)}" for name in row)
            for row in self.frame.head(5).to_dict("records")
        ]
        more = [f"… {len(self.frame) - 5:,} more"] if len(self.frame) > 5 else []
        return _plain_caption(self.caption) + "\n".join(cards + more)

    def _repr_html_(self) -> str:
        cards = "".join(self._card(row) for row in self.frame.to_dict("records"))
        head = ""
        if self.caption:
            head = f'<p class="nb-caption"><strong>{render_text(self.caption)}</strong></p>'
        return f'<div class="nb-examples">{head}{cards or "<p>None.</p>"}</div>'

    def _card(self, row: Mapping[Any, Any]) -> str:
        chips = render_chips({k: v for k, v in row.items() if k not in {"text", "text_pair"}})
        texts = "".join(
            '<p class="nb-body" style="margin:.4em 0 0">'
            f"{render_text(row[name], limit=self.limit)}</p>"
            for name in ("text", "text_pair")
            if name in row
        )
        return (
            '<div class="nb-example" style="border:1px solid rgba(128,128,128,.35);'
            'border-radius:8px;padding:.7em .9em;margin:.6em 0">'
            f'<div class="nb-chips" style="font-size:.9em">{chips}</div>{texts}</div>'
        )
