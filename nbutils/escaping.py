"""Text from the data, made safe to write and to show: escaped, and with nothing hidden in it."""

from __future__ import annotations

import html
import re
import unicodedata

# What a reader cannot see or what changes how the text around it is read: control characters,
# bidirectional marks and overrides, zero-width signs, separators, lone surrogates, tags.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
WRAP = "overflow-wrap:anywhere;white-space:pre-wrap"


def visible_text(text: object) -> str:
    """Return `text` with every unseen character replaced by its name, as plain text.

    Parameters
    ----------
    text
        Anything; its `str` is taken.

    Returns
    -------
    str
        An escape becomes ``[ESC]``, a right-to-left override ``[U+202E]``.
    """
    return UNSEEN.sub(lambda match: _name_of(match[0]), _with_line_ends(str(text)))


def writable_text(text: str) -> str:
    """Return text with U+FFFD for each half of a surrogate pair, as JSON and file names can hold.

    No UTF-8 file and no Arrow table can.
    """
    return text if text.isascii() else LONE_SURROGATE.sub("\ufffd", text)


def render_text(text: object, *, limit: int = 600) -> str:
    """Return text from the data as HTML that shows it and does nothing else.

    Parameters
    ----------
    text
        Anything; its `str` is taken.
    limit
        Characters that are shown; a longer text ends with its whole length.

    Returns
    -------
    str
        Escaped, isolated from the direction of the text around it (``<bdi>``), with control
        characters, ANSI escapes and bidirectional overrides made visible.
    """
    whole = str(text)
    safe = escape_text(whole[:limit])
    more = ""
    if len(whole) > limit:
        more = f'<span class="nb-cut">… ({len(whole):,} characters)</span>'
    return f'<bdi class="nb-text" style="{WRAP}">{safe}</bdi>{more}'


def escape_text(text: str) -> str:
    """Return text as HTML with unseen characters named, for an element that isolates it."""
    return UNSEEN.sub(_visible_span, html.escape(_with_line_ends(text)))


def plain_attribute(text: object, *, limit: int = 2000) -> str:
    """Return text from the data as the value of an HTML attribute."""
    return html.escape(visible_text(str(text)[:limit]), quote=True)


def _with_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n")


def _name_of(sign: str) -> str:
    return "[ESC]" if sign == "\x1b" else f"[U+{ord(sign):04X}]"


def _visible_span(match: re.Match[str]) -> str:
    sign = match[0]
    title = f"U+{ord(sign):04X} {unicodedata.name(sign, '')}".strip()
    return f'<span class="nb-control" title="{title}">{_name_of(sign)}</span>'
