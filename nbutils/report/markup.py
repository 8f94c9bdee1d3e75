"""HTML that a notebook brings along: kept where it shows, left out where it acts or fetches.

The page's content security policy is what keeps foreign scripts from running; here they are taken
out as well, so that a page is quiet and what was left out is said.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from nbutils.escaping import plain_attribute, visible_text

# fmt: off
DROPPED = [
    "script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "meta",
    "base", "title", "noscript", "xmp", "plaintext", "noembed", "noframes", "textarea",
    "select", "input", "button", "template", "audio", "video", "source", "track", "portal",
]
# fmt: on
SAFE_LINK = re.compile(r"^(https?:|mailto:|#|\.{0,2}/|[\w%-][\w%./-]*([#?]|$))", re.I)
SAFE_IMAGE = re.compile(r"^data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", re.I)
FETCHING = re.compile(r"url\(|@import|\\|expression\(|image-set", re.I)
FETCHING_ATTRIBUTES = {"srcset", "srcdoc", "background", "poster", "ping", "action", "formaction"}
OWN_IDS = {"main", "contents", "nbutils-manifest", "failed-cell"}


@dataclass
class Markup:
    """Cleans the fragments of one page, whose ids and headings have to be unique together."""

    taken: set[str] = field(default_factory=lambda: set(OWN_IDS))
    headings: list[tuple[int, str, str]] = field(default_factory=list)  # level, id, text
    figures: int = 0

    def clean(self, fragment: str, *, outline: bool = False, drop_title: bool = False) -> str:
        """Return a fragment without what acts or fetches.

        Parameters
        ----------
        fragment
            HTML of a Markdown cell or of an output.
        outline
            Whether its headings belong to the page's table of contents.
        drop_title
            Leave out a heading of the first level: the page has its own.
        """
        from bs4 import BeautifulSoup, Comment

        soup = BeautifulSoup(fragment, "html.parser")
        for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
            comment.extract()
        for tag in soup.find_all(DROPPED):
            tag.decompose()
        for tag in soup.find_all("style"):
            if FETCHING.search(tag.get_text()):
                tag.decompose()
        for tag in soup.find_all(True):
            self._clean_attributes(tag)
        for image in soup.find_all(["img", "image"]):
            _keep_embedded(image, soup)
        for table in soup.find_all("table"):
            _let_scroll(table, soup)
        if drop_title and soup.h1:
            soup.h1.decompose()
        for heading in soup.find_all(["h1", "h2", "h3", "h4"]) if outline else ():
            self._anchor(heading, soup)
        return visible_text(soup)

    def _clean_attributes(self, tag: Any) -> None:
        for name in list(tag.attrs):
            value = tag.attrs[name]
            text = " ".join(value) if isinstance(value, list) else str(value)
            hostile_link = name in {"href", "xlink:href"} and not SAFE_LINK.match(text.strip())
            fetching = name in FETCHING_ATTRIBUTES or (name == "style" and FETCHING.search(text))
            taken = name == "id" and text in self.taken
            if name.startswith("on") or hostile_link or fetching or taken:
                del tag.attrs[name]
            elif name == "id":
                self.taken.add(text)
        if tag.name == "a" and str(tag.get("href", "")).startswith("http"):
            tag["rel"] = "noopener noreferrer"
        if tag.name == "pre":
            tag["tabindex"] = "0"

    def _anchor(self, heading: Any, soup: Any) -> None:
        text = heading.get_text().strip().removesuffix("¶").strip()
        if heading.name == "h1":
            heading.name = "h2"
        wanted = heading.get("id") or slug(text)
        self.taken.discard(heading.get("id"))
        name, count = wanted, 1
        while name in self.taken:
            count += 1
            name = f"{wanted}-{count}"
        self.taken.add(name)
        heading["id"] = name
        self.headings.append((int(heading.name[1]), name, visible_text(text)))
        link = soup.new_tag("a", href=f"#{name}", attrs={"class": "nb-anchor"})
        link["aria-label"] = f"Link to {visible_text(text)}"
        link.string = "#"
        heading.append(link)

    def next_figure(self) -> str:
        """Return a name for one more figure of this page."""
        self.figures += 1
        return f"fig{self.figures}"


def slug(text: str) -> str:
    """Return a heading as an id: letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[^\w]+", "-", plain).strip("-")[:60] or "section"


def embedded_image(data: str, *, kind: str, alt: str) -> str:
    """Return base64 image data of an output as an image with alt text."""
    compact = re.sub(r"[^A-Za-z0-9+/=]", "", data)
    return f'<img class="nb-image" src="data:{kind};base64,{compact}" alt="{plain_attribute(alt)}">'


def _keep_embedded(image: Any, soup: Any) -> None:
    source = str(image.get("src") or image.get("href") or "")
    if SAFE_IMAGE.match(source):
        image.attrs.setdefault("alt", "Image without a description")
        return
    note = soup.new_tag("span", attrs={"class": "nb-blocked"})
    described = visible_text(str(image.get("alt") or "no description"))
    note.string = f"[image not embedded: {described}; {visible_text(source[:200])}]"
    image.replace_with(note)


def _let_scroll(table: Any, soup: Any) -> None:
    if table.find_parent(class_="nb-scroll") or table.find_parent("table"):
        return
    if "nb-facts" in (table.get("class") or []):
        return
    caption = table.caption.get_text(" ", strip=True) if table.caption else "Table"
    region = soup.new_tag("div", attrs={"class": "nb-scroll", "tabindex": "0", "role": "group"})
    region["aria-label"] = visible_text(caption[:200])
    table.wrap(region)
