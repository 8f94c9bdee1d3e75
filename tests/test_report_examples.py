"""From a number in the confusion to its texts, in a real browser: clicked, searched, sorted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from browsing import Visit
from made_up import errors_of, make_errors, make_label_errors
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nbutils.analysis.confused_classes import find_confusions
from nbutils.analysis.errors import Errors
from nbutils.analysis.mistake_groups import group_mistakes
from nbutils.analysis.single_label import SingleLabelErrors
from nbutils.report import Page, page_of_notebook, write_notebook_report, write_summary
from nbutils.screens import list_steps
from nbutils.sections import Sections
from nbutils.views.advice import show_advice
from nbutils.views.confusion import tabulate_confusions, tabulate_pairs
from nbutils.views.mistakes import tabulate_mistakes, tabulate_right


def write_page(folder: Path, errors: Errors) -> Path:
    """Write the sections on confusion, mistakes and advice of the notebook as a page."""
    sections = Sections()
    confusions = sections.run("confusion", find_confusions, errors)
    listed = sections.run("mistakes", group_mistakes, errors)
    assert confusions.value is not None, confusions.why
    assert listed.value is not None, listed.why
    shown = {
        "confusion": [tabulate_confusions(confusions.value), tabulate_pairs(confusions.value)],
        "mistakes": [tabulate_mistakes(listed.value), tabulate_right(listed.value)],
        "advice": [show_advice(sections)],
    }
    cells = [cell for name, views in shown.items() for cell in section_of(name, views)]
    notebook = folder / "errors.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Error analysis"), *cells]), notebook)
    write_notebook_report(notebook, folder / "errors.html", page_of_notebook(notebook))
    return folder / "errors.html"


def section_of(name: str, views: list[Any]) -> list[Any]:
    outputs = [
        new_output("display_data", {"text/html": view._repr_html_(), "text/plain": repr(view)})
        for view in views
    ]
    intro = new_markdown_cell(f"## On {name}", id=f"{name}-intro")
    return [intro, new_code_cell(f"show({name})", outputs=outputs, id=name)]


def overlapping() -> SingleLabelErrors:
    """Return errors of five classes: thirty texts of class 0 are taken for class 1."""
    labels = np.repeat(np.arange(5), 100)
    predicted = labels.copy()
    predicted[:30], predicted[100:102], predicted[300:304] = 1, 0, 2
    return errors_of(labels, predicted, n_classes=5)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("errors"), overlapping())


def visible_rows(visit: Visit, at: int = 0, *, after: int | None = None) -> list[list[str]]:
    """Return the cells of the rows of a table of examples that a reader sees.

    With `after`, once there are so many: a link is followed before its rows are chosen.
    """
    seen = (
        f"[...document.querySelectorAll('.nb-texts')[{at}].querySelectorAll('tbody tr')]"
        ".filter((row) => row.checkVisibility())"
    )
    if after is not None:
        visit.page.wait_for_function(f"(count) => {seen}.length === count", arg=after)
    rows: list[list[str]] = visit.ask(
        f"{seen}.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return rows


def told(visit: Visit) -> str:
    return str(visit.page.get_by_role("status").first.text_content())


def is_seen(visit: Visit, selector: str) -> bool:
    visit.page.wait_for_function(
        "(s) => { const { top, bottom } = document.querySelector(s).getBoundingClientRect();"
        " return bottom > 0 && top < innerHeight; }",
        arg=selector,
    )
    return True


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
def test_click_on_a_cell_lands_on_its_examples(browser, page, width):
    with Visit(browser, page, width=width) as visit:
        assert len(visible_rows(visit)) == 36
        visit.page.get_by_role("link", name="class 3 predicted as class 2: 4").first.click()
        assert is_seen(visit, ".nb-texts tbody tr:not([hidden])")
        rows = visible_rows(visit, after=4)
        assert [row[:2] for row in rows] == [["class 3", "class 2"]] * 4
        assert told(visit) == "4 of 36: class 3 predicted as class 2"
        visit.page.get_by_role("button", name="Show all", exact=True).click()
        assert len(visible_rows(visit)) == 36
        visit.page.get_by_role("link", name="class 3 predicted as class 2: 4").first.click()
        assert len(visible_rows(visit, after=4)) == 4
        assert visit.said == []
        assert visit.foreign_requests == []


@pytest.mark.slow
def test_cell_of_right_predictions_leads_to_those_it_was_least_sure_of(browser, page):
    with Visit(browser, page) as visit:
        link = visit.page.get_by_role("link", name="class 4 predicted rightly: 100")
        link.focus()
        visit.page.keyboard.press("Enter")
        assert is_seen(visit, ".nb-texts:has([id='examples-4-4'])")
        assert [row[:2] for row in visible_rows(visit, 1, after=3)] == [["class 4", "class 4"]] * 3
        assert len(visible_rows(visit, 0)) == 36


@pytest.mark.slow
def test_address_of_a_cell_opens_the_page_on_its_examples(browser, page):
    with Visit(browser, page) as visit:
        visit.page.goto("about:blank")
        visit.page.goto(f"{visit.uri}#examples-1-0")
        assert is_seen(visit, ".nb-texts tbody tr:not([hidden])")
        assert len(visible_rows(visit, after=2)) == 2
        assert told(visit) == "2 of 36: class 1 predicted as class 0"
        visit.page.go_back()


@pytest.mark.slow
def test_table_is_searched(browser, page):
    with Visit(browser, page) as visit:
        every = visible_rows(visit)
        search = visit.page.get_by_role("searchbox", name="Search").first
        search.fill("PROFIT confident")
        rows = visible_rows(visit)
        wanted = [row for row in every if "profit" in row[4] and "confident" in row[3]]
        assert rows == wanted
        assert 0 < len(rows) < len(every)
        assert told(visit) == f"{len(rows)} of 36"
        search.fill("not to be found")
        assert visible_rows(visit) == []
        assert told(visit) == "0 of 36"
        search.fill("")
        assert visible_rows(visit) == every


@pytest.mark.slow
def test_table_is_sorted_by_its_heads(browser, page):
    with Visit(browser, page) as visit:

        def shown() -> list[float]:
            return [float(row[2].rstrip("\xa0%")) for row in visible_rows(visit)]

        head = visit.page.get_by_role("columnheader", name="confidence").first
        button = head.get_by_role("button")
        assert head.get_attribute("aria-sort") is None
        button.focus()
        visit.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert shown() == sorted(shown(), reverse=True)
        assert len(set(shown())) > 10
        button.click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert shown() == sorted(shown())
        visit.page.get_by_role("button", name="true").first.click()
        assert head.get_attribute("aria-sort") is None
        labels = [row[0] for row in visible_rows(visit)]
        assert labels == sorted(labels)


@pytest.mark.slow
def test_advice_leads_to_its_evidence(browser, page):
    with Visit(browser, page) as visit:
        visit.page.get_by_role("link", name="Evidence: confusion").first.click()
        assert is_seen(visit, "[id='cell-id=confusion-intro']")
        assert visit.ask("document.querySelector(':target').textContent").startswith("On confusion")


@pytest.mark.slow
def test_advice_of_the_summary_leads_into_the_page_of_the_errors(browser, page):
    advice = {"action": "Read.", "gain": 0.1, "at_most": False, "section": "confusion"}
    steps = list_steps({"advice": [advice]}, page=page.name)
    write_summary(page.parent / "index.html", Page("study", steps=steps))
    with Visit(browser, page.parent / "index.html") as visit:
        visit.page.get_by_role("link", name="Evidence of step 1").click()
        visit.page.wait_for_url(f"{page.as_uri()}#*")
        assert is_seen(visit, "[id='cell-id=confusion-intro']")


@pytest.mark.slow
def test_without_a_script_a_cell_leads_to_the_first_of_its_examples(browser, page):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.as_uri())
    plain.get_by_role("link", name="class 3 predicted as class 2: 4").first.click()
    row = plain.locator("tr:has(:target)")
    assert row.count() == 1
    assert row.locator("td").first.text_content() == "class 3"
    top = row.bounding_box()["y"]
    assert 0 <= top < plain.viewport_size["height"]
    assert plain.get_by_role("searchbox").count() == 0
    context.close()


def errors_of_kind(kind: str) -> Errors:
    if kind == "labels":
        return make_label_errors(80, 35)
    return make_errors(40 + 3 * int(kind), int(kind), accuracy=0.8)


KINDS = ("2", "8", "50", "150", "labels")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_page_of_any_number_of_classes_fits(browser, tmp_path, kind):
    page = write_page(tmp_path, errors_of_kind(kind))
    for width in (375, 1280):
        with Visit(browser, page, width=width) as visit:
            assert visit.ask("document.documentElement.scrollWidth") <= width
            assert visit.said == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["50", "labels"])
def test_page_of_examples_meets_wcag_2_1_aa(browser, tmp_path, kind, scheme):
    with Visit(browser, write_page(tmp_path, errors_of_kind(kind)), scheme=scheme) as visit:
        assert visit.accessibility_faults() == ""


def test_page_of_many_texts_and_classes_is_small(tmp_path):
    errors = make_errors(100_000, 20, accuracy=0.7, words=120)
    page = write_page(tmp_path, errors)
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    assert not re.search("An output is not shown", text)
    assert text.count("<tr data-in=") >= 1000
