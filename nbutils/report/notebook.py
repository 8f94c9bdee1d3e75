"""One executed notebook as one page."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from nbutils.artifacts import write_text
from nbutils.errors import DataError
from nbutils.escaping import visible_text
from nbutils.home import without_home
from nbutils.redaction import Redactor
from nbutils.report.cells import PARAMETER_TAGS, assigned_parameters, prepare_cells
from nbutils.report.figures import figures_of_cells, render_figure
from nbutils.report.markup import Markup
from nbutils.report.page import Fact, Page, Status, render_page

ANCHOR = re.compile(r"cell-id=[\w-]{1,64}", re.ASCII)


def render_notebook(notebook: Path, page: Page) -> str:
    """Return an executed notebook as a page that needs nothing but itself.

    Parameters
    ----------
    notebook
        The executed notebook.
    page
        What its first screen says. Figures of cells tagged ``headline`` are shown there too.

    Returns
    -------
    str
        HTML; the same text for the same notebook and page.

    Raises
    ------
    DataError
        The file is not a notebook.
    """
    from markupsafe import Markup as Safe

    from nbutils.report.exporter import body_exporter

    node = copy.deepcopy(_read(notebook))
    figures = figures_of_cells(node.cells)
    prepare_cells(node)
    markup = Markup()
    _anchor_cells(node.cells, markup)
    hoisted = [render_figure(figure, name=markup.next_figure()) for figure in figures]
    _render_prose(node.cells, markup)
    headings = [heading for heading in markup.headings if heading[0] <= 3]
    body, _ = body_exporter().from_notebook_node(node, {"nbutils_markup": markup})
    return render_page(
        "notebook.html.j2",
        page=page,
        figures=[Safe(figure) for figure in hoisted],
        headings=headings,
        body=Safe(body),
        has_code=any(cell.cell_type == "code" for cell in node.cells),
        has_failure=any(cell.metadata.get("nbutils", {}).get("failed") for cell in node.cells),
    )


def _anchor_cells(cells: Any, markup: Markup) -> None:
    """Note on each cell the anchor by which a link leads to it, in JupyterLab's words."""
    for cell in cells:
        anchor = f"cell-id={cell.get('id', '')}"
        known = bool(ANCHOR.fullmatch(anchor)) and anchor not in markup.taken
        cell.metadata["nbutils_anchor"] = anchor if known else ""
        markup.taken.add(anchor)


def _render_prose(cells: Any, markup: Markup) -> None:
    """Keep each text cell's HTML in it; the first title is left out, since the page has it."""
    from nbutils.report.exporter import render_markdown

    untitled = True
    for cell in cells:
        if cell.cell_type == "markdown":
            rendered = render_markdown(cell.source, attachments=cell.get("attachments"))
            cleaned = markup.clean(rendered, outline=True, drop_title=untitled)
            cell.metadata["nbutils"] = {"html": cleaned}
            untitled = untitled and "<h1" not in rendered


def write_notebook_report(notebook: Path, destination: Path, page: Page) -> None:
    """Render an executed notebook and write the page.

    Parameters
    ----------
    notebook
        The executed notebook.
    destination
        The HTML file; its folder is made.
    page
        What its first screen says.
    """
    text = render_notebook(notebook, page)
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_text(destination, text)


def page_of_notebook(notebook: Path) -> Page:
    """Return the first screen of any executed notebook, from what the notebook says of itself.

    Parameters
    ----------
    notebook
        An executed notebook, from papermill, nbclient or JupyterLab.

    Raises
    ------
    DataError
        The file is not a notebook.
    """
    node = _read(notebook)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    status, problem = _outcome(code)
    papermill = node.metadata.get("papermill", {})
    ran = sum(1 for cell in code if cell.execution_count is not None)
    facts = [Fact("Code cells run", f"{ran} of {len(code)}")]
    if isinstance(papermill.get("duration"), (int, float)):
        facts.append(Fact("Time", f"{papermill['duration']:,.0f} s"))
    parameters = papermill.get("parameters")
    return Page(
        title=_title(node.cells) or notebook.stem,
        lead=f"Executed notebook {notebook.name}.",
        status=status,
        problem=problem,
        facts=tuple(facts),
        parameters=dict(parameters) if parameters else _injected(code),
        manifest={"notebook": notebook.name, "status": status},
    )


def _read(notebook: Path) -> Any:
    import nbformat

    try:
        found = nbformat.read(notebook, as_version=4)
    except OSError as error:
        raise DataError(f"{notebook}: cannot be read ({error.strerror})") from None
    except Exception as error:  # nbformat raises a different kind for each thing that is wrong
        raise DataError(f"{notebook}: expected a Jupyter notebook; {error}") from None
    # nobody runs a page, so that the code that it shows needs no true paths
    return without_home(Redactor.from_environment().redact_notebook(found))


def _title(cells: Any) -> str:
    for cell in cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            if line.startswith("#") and line.lstrip("#").strip():
                return visible_text(line.lstrip("#").strip())
    return ""


def _outcome(code: Any) -> tuple[Status, str]:
    for number, cell in enumerate(code, 1):
        for output in cell.outputs:
            if output.output_type == "error":
                where = f"Cell {cell.execution_count or number}"
                sentence = f"{where} stopped with {output.ename}: {output.evalue}".split("\n")[0]
                return "failed", "\n".join([sentence, *output.traceback])
    states = [cell.metadata.get("papermill", {}).get("status") for cell in code]
    if "failed" in states:
        return "failed", f"Cell {states.index('failed') + 1} failed and left no error message."
    if "running" in states or "pending" in states:
        return "interrupted", "The notebook was stopped before its last cell."
    return "completed", ""


def _injected(code: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for cell in code:
        if PARAMETER_TAGS & set(cell.metadata.get("tags", ())):
            found.update(assigned_parameters(cell))
    return found
