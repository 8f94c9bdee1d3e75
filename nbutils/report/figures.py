"""Figures inside pages: safe, following light and dark, described in words."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nbutils.escaping import plain_attribute, visible_text

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}href"
UNWANTED = {
    "script",
    "foreignObject",
    "style",
    "metadata",
    "iframe",
    "a",
    "image",
    "animate",
    "set",
}
HEX = re.compile(r"#[0-9a-fA-F]{6}\b")
LOCAL = re.compile(r"url\(#([^)\"']+)\)")
POINTS_TO_PIXELS = 96 / 72
SCROLLS_FROM = 620  # pixels: a wider figure scrolls on a phone instead of shrinking to dust


@dataclass(frozen=True)
class Figure:
    """A figure of an executed notebook.

    Parameters
    ----------
    svg
        As the notebook holds it.
    alt
        What it shows, in words.
    """

    svg: str
    alt: str


def headline_figures(notebook: Path) -> list[Figure]:
    """Return the SVG figures of the cells tagged ``headline``, in order.

    Parameters
    ----------
    notebook
        An executed notebook.
    """
    import nbformat

    return figures_of_cells(nbformat.read(notebook, as_version=4).cells)


def figures_of_cells(cells: Any) -> list[Figure]:
    """Return the SVG figures of those of `cells` that are tagged ``headline``."""
    return [
        Figure(_joined(data["image/svg+xml"]), _joined(data.get("text/plain", "")))
        for cell in cells
        if "headline" in cell.metadata.get("tags", ())
        for output in cell.get("outputs", ())
        if "image/svg+xml" in (data := output.get("data", {}))
    ]


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def render_figure(figure: Figure, *, name: str) -> str:
    """Return a figure as HTML.

    Parameters
    ----------
    figure
        Any SVG; what could run, fetch or restyle the page is left out of it.
    name
        Unique in the page; starts the ids inside the figure.
    """
    ElementTree.register_namespace("", SVG.strip("{}"))
    try:
        root = ElementTree.fromstring(figure.svg)
    except ElementTree.ParseError:
        return '<p class="nb-blocked">A figure is not shown: it is not well-formed SVG.</p>'
    if root.tag != f"{SVG}svg":
        return '<p class="nb-blocked">A figure is not shown: it is not SVG.</p>'
    _drop_unwanted(root)
    for element in root.iter():
        _clean_attributes(element, name)
    width = _fit(root)
    root.set("role", "img")
    root.set("aria-label", visible_text(figure.alt or "Figure without a description"))
    text = ElementTree.tostring(root, encoding="unicode")
    if width <= SCROLLS_FROM:
        return f'<div class="nb-figure">{text}</div>'
    label = plain_attribute(figure.alt.partition(".")[0] or "Figure")
    region = f'class="nb-figure nb-wide" tabindex="0" role="group" aria-label="{label}"'
    return f"<div {region}>{text}</div>"


def _drop_unwanted(element: ElementTree.Element) -> None:
    for child in list(element):
        namespace, _, tag = str(child.tag).rpartition("}")
        if f"{namespace}}}" != SVG or tag in UNWANTED:
            element.remove(child)
        else:
            _drop_unwanted(child)


def _clean_attributes(element: ElementTree.Element, name: str) -> None:
    target = element.attrib.pop(XLINK, "") or element.attrib.pop("href", "")
    for key, value in list(element.attrib.items()):
        remote = "url(" in LOCAL.sub("", value).lower() or "\\" in value
        if key.startswith(("on", "{")) or remote:
            del element.attrib[key]
            continue
        value = LOCAL.sub(rf"url(#{name}-\1)", value)
        element.set(key, _themed(value) if key == "style" else value)
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.attrib['id']}")
    if target.startswith("#"):
        element.set("href", f"#{name}-{target[1:]}")


def _themed(style: str) -> str:
    return HEX.sub(lambda match: _variables().get(match[0].lower(), match[0]), style)


@functools.cache
def _variables() -> dict[str, str]:
    from nbutils.plots.palette import PALETTE

    return {colour.light: f"var(--fig-{colour.name})" for colour in PALETTE}


def _fit(root: ElementTree.Element) -> float:
    """Let the figure shrink with the page, and return its natural width in pixels."""
    size = [_pixels(root.attrib.pop(side, "")) for side in ("width", "height")]
    if "viewBox" not in root.attrib and all(size):
        root.set("viewBox", f"0 0 {size[0]:g} {size[1]:g}")
    width = size[0] or 640.0
    root.set("style", f"{root.get('style', '')};--width:{width:.0f}px".lstrip(";"))
    return width


def _pixels(length: str) -> float:
    number = re.match(r"[\d.]+", length)
    if not number:
        return 0.0
    return float(number[0]) * (POINTS_TO_PIXELS if length.endswith("pt") else 1.0)
