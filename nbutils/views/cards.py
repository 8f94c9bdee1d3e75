"""Cards: a text to read, with small facts above it and whatever belongs below."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from nbutils.escaping import WRAP, render_text, visible_text
from nbutils.tables import render_chips

FRAME = "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:.7em .9em;margin:.6em 0"


def render_cards(cards: Iterable[str], *, caption: str) -> str:
    """Return cards below a caption that says what they have in common.

    Parameters
    ----------
    cards
        As `render_card` makes them.
    caption
        Plain text.
    """
    head = f'<p class="nb-caption"><strong>{render_text(caption)}</strong></p>'
    return f'<div class="nb-examples">{head}{"".join(cards)}</div>'


def render_card(facts: Mapping[str, Any], *bodies: str) -> str:
    """Return one card.

    Parameters
    ----------
    facts
        Values by name, shown in one line.
    bodies
        HTML below it, safe already.
    """
    return (
        f'<div class="nb-example" style="{FRAME}"><div class="nb-chips" style="font-size:.9em">'
        f"{render_chips(facts)}</div>{''.join(bodies)}</div>"
    )


def render_body(content: str) -> str:
    """Return safe HTML as a paragraph of text from the data, isolated from what is around it."""
    return (
        '<p class="nb-body" style="margin:.4em 0 0">'
        f'<bdi class="nb-text" style="{WRAP}">{content}</bdi></p>'
    )


def escape(text: str) -> str:
    """Return text from the data, with nothing hidden in it, for a place inside a `render_body`."""
    return html.escape(visible_text(text))
