"""Our HTML inside a widget: there JupyterLab sets lines far apart and leaves tables bare."""

from __future__ import annotations

RULES = (
    "<style>.nb-in-widget{line-height:1.45}.nb-in-widget table{border-collapse:collapse}"
    ".nb-in-widget th,.nb-in-widget td{padding:.15em .8em .15em 0;vertical-align:top}</style>"
)


def dress(content: str) -> str:
    """Return safe HTML for the value of an `ipywidgets.HTML`, set like the text around it."""
    return f'{RULES}<div class="nb-in-widget">{content}</div>' if content else ""


def scroll(content: str, *, label: str, height: str = "24em") -> str:
    """Return safe HTML in a region that scrolls when it is higher than that.

    Parameters
    ----------
    content
        HTML.
    label
        What is in it, for who does not see it; plain words of our own.
    height
        As in CSS.
    """
    return (
        f'<div tabindex="0" role="group" aria-label="{label}" '
        f'style="max-height:{height};overflow:auto">{content}</div>'
    )
