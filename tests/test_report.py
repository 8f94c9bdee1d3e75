from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from browsing import Visit
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nbutils import plots
from nbutils.errors import DataError
from nbutils.report import (
    Comparison,
    Fact,
    Link,
    Page,
    Step,
    headline_figures,
    page_of_notebook,
    read_manifest,
    render_notebook,
    write_notebook_report,
    write_site,
    write_summary,
)
from nbutils.report.figures import Figure, render_figure
from nbutils.report.markup import Markup
from nbutils.report.page import embed_json, render_console
from nbutils.tables import Facts, Note, Table, TextExamples

BANNER = "papermill-error-cell-tag"
HOSTILE = (
    "<script>window.hacked=1;alert(1)</script></script></style></title>{{ 7*7 }}{% raw %}"
    "\x1b[31mred\u202eevil\u2028<img src=x onerror=alert(2)><svg onload=alert(3)>\"'&amp;"
)
# As a hostile notebook would write it itself, where nothing of ours could escape it.
HOSTILE_HTML = """
<p id="main" onclick="alert(4)" style="background:url(http://example.invalid/a.png)">kept text</p>
<script>window.hacked=2</script><script src="http://example.invalid/x.js"></script>
<iframe src="http://example.invalid/"></iframe><img src="http://example.invalid/p.png" alt="beacon">
<a href="javascript:alert(5)">link</a><a href="https://example.invalid/">out</a>
<style>@import "http://example.invalid/x.css";</style><link rel="stylesheet" href="http://a.invalid">
<form action="http://example.invalid/"><input autofocus onfocus="alert(6)"></form>
<meta http-equiv="refresh" content="0;url=http://example.invalid/"></div></main></body>
<table><tr><td>cell</td></tr></table><svg><script>window.hacked=3</script></svg>
<div data-examples="none"><i class="nb-scroll"></i></div>
"""
HOSTILE_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="90pt" height="30pt" viewBox="0 0 90 30" onload="alert(7)"><script>window.hacked=4'
    '</script><style>*{display:none}</style><image href="http://example.invalid/i.png"/>'
    '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml" onload="alert(8)"/></foreignObject>'
    '<a xlink:href="javascript:alert(9)"><text>no</text></a><path id="p" d="M0 0" '
    'style="fill:#1a1f26;filter:url(http://example.invalid/f)"/><use xlink:href="#p"/></svg>'
)
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


def display(*shown: Any) -> list[Any]:
    return [
        new_output("display_data", {"text/html": one._repr_html_(), "text/plain": repr(one)})
        for one in shown
    ]


def draw(ax: Any) -> Any:
    svg, alt = plots.to_svg(ax.figure), plots.alt_text(ax.figure)
    return new_output("display_data", {"image/svg+xml": svg, "text/plain": alt})


def code(source: str, *outputs: Any, tags: tuple[str, ...] = (), **metadata: Any) -> Any:
    cell = new_code_cell(source, outputs=list(outputs), execution_count=1)
    cell.metadata.update(metadata | {"tags": list(tags)})
    return cell


def write(folder: Path, name: str, *cells: Any, **metadata: Any) -> Path:
    notebook = new_notebook(cells=list(cells), metadata=metadata)
    for at, cell in enumerate(notebook.cells):
        cell.id = f"cell-{at}"
    nbformat.write(notebook, folder / name)
    return folder / name


def a_comparison(text: str = "Below: ours is lower by 1.2 points.") -> Comparison:
    return Comparison(
        outcome="below",
        verdict=text,
        ours=Fact("Ours, test accuracy", "96.6 %", "95 % interval 95.7 to 97.3, 2,189 texts"),
        theirs=Fact("Theirs, test accuracy", "97.8 %", text),
        our_protocol=(Fact("Model", text), Fact("Runs", "one, seed 42")),
        their_protocol=(Fact("Protocol", text),),
        cautions=(text,),
        shares=(0.966, 0.957, 0.973, 0.978),
    )


