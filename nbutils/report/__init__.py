"""Executed notebooks as web pages that are whole: one file, no request to any host.

`page` holds what a page says first, `notebook` turns an executed notebook into a page, `site`
writes a study's summary and the list of all studies. nbconvert is imported when a page is rendered.
"""

from nbutils.report.figures import Figure, headline_figures
from nbutils.report.notebook import page_of_notebook, render_notebook, write_notebook_report
from nbutils.report.page import Comparison, Fact, Link, Page, Step, read_manifest
from nbutils.report.site import write_site, write_summary

__all__ = [
    "Comparison",
    "Fact",
    "Figure",
    "Link",
    "Page",
    "Step",
    "headline_figures",
    "page_of_notebook",
    "read_manifest",
    "render_notebook",
    "write_notebook_report",
    "write_site",
    "write_summary",
]
