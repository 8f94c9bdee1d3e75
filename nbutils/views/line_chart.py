"""A small chart that is drawn once and whose points are moved: SVG made by hand, quick to show.

It has no colours of its own but those of the lines: text and axes take the colour of the text
around it, so that it is legible on light and dark ground.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nbutils.plots.palette import BLUE, ORANGE

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 20, 30, 40
TICKS = 5
FAINT = 'stroke="currentColor" stroke-opacity=".25"'


@dataclass(frozen=True)
class Line:
    """One line of a chart, told from another by its dashes as well as by its colour.

    Attributes
    ----------
    name
        In the legend.
    xs, ys
        Shape (N,).
    colour
        Legible on light and on dark ground.
    dashes
        As in SVG; "" for a solid line.
    """

    name: str
    xs: Any
    ys: Any
    colour: str
    dashes: str = ""


@dataclass(frozen=True)
class Point:
    """Where one is on a line: a value and its interval.

    Attributes
    ----------
    x, y, low, high
        The interval is that of y.
    colour
        Of its line.
    hollow
        Shown as a ring.
    """

    x: float
    y: float
    low: float
    high: float
    colour: str
    hollow: bool = False


KINDS = ((BLUE.light, ""), (ORANGE.light, "5 3"))  # of the first line and of the second


@dataclass(frozen=True)
class LineChart:
    """Lines in a square of shares.

    Parameters
    ----------
    lines
        At most two.
    x_name, y_name
        What the axes are.
    top
        Of the y axis, which begins at 0; the x axis is from 0 to 1.
    """

    lines: Sequence[Line]
    x_name: str
    y_name: str
    top: float = 1.0

    def render(self, points: Sequence[Point], *, alt: str) -> str:
        """Return the chart with its points.

        Parameters
        ----------
        points
            Where one is.
        alt
            The same in words.
        """
        label = html.escape(alt, quote=True)
        marks = "".join(map(self._mark, points))
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
            f'style="width:100%;max-width:{WIDTH}px;height:auto" font-size="11" '
            f'fill="currentColor">{self._drawn}{marks}</svg>'
        )

    @cached_property
    def _drawn(self) -> str:
        """Axes, names and lines, which do not move."""
        return f"{self._axes()}{self._legend()}{''.join(map(self._path, self.lines))}"

    def _axes(self) -> str:
        bottom, end = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for share in np.linspace(0, 1, TICKS + 1):
            x, y = self._x(share), self._y(share * self.top)
            parts.append(
                f'<line x1="{LEFT}" x2="{end}" y1="{y}" y2="{y}" {FAINT}/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                f"{_percent(share * self.top, self.top)}</text>"
                f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{share:.0%}</text>'
            )
        middle = (LEFT + end) / 2
        return (
            f"{''.join(parts)}"
            f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{self.x_name}</text>'
            f'<text x="-{(TOP + bottom) / 2}" y="11" transform="rotate(-90)" '
            f'text-anchor="middle">{self.y_name}</text>'
        )

    def _legend(self) -> str:
        parts, x = [], LEFT
        for line in self.lines:
            parts.append(
                f'<line x1="{x}" x2="{x + 26}" y1="12" y2="12" {_stroke(line)}/>'
                f'<text x="{x + 32}" y="16">{html.escape(line.name)}</text>'
            )
            x += 60 + 7 * len(line.name)
        return "".join(parts)

    def _path(self, line: Line) -> str:
        places = " ".join(
            f"{self._x(x)},{self._y(y)}" for x, y in zip(line.xs, line.ys, strict=True)
        )
        return f'<polyline points="{places}" fill="none" {_stroke(line)}/>'

    def _mark(self, point: Point) -> str:
        x, y = self._x(point.x), self._y(point.y)
        fill = "none" if point.hollow else point.colour
        return (
            f'<line x1="{x}" x2="{x}" y1="{self._y(point.low)}" y2="{self._y(point.high)}" '
            f'stroke="{point.colour}" stroke-width="3" stroke-opacity=".5"/>'
            f'<circle cx="{x}" cy="{y}" r="5" fill="{fill}" stroke="{point.colour}" '
            'stroke-width="2.5"/>'
        )

    def _x(self, share: float) -> float:
        return round(LEFT + float(share) * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        share = min(max(float(value) / self.top, 0.0), 1.0)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _stroke(line: Line) -> str:
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    return f'stroke="{line.colour}" stroke-width="2"{dashes}'


def _percent(value: float, top: float) -> str:
    return f"{100 * value:.{0 if top >= 0.05 else 1}f} %"