def a_page(**changes: Any) -> Page:
    says: dict[str, Any] = {
        "title": "Where the quickstart fails",
        "lead": "News articles, classified by a fine-tuned BERT.",
        "facts": (
            Fact("Test accuracy", "97.9 %", "95 % interval 96.1 to 98.9 %, 436 texts"),
            Fact("Baseline", "95.7 %", "TF-IDF with logistic regression"),
        ),
        "verdicts": ("BERT beats the baseline by 2.2 points.",),
        "cautions": ("learning_rate 0.0003 is above 0.0001.",),
        "comparison": a_comparison(),
        "rerun": "nbutils run params/quickstart.yaml",
        "links": (
            Link("Summary", "index.html", detail="All on one page."),
            Link("3 Errors", "03_error_analysis.html", current=True),
        ),
        "parameters": {"seed": 42, "fine_tune": {"epochs": 3, "revision": None}},
        "manifest": {"name": "quickstart", "status": "completed"},
    }
    return Page(**(says | changes))


def good_notebook(folder: Path) -> Path:
    names = ["sport", "tech", "politics"]
    scores = pd.DataFrame({"F1": [0.9, 0.95, 0.99], "texts": [1, 2, 3]}, index=names)
    wide = pd.DataFrame(np.arange(40).reshape(2, 20), columns=[f"column_{n}" for n in range(20)])
    confusion = plots.plot_confusion(5 * np.eye(3, dtype=int), label_names=names, normalised=True)
    many = plots.plot_confusion(
        np.eye(100, dtype=int), label_names=[f"class {n}" for n in range(100)], normalised=True
    )
    history = pd.DataFrame({"step": [1, 2, 3], "loss": [1.0, 0.5, 0.2]})
    examples = pd.DataFrame({"text": ["A text."], "confidence": [0.98], "true": ["sport"]})
    return write(
        folder,
        "good.ipynb",
        new_markdown_cell("# Error analysis\n\nWhere it fails. See [the data](data.json)."),
        code("epochs: int = 3\nname = 'x'", tags=("parameters",)),
        new_markdown_cell("## Confusion\n\n- blue is *right*\n\n### Results\n\n`a`\n\n```\nb\n```"),
        code("show(confusion)", draw(confusion), tags=("headline",)),
        code("show(many)", draw(many)),
        new_markdown_cell("### Results\n\nThe same heading again."),
        code("Table(scores)", *display(Table(scores, "Scores"), Table(wide, "Wide"))),
        code(
            "many(things)",
            *display(Facts({"a": 1}, "Facts"), Note("Mind.", "caution"), Note("Yes.", "good")),
            *display(Note("So."), TextExamples(examples, "Mistakes")),
            draw(plots.plot_loss_curves(history, history, best_step=2)),
            new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"}),
            new_output("display_data", {"text/markdown": "*hello*"}),
            new_output("execute_result", {"text/html": scores._repr_html_()}, execution_count=1),
            new_output("stream", name="stdout", text="\x1b[32mgreen\x1b[0m\n 50%\r100% done\n"),
            new_output("stream", name="stderr", text="UserWarning: mind\n"),
        ),
    )


def failed_notebook(folder: Path) -> Path:
    traceback = ["\x1b[31mValueError\x1b[0m Traceback", "----> 1 train()", "ValueError: found 7"]
    return write(
        folder,
        "failed.ipynb",
        new_markdown_cell(
            "An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]}
        ),
        new_markdown_cell("# Fine-tuning"),
        code(
            "train()",
            new_output("error", ename="ValueError", evalue="found 7", traceback=traceback),
            papermill={"status": "failed", "duration": 2.5},
        ),
        code("print('never')", papermill={"status": "pending"}),
        papermill={"exception": True, "parameters": {"epochs": 3}},
    )


