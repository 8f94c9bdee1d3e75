"""What all plots share: style, size, titles, alt text, and showing as SVG."""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar
from xml.etree import ElementTree

from nbutils.escaping import visible_text
from nbutils.plots.palette import GRID, INK, MUTED, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

P = ParamSpec("P")
R = TypeVar("R")

WIDTH = 5.4  # inches: text stays legible when a phone shows the figure at two thirds
STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a label may be named `$x$`
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "nbutils",
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: same layout on every machine
    "font.size": 10.0,
    "figure.facecolor": SURFACE.light,
    "savefig.facecolor": SURFACE.light,
    "axes.facecolor": SURFACE.light,
    "axes.edgecolor": GRID.light,
    "axes.labelcolor": MUTED.light,
    "axes.labelsize": 9.5,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK.light,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "grid.color": GRID.light,
    "grid.linewidth": 0.8,
    "text.color": INK.light,
    "xtick.color": MUTED.light,
    "ytick.color": MUTED.light,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.linewidth": 2.0,
    "patch.linewidth": 0.0,
}

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
REFERENCE = re.compile(r"url\(#([^)]+)\)")
LONG_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
DRAWN = ("d", "x", "y", "transform", "points", "viewBox", "width", "height")


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Run a plot function under nbutils' style, leaving matplotlib's own settings alone."""

    @functools.wraps(plot)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return wrapper


def axes_for(ax: Axes | None, *, width: float = WIDTH, height: float = 3.1) -> Axes:
    """Return `ax`, or the axes of a new figure of `width` by `height` inches."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=layout).add_subplot()


def describe(ax: Axes, *, title: str, alt: str) -> Axes:
    """Give a plot its title and add `alt` to the alt text of its figure."""
    places = {other.get_subplotspec() for other in ax.figure.axes}
    if len(places) == 1:  # of one plot, which may have a second axis on the right
        ax.figure.suptitle(visible_text(title), x=0.015, ha="left")
    else:
        ax.set_title(visible_text(title))
    ax.figure.set_label(f"{alt_text(ax.figure)} {visible_text(alt)}".strip())
    return ax


def alt_text(figure: Figure | SubFigure) -> str:
    """Return the alt text of a figure: what it shows, with the numbers that matter."""
    label: object = figure.get_label()
    return str(label) if label else ""


def legend_above(ax: Axes, *, columns: int = 4) -> None:
    """Put the legend between title and plot, where it hides no data, `columns` names in a row."""
    handles, _ = ax.get_legend_handles_labels()
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=min(len(handles), columns),
        borderaxespad=0.1,
        handlelength=1.4,
        columnspacing=1.4,
    )


def grid_on(ax: Axes, axis: Literal["x", "y"]) -> None:
    """Keep the grid lines that cross `axis` ('x' or 'y') only."""
    ax.grid(False)
    ax.grid(True, axis=axis)


def percent(share: float, *, digits: int = 1) -> str:
    """Return ``0.1234`` as ``12.3 %``, and NaN as ``unknown``."""
    if share != share:
        return "unknown"
    return f"{share:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def times(count: int) -> str:
    """Return ``1`` as ``once`` and ``3`` as ``3 times``."""
    return "once" if count == 1 else f"{count:,} times"


def plain_number(value: float, _: object = None) -> str:
    """Return a tick's number without leading zeros in its exponent."""
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def row_height(rows: int) -> float:
    """Return the height in inches of a horizontal plot with `rows` rows."""
    each = 0.34 if rows <= 8 else 0.27 if rows <= 20 else 0.2
    return 1.15 + each * max(rows, 1)


def label_rows(ax: Axes, names: list[str]) -> None:
    """Name the rows of a horizontal plot, the first on top."""
    size = 9.0 if len(names) <= 20 else 7.0
    ax.set_yticks(range(len(names)), names, size=size, color=INK.light)
    ax.set_ylim(len(names) - 0.4, -0.6)
    grid_on(ax, "x")


def to_svg(figure: Figure) -> str:
    """Return a figure as compact SVG: the same bytes for the same data, on every machine.

    Parameters
    ----------
    figure
        A figure from one of the plot functions, or any other.

    Returns
    -------
    str
        One ``<svg>`` element, without XML declaration, date, metadata or global styles.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The viewer's fonts draw the text; that DejaVu lacks an emoji only affects its width.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        figure.savefig(buffer, format="svg", metadata=nothing)
    return _compact(buffer.getvalue())


def show(axes: Axes) -> None:
    """Display a plot in a notebook as SVG, with its alt text as plain text.

    Parameters
    ----------
    axes
        What a plot function returned.
    """
    from IPython.display import display

    figure = axes.get_figure(root=True)
    if figure is None:
        return
    bundle = {"image/svg+xml": to_svg(figure), "text/plain": alt_text(figure)}
    display(bundle, raw=True)


def _compact(svg: str) -> str:
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    for child in list(root):
        if child.tag == f"{{{SVG}}}metadata" or child.find(f"{{{SVG}}}style") is not None:
            root.remove(child)  # the style element would apply to the whole page around the figure
    root.set("style", "stroke-linejoin:round;stroke-linecap:butt")
    used = _referenced(root)
    for element in root.iter():
        _compact_element(element, used)
    return ElementTree.tostring(root, encoding="unicode")


def _referenced(root: ElementTree.Element) -> set[str]:
    used = {element.get(XLINK, "").lstrip("#") for element in root.iter()}
    for element in root.iter():
        for value in element.attrib.values():
            used.update(REFERENCE.findall(value))
    return used


def _compact_element(element: ElementTree.Element, used: set[str]) -> None:
    if element.get("id") not in used:
        element.attrib.pop("id", None)
    if XLINK in element.attrib:
        element.set("href", element.attrib.pop(XLINK))
    for name in DRAWN:
        if name in element.attrib:
            shorter = LONG_NUMBER.sub(_two_decimals, element.attrib[name])
            element.set(name, " ".join(shorter.split()))
    style = element.get("style")
    if style:
        style = re.sub(r"('DejaVu Sans'|sans-serif)(, ?[^;]+)?", FONTS, style, count=1)
        element.set("style", style.replace("; ", ";").replace(": ", ":"))
    if element.tag != f"{{{SVG}}}text" and element.text and not element.text.strip():
        element.text = None
    if element.tail and not element.tail.strip():
        element.tail = "\n" if element.tag == f"{{{SVG}}}g" else None


def _two_decimals(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
