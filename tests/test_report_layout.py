"""Nothing on a page is cut off, however wide, long or unbroken it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from browsing import Visit
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nbutils import plots
from nbutils.analysis.confused_classes import ConfusedClasses
from nbutils.report import (
    Fact,
    Page,
    Step,
    headline_figures,
    page_of_notebook,
    write_notebook_report,
    write_summary,
)
from nbutils.tables import Facts, Note, Table, TextExamples
from nbutils.views.confusion import tabulate_confusions

pytestmark = pytest.mark.slow
ENDLESS = "x" * 5000
CAPTION = "A table of which the caption says with very many words what its numbers are"
CUE = "getComputedStyle(document.querySelector('.nb-wide'), '::before').content"


def draw(ax: Any) -> Any:
    svg, alt = plots.to_svg(ax.figure), plots.alt_text(ax.figure)
    return new_output("display_data", {"image/svg+xml": svg, "text/plain": alt})


def show(shown: Any) -> Any:
    return new_output("display_data", {"text/html": shown._repr_html_(), "text/plain": "shown"})


def headline(folder: Path) -> Path:
    """Write a notebook whose headline figures are a matrix of many classes and small bars."""
    names = [f"class {k}" for k in range(60)]
    matrix = plots.plot_confusion(np.eye(60, dtype=int), label_names=names, normalised=False)
    values = pd.Series({"a": 1.0, "b": 2.0})
    bars = [plots.plot_bars(values, title="Bars", x_label="x", alt="Bars.") for _ in range(2)]
    outputs = [draw(ax) for ax in (bars[0], matrix, bars[1])]
    cell = new_code_cell("show()", outputs=outputs, metadata={"tags": ["headline"]})
    nbformat.write(new_notebook(cells=[cell]), folder / "notebook.ipynb")
    return folder / "notebook.ipynb"


def width_of(visit: Visit, selector: str) -> float:
    found = f"document.querySelector({selector!r}).getBoundingClientRect().width"
    return float(visit.ask(found))


def test_wide_figure_has_the_whole_first_screen_and_says_where_it_goes_on(
    browser: Any, tmp_path: Path
) -> None:
    notebook = headline(tmp_path)
    page = tmp_path / "index.html"
    write_summary(page, page_of_notebook(notebook), headline_figures(notebook))
    with Visit(browser, page) as visit:
        assert width_of(visit, ".nb-wide") == pytest.approx(width_of(visit, ".figures"))
        assert visit.ask("document.querySelector('.nb-wide svg').clientWidth") > 620
        assert visit.ask(CUE) == "none"
        visit.page.set_viewport_size({"width": 390, "height": 800})
        assert "Scroll sideways" in visit.ask(f"new Promise(r => setTimeout(() => r({CUE}), 100))")
        visit.page.emulate_media(media="print")
        assert visit.ask(CUE) == "none"
        region = "document.querySelector('.nb-wide')"
        assert visit.ask(f"{region}.scrollWidth <= {region}.clientWidth")


def test_names_of_confused_classes_are_whole_on_a_phone(browser: Any, tmp_path: Path) -> None:
    names = ("no", "a very long name of a class 1", "averyverylongnameofaclass2")
    table = tabulate_confusions(ConfusedClasses(np.full((3, 3), 1000), names), linked=False)
    cell = new_code_cell("table", outputs=[show(table)])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "notebook.ipynb")
    notebook, page = tmp_path / "notebook.ipynb", tmp_path / "page.html"
    write_notebook_report(notebook, page, page_of_notebook(notebook))
    heads = "[...document.querySelectorAll('.nb-confusion tbody th')]"
    with Visit(browser, page, width=390) as visit:
        assert visit.ask(f"{heads}.every((h) => h.scrollWidth <= h.clientWidth)")
        assert visit.ask(f"Math.min(...{heads}.map((h) => h.clientWidth))") > 80
        assert visit.ask(f"Math.max(...{heads}.map((h) => h.clientHeight))") < 120


def test_caption_of_a_table_that_scrolls_stays_and_wraps(browser: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({f"a column {k}": [0.123456789] for k in range(9)})
    cell = new_code_cell("table", outputs=[show(Table(frame, CAPTION))])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "notebook.ipynb")
    page = tmp_path / "page.html"
    write_notebook_report(
        tmp_path / "notebook.ipynb", page, page_of_notebook(tmp_path / "notebook.ipynb")
    )
    place = "document.querySelector('caption bdi').getBoundingClientRect()"
    with Visit(browser, page, width=390) as visit:
        table = "document.querySelector('.nb-scroll')"
        assert visit.ask(f"{table}.scrollWidth > {table}.clientWidth")
        for _ in range(2):
            assert 0 <= visit.ask(f"{place}.left") < visit.ask(f"{place}.right") <= 390
            visit.ask(f"{table}.scrollLeft = 200")


@pytest.mark.parametrize("width", [390, 1280])
def test_word_without_end_wraps_wherever_it_stands(
    browser: Any, tmp_path: Path, width: int
) -> None:
    frame = pd.DataFrame({ENDLESS[:900]: [ENDLESS], "n": [1]}, index=pd.Index([ENDLESS], name="i"))
    examples = pd.DataFrame({"text": [ENDLESS], "label": [ENDLESS]})
    shown = [Table(frame, ENDLESS), Facts({ENDLESS: ENDLESS}, ENDLESS), Note(ENDLESS),
             TextExamples(examples, caption=ENDLESS)]  # fmt: skip
    words = f"## {ENDLESS}\n\n{ENDLESS}\n\n- {ENDLESS}\n\n`{ENDLESS}`\n\n> {ENDLESS}\n"
    cells = [new_markdown_cell(words), new_code_cell(ENDLESS, outputs=list(map(show, shown)))]
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebook.ipynb")
    page = Page(
        title=ENDLESS, lead=ENDLESS, facts=(Fact(ENDLESS, ENDLESS, ENDLESS),), verdicts=(ENDLESS,),
        cautions=(ENDLESS,), steps=(Step(ENDLESS, ENDLESS, "#x"),), rerun=ENDLESS,
    )  # fmt: skip
    write_notebook_report(tmp_path / "notebook.ipynb", tmp_path / "page.html", page)
    with Visit(browser, tmp_path / "page.html", width=width) as visit:
        visit.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert visit.ask("document.documentElement.scrollWidth") <= width
        regions = "[...document.querySelectorAll('.nb-scroll')]"
        assert visit.ask(f"Math.max(...{regions}.map((r) => r.scrollWidth))") < 1500