def hostile_notebook(folder: Path) -> Path:
    frame = pd.DataFrame({HOSTILE: [HOSTILE], "text": [HOSTILE]}, index=[HOSTILE])
    matrix = plots.plot_confusion(
        np.array([[3, 1], [0, 2]]), label_names=[HOSTILE, "x" * 10**6], normalised=True
    )
    megabyte = new_output("stream", name="stdout", text="y" * 1_048_576)
    return write(
        folder,
        "hostile.ipynb",
        new_markdown_cell("# " + HOSTILE.replace("\u2028", "") + "\n\n" + HOSTILE_HTML),
        new_markdown_cell(
            "## {{ 7*7 }} <b onclick=alert(1)>bold</b>\n\n![far](http://a.invalid/x.png)"
        ),
        code(f"name = {HOSTILE!r}", tags=("injected-parameters",)),
        code(
            HOSTILE,
            *display(Table(frame, HOSTILE), Facts({HOSTILE: HOSTILE}, HOSTILE), Note(HOSTILE)),
            *display(TextExamples(frame, HOSTILE)),
            draw(matrix),
            megabyte,
            new_output("stream", name="stderr", text=HOSTILE),
            new_output("display_data", {"text/html": HOSTILE_HTML, "text/plain": "x"}),
            new_output("display_data", {"image/svg+xml": HOSTILE_SVG, "text/plain": HOSTILE}),
            new_output("display_data", {"image/svg+xml": "<svg><broken", "text/plain": "x"}),
            new_output("display_data", {"text/markdown": HOSTILE_HTML}),
            new_output("display_data", {"text/plain": HOSTILE}),
            new_output("display_data", {"text/latex": HOSTILE}),
            new_output("display_data", {"application/javascript": "window.hacked=5"}),
            new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
            tags=("headline",),
        ),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    good, hostile = good_notebook(folder), hostile_notebook(folder)
    failed = failed_notebook(folder)
    study = folder / "reports" / "quickstart"
    write_notebook_report(good, study / "03_error_analysis.html", a_page())
    write_summary(study / "index.html", a_page(title="quickstart"), headline_figures(good))
    write_study(study, {"name": "quickstart", "finished": "2026-05-04T12:31:00Z"})
    write_notebook_report(failed, folder / "failed.html", page_of_notebook(failed))
    says = dict.fromkeys(("title", "lead", "problem", "rerun"), HOSTILE)
    page = a_page(
        **says,
        status="failed",
        facts=(Fact(HOSTILE, HOSTILE, HOSTILE),),
        verdicts=(HOSTILE,),
        cautions=(HOSTILE,),
        comparison=a_comparison(HOSTILE),
        links=(Link(HOSTILE, "index.html", detail=HOSTILE),),
        parameters={HOSTILE: HOSTILE, "section": {HOSTILE: [HOSTILE]}},
        manifest={"name": HOSTILE, HOSTILE: [HOSTILE]},
    )
    evil = folder / "reports" / "<img src=x onerror=alert(1)>{{ 7*7 }}"
    write_notebook_report(hostile, folder / "hostile.html", page)
    write_summary(evil / "index.html", page, headline_figures(hostile))
    write_study(evil, {"name": HOSTILE, "status": HOSTILE, "finished": HOSTILE})
    (folder / "reports" / "broken").mkdir()
    write_site(folder / "reports")
    return folder


def write_study(folder: Path, manifest: dict[str, Any]) -> None:
    accuracy = {"value": 0.979, "low": 0.961, "high": 0.989, "n": 436}
    metrics = {"test": {"accuracy": accuracy}, "baseline": {"accuracy": {"value": 0.957}}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


PAGES = (
    "reports/index.html",
    "reports/quickstart/index.html",
    "reports/quickstart/03_error_analysis.html",
    "reports/<img src=x onerror=alert(1)>{{ 7*7 }}/index.html",
    "failed.html",
    "hostile.html",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [375, 1280])
def test_page_asks_no_host_runs_nothing_foreign_and_fits(site, browser, name, width):
    with Visit(browser, site / name, width=width) as visit:
        visit.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        foreign = [url for url in visit.requests if url not in {visit.uri, "data:,"}]
        assert foreign == []
        assert visit.said == []
        assert visit.ask("typeof window.hacked") == "undefined"
        assert visit.ask("document.documentElement.scrollWidth") <= width
        assert visit.ask("document.querySelectorAll('main').length") == 1
        assert visit.ask("[...document.querySelectorAll('img')].every((i) => i.alt)")
        assert visit.ask(
            "[...document.querySelectorAll('.nb-figure svg')].every("
            "(s) => s.getAttribute('role') === 'img' && s.getAttribute('aria-label'))"
        )
        ids = visit.ask("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_page_meets_wcag_2_1_aa(site, browser, name):
    from axe_playwright_python.sync_playwright import Axe

    levels = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    contrast = {"type": "rule", "values": ["color-contrast"]}  # all that the dark page changes
    with Visit(browser, site / name) as visit:
        visit.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        for scheme, only in (("light", levels), ("dark", contrast)):
            visit.page.emulate_media(color_scheme=scheme)
            result = Axe().run(visit.page, options={"runOnly": only})
            assert result.violations_count == 0, scheme + result.generate_report()


@pytest.mark.slow
def test_policy_stops_scripts_that_no_cleaning_saw(site, browser, tmp_path):
    page = tmp_path / "page.html"
    text = (site / "failed.html").read_text(encoding="utf-8")
    page.write_text(
        text.replace(
            "</h1>", "</h1><script>window.hacked=1</script><img src=x onerror='hacked=2'>"
        ),
        encoding="utf-8",
    )
    with Visit(browser, page) as visit:
        assert visit.ask("typeof window.hacked") == "undefined"
        assert visit.ask("document.documentElement.className") == "js"
        assert any("Content Security Policy" in said for said in visit.said)


@pytest.mark.slow
def test_code_is_folded_and_one_button_unfolds_all(site, browser):
    with Visit(browser, site / PAGES[2]) as visit:
        count_open = "document.querySelectorAll('details.code[open]').length"
        folded = visit.ask("document.querySelectorAll('details.code').length")
        assert folded >= 4
        assert visit.ask(count_open) == 0
        visit.page.get_by_role("button", name="Show all code").click()
        assert visit.ask(count_open) == folded
        visit.page.get_by_role("button", name="Hide all code").click()
        assert visit.ask(count_open) == 0


@pytest.mark.slow
def test_figures_follow_light_and_dark(site, browser):
    ink = "getComputedStyle(document.querySelector('.nb-figure svg text')).fill"
    with Visit(browser, site / PAGES[2]) as visit:
        assert visit.ask(ink) == "rgb(26, 31, 38)"
        visit.page.get_by_role("button", name="Switch between light and dark").click()
        assert visit.ask(ink) == "rgb(233, 235, 238)"
    with Visit(browser, site / PAGES[2], scheme="dark") as visit:
        assert visit.ask(ink) == "rgb(233, 235, 238)"


@pytest.mark.slow
def test_page_prints_results_without_code_and_navigation(site, browser):
    with Visit(browser, site / PAGES[2], scheme="dark") as visit:
        visit.page.emulate_media(media="print")
        assert not visit.page.locator("details.code").first.is_visible()
        assert not visit.page.locator(".contents").is_visible()
        assert visit.ask("getComputedStyle(document.body).color") == "rgb(26, 31, 38)"


@pytest.mark.slow
def test_contents_lead_to_the_headings_and_fold_on_a_phone(site, browser):
    with Visit(browser, site / PAGES[2]) as visit:
        anchors = visit.ask(
            "[...document.querySelectorAll('.contents a')].map((a) => a.hash.slice(1))"
        )
        assert anchors == ["confusion", "results", "results-2", "how-it-was-made"]
        assert visit.ask(f"{json.dumps(anchors)}.every((id) => document.getElementById(id))")
    with Visit(browser, site / PAGES[2], width=375) as visit:
        assert not visit.page.get_by_role("link", name="Confusion", exact=True).is_visible()


@pytest.mark.slow
def test_hostile_text_is_shown_as_it_is(site, browser):
    with Visit(browser, site / "hostile.html") as visit:
        shown = visit.ask("document.querySelector('h1').textContent")
        assert shown.startswith("<script>window.hacked=1;alert(1)</script></script>")
        assert "{{ 7*7 }}{% raw %}" in shown
        assert "[ESC][31mred[U+202E]evil[U+2028]<img src=x onerror=alert(2)>" in shown
        title = visit.page.title()
        assert title.startswith("<script>")
        body = visit.ask("document.body.textContent")
        assert "kept text" in body
        assert "[image not embedded: beacon; http://example.invalid/p.png]" in body
        assert "(1,048,576 characters)" in body


@pytest.mark.parametrize("name", PAGES)
def test_page_is_small_and_carries_no_unseen_characters(site, name):
    text = (site / name).read_text(encoding="utf-8")
    assert len(text.encode()) < 400_000
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", text)
    assert text.startswith("<!doctype html>")
    assert '<html lang="en">' in text
    assert "Content-Security-Policy" in text
    assert "unsafe-inline'; script" not in text


def test_same_notebook_gives_the_same_page(site):
    first, second = (render_notebook(site / "good.ipynb", a_page()) for _ in range(2))
    assert first == second


def test_cells_are_reached_by_their_ids(site):
    page = render_notebook(site / "good.ipynb", a_page())
    found = re.findall(r'id="(cell-id=[^"]*)"', page)
    assert found == [f"cell-id=cell-{at}" for at in range(8)]


def test_steps_lead_to_their_evidence(site):
    steps = (Step("Check <b>14</b> labels.", "Worth about 1 point.", "#cell-id=cell-0"),)
    text = render_notebook(site / "good.ipynb", a_page(steps=steps))
    hero = text[text.index("<main") : text.index('id="contents"')]
    assert "Check &lt;b&gt;14&lt;/b&gt; labels." in hero
    assert 'href="#cell-id=cell-0"' in hero
    assert 'id="cell-id=cell-0"' in text
    assert "What to do next" not in render_notebook(site / "good.ipynb", a_page())


def test_first_screen_holds_the_headline_figure_before_the_contents(site):
    text = render_notebook(site / "good.ipynb", a_page())
    hero = text[text.index("<main") : text.index('id="contents"')]
    for said in ("97.9 %", "95 % interval", "Baseline", "beats the baseline", "nbutils run"):
        assert said in hero
    assert hero.count("nb-figure") == 1
    assert text.count("<h1") == 1


@pytest.mark.parametrize("name", ["reports/quickstart/index.html", "hostile.html"])
def test_manifest_comes_back_from_the_page(site, name):
    expected = (
        {"name": HOSTILE, HOSTILE: [HOSTILE]} if "hostile" in name else dict(a_page().manifest)
    )
    assert read_manifest(site / name) == expected


def test_manifest_of_another_page_is_refused(tmp_path):
    (tmp_path / "other.html").write_text("<p>hello", encoding="utf-8")
    with pytest.raises(DataError, match=r"other\.html: expected a report of nbutils"):
        read_manifest(tmp_path / "other.html")
    with pytest.raises(DataError, match=r"none\.html: cannot be read"):
        read_manifest(tmp_path / "none.html")


def test_embedded_json_cannot_end_its_script():
    text = embed_json({"</script>": "\u2028 & <!--"})
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {"</script>": "\u2028 & <!--"}


def test_failed_notebook_says_so_first(site):
    page = page_of_notebook(site / "failed.ipynb")
    assert (page.status, page.title) == ("failed", "Fine-tuning")
    assert page.problem.startswith("Cell 1 stopped with ValueError: found 7\n")
    assert page.parameters == {"epochs": 3}
    text = (site / "failed.html").read_text(encoding="utf-8")
    assert text.index("This run failed") < text.index('class="facts"')
    assert 'href="#failed-cell"' in text
    assert text.count('id="failed-cell"') == 1
    assert "not run" in text
    assert "An Exception was encountered" not in text


def test_pending_cells_without_an_error_are_an_interruption(tmp_path):
    path = write(tmp_path, "n.ipynb", code("1"), code("2", papermill={"status": "pending"}))
    assert page_of_notebook(path).status == "interrupted"


def test_plain_notebook_needs_no_heading_and_no_output(tmp_path):
    path = write(tmp_path, "plain.ipynb", code("1 + 1"), new_markdown_cell("text"))
    page = page_of_notebook(path)
    assert (page.status, page.title) == ("completed", "plain")
    assert "<nav" not in render_notebook(path, page)
    assert render_notebook(write(tmp_path, "empty.ipynb"), page)


def test_file_that_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "n.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"n\.ipynb: expected a Jupyter notebook"):
        page_of_notebook(tmp_path / "n.ipynb")
    with pytest.raises(DataError, match=r"none\.ipynb: cannot be read"):
        page_of_notebook(tmp_path / "none.ipynb")


def test_widgets_and_messages_of_our_own_are_left_out(tmp_path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    path = write(
        tmp_path,
        "n.ipynb",
        code("a", new_output("display_data", widget)),
        code("b", new_output("display_data", widget | {"text/html": "<p>the twin</p>"})),
        code("c", new_output("display_data", {"text/plain": "gone()", "text/html": ""})),
        code("d", new_output("display_data", {"application/vnd.nbutils.progress+json": {"x": 1}})),
        code("hidden()", tags=("remove_cell",)),
        widgets={"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}},
    )
    text = render_notebook(path, Page("n"))
    assert "VBox" not in text
    assert "vnd." not in text
    assert "hidden()" not in text
    assert "<p>the twin</p>" in text


def test_parameters_cell_is_a_table(site):
    text = render_notebook(site / "good.ipynb", Page("n"))
    assert re.search(r"epochs</bdi></code></th><td><code><bdi[^>]*>3<", text)


def test_headline_figures_are_those_of_tagged_cells(site):
    (figure,) = headline_figures(site / "good.ipynb")
    assert figure.alt.startswith("Confusion matrix, share of each true class")


def test_ids_inside_figures_are_their_own():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="72pt" height="72pt"><path id="m" style="fill:#1a1f26;clip-path:url(#c)"/>'
        '<use xlink:href="#m"/></svg>'
    )
    text = render_figure(Figure(svg, 'says "x"'), name="fig7")
    assert 'id="fig7-m"' in text
    assert 'href="#fig7-m"' in text
    assert "fill:var(--fig-ink);clip-path:url(#fig7-c)" in text
    assert 'aria-label="says &quot;x&quot;"' in text
    assert 'viewBox="0 0 96 96"' in text


def test_hostile_figure_keeps_nothing_that_acts():
    text = render_figure(Figure(HOSTILE_SVG, "x"), name="f")
    assert not re.search(r"script|onload|http://e|foreign|javascript|<style|filter", text)
    assert "not well-formed" in render_figure(Figure("<svg", "x"), name="f")
    assert "not SVG" in render_figure(Figure("<p/>", "x"), name="f")


def test_cleaning_keeps_what_shows():
    kept = "<p>a <b>b</b> <code>c</code></p><ul><li>d</li></ul>"
    assert Markup().clean(kept) == kept
    styled = '<style type="text/css">#T_1 td { color: red }</style>'
    assert Markup().clean(styled) == styled
    link = '<a href="data/card.json#part">x</a>'
    assert Markup().clean(link) == link
    for href in ("javascript:alert(1)", " JaVa\tscript:alert(1)", "data:text/html,x", "vbscript:x"):
        assert Markup().clean(f'<a href="{href}">x</a>') == "<a>x</a>"


def test_console_keeps_the_last_state_of_a_progress_line():
    assert render_console("10%\r50%\r100%\ndone\r\n<b>") == "100%\ndone\n&lt;b&gt;"


def test_site_lists_good_and_broken_studies_the_newest_first(tmp_path):
    for name, finished in (("old", "2026-01-01T00:00:00"), ("new", "2026-02-01T00:00:00")):
        (tmp_path / name).mkdir()
        write_study(tmp_path / name, {"name": name, "finished": finished})
        (tmp_path / name / "index.html").write_text("x", encoding="utf-8")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "manifest.json").write_text("{", encoding="utf-8")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "odd" / "metrics.json").write_text('{"test": [1]}', encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    text = write_site(tmp_path).read_text(encoding="utf-8")
    places = [text.index(f">{name}<") for name in ("new", "old", "odd", "torn")]
    assert places == sorted(places)
    assert 'href="./new/index.html"' in text
    assert "97.9 %" in text
    assert "96.1 % to 98.9 %, 436 texts" in text
    assert "torn/" not in text
    assert "cannot be read" in text
    assert ".hidden" not in text


def test_comparison_is_drawn_to_scale_and_left_out_without_a_target(site):
    assert a_comparison().places == pytest.approx((3 / 7, 0, 16 / 21, 1))
    same = dataclasses.replace(a_comparison(), shares=(1.0, 1.0, 1.0, 1.0))
    assert same.places == (0.5, 0.5, 0.5, 0.5)
    text = render_notebook(site / "good.ipynb", a_page())
    assert text.count("Did we reproduce the paper?") == 1
    plain = render_notebook(site / "good.ipynb", a_page(comparison=None))
    assert "Did we reproduce" not in plain


def test_site_of_nothing_is_a_page(tmp_path):
    text = write_site(tmp_path / "reports").read_text(encoding="utf-8")
    assert "No study has been run yet." in text
