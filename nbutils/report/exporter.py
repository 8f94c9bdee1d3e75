"""The body of a page: an nbconvert exporter with a template of our own.

Importing this module imports nbconvert, which takes a second: import it where a page is rendered.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from nbutils.escaping import plain_attribute, render_text, visible_text
from nbutils.report.cells import PRIORITY
from nbutils.report.figures import Figure, render_figure
from nbutils.report.markup import Markup, embedded_image
from nbutils.report.page import TEMPLATES, render_console

LONGEST_SOURCE = 50_000  # characters of one cell's code


class BodyExporter(TemplateExporter):  # type: ignore[misc]
    """Renders the cells of a prepared notebook (see `nbutils.report.cells`).

    It stands on nbconvert's bare template, not on the HTML one, whose blocks fetch require.js,
    MathJax and the widgets from other hosts.
    """

    output_mimetype = "text/html"

    @property
    def default_config(self) -> Config:
        """Choose which of an output's forms is shown."""
        config = Config({"NbConvertBase": {"display_data_priority": list(PRIORITY)}})
        inherited = super().default_config
        inherited.merge(config)
        return inherited

    def default_filters(self) -> Any:
        """Add our filters to nbconvert's."""
        yield from super().default_filters()
        yield "nb_console", render_console
        yield "nb_text", render_text
        yield "nb_attribute", plain_attribute
        yield "nb_code", _code
        yield "nb_html", _clean_output
        yield "nb_markdown", _markdown_output
        yield "nb_figure", _figure
        yield "nb_image", embedded_image


@functools.cache
def body_exporter() -> BodyExporter:
    """Return the exporter, made once: compiling its template costs more than a page."""
    return BodyExporter(
        template_name="nbutils",
        extra_template_basedirs=[os.fspath(TEMPLATES)],
        template_file="index.html.j2",
    )


def render_markdown(source: str, *, attachments: dict[str, Any] | None = None) -> str:
    """Return Markdown as HTML that has not been cleaned yet."""
    renderer = IPythonRenderer(
        escape=False, attachments=attachments or {}, exclude_anchor_links=True
    )
    return str(MarkdownWithMath(renderer=renderer).render(source))


@pass_context
def _clean_output(context: Any, fragment: str) -> str:
    return _markup(context).clean(fragment)


@pass_context
def _markdown_output(context: Any, source: str) -> str:
    return _markup(context).clean(render_markdown(source))


@pass_context
def _figure(context: Any, svg: str, alt: str) -> str:
    return render_figure(Figure(svg, alt), name=_markup(context).next_figure())


def _markup(context: Any) -> Markup:
    markup: Markup = context["resources"]["nbutils_markup"]
    return markup


@functools.cache
def _highlighter() -> Any:
    return Highlight2HTML(pygments_lexer="ipython3")


def _code(source: str) -> str:
    if len(source) > LONGEST_SOURCE:
        return f"<pre>{render_text(source, limit=LONGEST_SOURCE)}</pre>"
    return visible_text(_highlighter()(source))
