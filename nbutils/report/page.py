"""What a page says, and the frame that all pages share."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbutils.errors import DataError
from nbutils.escaping import render_text, visible_text
from nbutils.home import without_home

if TYPE_CHECKING:
    from jinja2 import Environment

Status = Literal["completed", "failed", "interrupted"]
Outcome = Literal["reproduced", "above", "below"]
TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = {"notebook.html.j2": ("report.js", "examples.js")}  # other templates: the first alone
MANIFEST = re.compile(r'<script type="application/json" id="nbutils-manifest">(.*?)</script>', re.S)


@dataclass(frozen=True)
class Fact:
    """One number or word of the first screen.

    Parameters
    ----------
    label
        What it is: ``Test accuracy``.
    value
        As it is shown: ``98.2 %``.
    detail
        The small print: ``95 % interval 96.7 to 99.1 %``.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Link:
    """A neighbouring page.

    Parameters
    ----------
    title
        As it is shown.
    href
        Relative, so that a report folder works wherever it lies.
    current
        Whether it is the page itself.
    detail
        A sentence for the summary's cards.
    """

    title: str
    href: str
    current: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Step:
    """One thing to do next.

    Parameters
    ----------
    action
        As an imperative sentence.
    detail
        What it is worth, as a sentence.
    href
        Where its evidence is.
    """

    action: str
    detail: str
    href: str


@dataclass(frozen=True)
class Comparison:
    """Our score beside a published one.

    Parameters
    ----------
    outcome
        Whether theirs lies in our interval, or ours is above or below it.
    verdict
        The same as plain sentences, with what it means.
    ours, theirs
        The two scores; the detail says how sure, and where it was published.
    our_protocol, their_protocol
        How either was got.
    cautions
        Plain sentences: why the two may not compare.
    shares
        Our score, the ends of its interval, and theirs, in [0, 1].
    """

    outcome: Outcome
    verdict: str
    ours: Fact
    theirs: Fact
    our_protocol: tuple[Fact, ...]
    their_protocol: tuple[Fact, ...]
    cautions: tuple[str, ...]
    shares: tuple[float, float, float, float]

    @property
    def places(self) -> tuple[float, float, float, float]:
        """Where `shares` lie on an axis from 0 to 1 that just holds them all."""
        low, high = min(self.shares), max(self.shares)
        ours, left, right, theirs = (
            0.5 if high == low else (share - low) / (high - low) for share in self.shares
        )
        return ours, left, right, theirs


@dataclass(frozen=True)
class Page:
    """What the first screen of a page says, and what the page carries.

    Parameters
    ----------
    title, lead
        What was done, as a heading and as a sentence.
    status
        How it ended.
    problem
        Why it did not complete: a sentence, then lines of detail. Shown first and loud.
    facts
        How good it is, with interval and baseline.
    verdicts
        Plain sentences: what to conclude.
    cautions
        Plain sentences: what to be careful about.
    steps
        What to do next, what is worth most first.
    comparison
        Our score beside a published one; None: the study names none.
    rerun
        The command that does it again.
    links
        Neighbouring pages.
    parameters
        Values by name, or one such mapping by section.
    manifest
        What is needed to do it again; embedded as JSON.
    """

    title: str
    lead: str = ""
    status: Status = "completed"
    problem: str = ""
    facts: tuple[Fact, ...] = ()
    verdicts: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    comparison: Comparison | None = None
    rerun: str = ""
    links: tuple[Link, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameter_groups(self) -> dict[str, dict[str, Any]]:
        """Parameters by section; those outside any section under an empty name."""
        groups: dict[str, dict[str, Any]] = {"": {}}
        for name, value in self.parameters.items():
            if isinstance(value, Mapping):
                groups[str(name)] = dict(value)
            else:
                groups[""][str(name)] = value
        return {name: values for name, values in groups.items() if values}


def render_page(template: str, **values: Any) -> str:
    """Fill one of the page templates, under a policy that lets no other script run.

    What the page says has the home folder as `~`: a report tells no names.
    """
    names = SCRIPTS.get(template, ("report.js",))
    script = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    shown = {name: without_home(v) if name == "page" else v for name, v in values.items()}
    return _environment().get_template(template).render(policy=policy, script=script, **shown)


def embed_json(values: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the script element that holds it."""
    text = json.dumps(values, default=str, ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def read_manifest(report: Path) -> dict[str, Any]:
    """Return the manifest that a page carries.

    Raises
    ------
    DataError
        The file is no page of nbutils, or carries no manifest.
    """
    try:
        found = MANIFEST.search(report.read_text(encoding="utf-8"))
        values = json.loads(found[1]) if found else None
    except (OSError, ValueError) as error:
        raise DataError(f"{report}: cannot be read as a report; {error}") from None
    if not isinstance(values, dict):
        raise DataError(f"{report}: expected a report of nbutils with its manifest, found none")
    return values


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["text"] = lambda value, limit=600: Markup(render_text(value, limit=limit))
    environment.filters["visible"] = visible_text
    environment.filters["ansi"] = lambda text: Markup(render_console(text))
    environment.filters["embed_json"] = lambda values: Markup(embed_json(values))
    environment.filters["pretty_json"] = _pretty_json
    environment.globals["style"] = Markup(_style_sheet())
    return environment


def _pretty_json(values: Mapping[str, Any]) -> str:
    return visible_text(json.dumps(values, default=str, indent=2, ensure_ascii=False))


def _style_sheet() -> str:
    from nbutils.plots.palette import PALETTE

    light = "".join(f"--fig-{colour.name}:{colour.light};" for colour in PALETTE)
    dark = "".join(f"--fig-{colour.name}:{colour.dark};" for colour in PALETTE)
    sheet = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return sheet.replace("/* figures: light */", light).replace("/* figures: dark */", dark)


LONGEST_CONSOLE = 20_000  # characters: some 250 lines; more is a log, not a result


def render_console(text: str) -> str:
    """Return what a program printed as HTML: colours kept, overwritten progress lines left out."""
    from nbconvert.filters.ansi import ansi2html

    lines = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    kept = "\n".join(lines)
    cut = kept[:LONGEST_CONSOLE]
    # What is left of an escape sequence after the colours were read is shown, like any other
    # character that a reader would not see.
    safe = visible_text(str(ansi2html(cut)))
    if len(kept) <= LONGEST_CONSOLE:
        return safe
    return f'{safe}<span class="nb-cut">… ({len(kept):,} characters)</span>'
