"""Texts of a data set as somebody browses them: a row each, and one of them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nbutils.data.correction_fields import PARAMETER
from nbutils.data.corrections_file import FilledIn, parameter_line
from nbutils.data.text_search import find_spans
from nbutils.escaping import escape_text, plain_attribute, render_text
from nbutils.views.cards import render_body, render_card

COLUMNS = "display:grid;grid-template-columns:6em 12em 6em minmax(0,1fr);gap:0 .8em"
CELL = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
NUMBER = f"{CELL};text-align:right;font-variant-numeric:tabular-nums"
SCROLL = "max-height:18em;overflow-y:auto;line-height:1.5"
LONGEST_SNIPPET = 200  # characters; the browser window may hold fewer
BEFORE = 30  # characters shown before what was searched for
LONGEST_TEXT = 5000  # characters of the text that is read whole
MOST_LABELS = 12  # counted in one line
MOST_COPIES = 10  # listed of one text


def render_head(unit: str) -> str:
    """Return the names of a row's cells; lengths are in that unit."""
    return _grid("<b>split</b>", "<b>label</b>", f"<b>{unit}</b>", "<b>text</b>")


def render_row(facts: Mapping[str, Any], text: str, *, patterns: list[str]) -> str:
    """Return one text in one line.

    Parameters
    ----------
    facts
        `split`, `label` and `length`.
    text
        Its beginning is shown, or where it holds one of the expressions.
    patterns
        What was searched for, as `patterns_of` returns it.
    """
    return _grid(
        escape_text(str(facts["split"])),
        escape_text(str(facts["label"])),
        f"{facts['length']:,}",
        _snippet(text, patterns),
        title=plain_attribute(facts["label"], limit=300),
    )


def render_counts(found: int, total: int, labels: Sequence[tuple[str, int]]) -> str:
    """Return how many texts were found, and how many of them have each label, in one line.

    Parameters
    ----------
    found, total
        Texts found, and all texts.
    labels
        Names and counts, the most frequent first.
    """
    counted = ", ".join(
        f"<span>{render_text(name, limit=60)}&nbsp;<b>{count:,}</b></span>"
        for name, count in labels[:MOST_LABELS]
    )
    more = f" and {len(labels) - MOST_LABELS:,} more labels" if len(labels) > MOST_LABELS else ""
    line = f"{found:,} of {total:,} texts{': ' if counted else ''}{counted}{more}"
    return f'<div role="status">{line}</div>'


def render_text_card(facts: Mapping[str, Any], texts: Sequence[str], *, patterns: list[str]) -> str:
    """Return a text, or the two of a pair, to be read.

    Parameters
    ----------
    facts
        What is known of it, by name.
    texts
        One or two.
    patterns
        What was searched for; it is marked.
    """
    bodies = "".join(render_body(_marked(text, patterns)) for text in texts)
    whole = f'<div tabindex="0" role="group" aria-label="the text" style="{SCROLL}">{bodies}</div>'
    return render_card(facts, whole)


def render_copies(copies: pd.DataFrame, *, near_known: bool) -> str:
    """Return the other copies of a text as a list.

    Parameters
    ----------
    copies
        As `Browsing.copies_of` returns them.
    near_known
        Whether near copies were looked for.
    """
    unknown = "" if near_known else " Near copies are looked for with the filter Copies."
    if copies.empty:
        return f"<p>It has no {'' if near_known else 'exact '}copies here.{unknown}</p>"
    listed = copies.head(MOST_COPIES).to_dict("records")
    more = len(copies) - len(listed)
    items = "".join(f"<li>{_say_copy(copy)}</li>" for copy in listed)
    rest = f"<li>and {more:,} more</li>" if more else ""
    return f"<p><b>Copies of it: {len(copies):,}.</b>{unknown}</p><ul>{items}{rest}</ul>"


def render_corrections(filled: FilledIn, path: Path, *, is_read: bool) -> str:
    """Return how many corrections are on file, and what makes data prep read them.

    Parameters
    ----------
    filled, path
        What the file says, and where it is.
    is_read
        Whether data prep has been told already.
    """
    if not len(filled):
        return f"<p>No label is corrected yet. Corrections are saved in {_code(str(path))}</p>"
    elsewhere = f", {filled.elsewhere:,} of texts that are not here" if filled.elsewhere else ""
    corrections = "1 correction" if len(filled) == 1 else f"{len(filled):,} corrections"
    counted = f"<b>{corrections}</b>{elsewhere} in {_code(str(path))}"
    if is_read:
        return f"<p>{counted} Data prep reads them.</p>"
    return (
        f"<p>{counted} In the form of 01_data_prep, this path in the field "
        f"<code>{PARAMETER}</code> makes data prep read them; in a study file, these lines do:</p>"
        f"<pre>{escape_text(parameter_line(path))}</pre>"
    )


def _code(text: str) -> str:
    return f"<code><bdi>{escape_text(text)}</bdi></code>."


def _say_copy(copy: Mapping[Any, Any]) -> str:
    how = "the same text" if copy["same_text"] else "nearly the same"
    label = "" if copy["same_label"] else ", <b>another label</b>"
    return (
        f"example {copy['example_id']}, {render_text(copy['split'])}, "
        f"{render_text(copy['label'], limit=120)}: {how}{label}"
    )


def _grid(split: str, label: str, length: str, text: str, *, title: str = "") -> str:
    return (
        f'<div style="{COLUMNS}"><bdi style="{CELL}">{split}</bdi>'
        f'<bdi style="{CELL}" title="{title}">{label}</bdi>'
        f'<span style="{NUMBER}">{length}</span><bdi style="{CELL}">{text}</bdi></div>'
    )


def _snippet(text: str, patterns: list[str]) -> str:
    spans = find_spans(text, patterns)
    start = max(spans[0][0] - BEFORE, 0) if spans else 0
    piece = " ".join(text[start : start + LONGEST_SNIPPET].split())
    return f"{'… ' if start else ''}{_marked(piece, patterns)}"


def _marked(text: str, patterns: list[str]) -> str:
    """Return a text as safe HTML, with what was searched for marked."""
    shown, at, parts = text[:LONGEST_TEXT], 0, []
    for start, end in find_spans(shown, patterns):
        parts += [escape_text(shown[at:start]), f"<mark>{escape_text(shown[start:end])}</mark>"]
        at = end
    more = f" … ({len(text):,} characters)" if len(text) > LONGEST_TEXT else ""
    return "".join(parts) + escape_text(shown[at:]) + more
