"""The notebooks in a real JupyterLab, used with mouse and keyboard in a real browser.

The tests build on each other, as the notebooks do: data, a training that is stopped early, and its
mistakes, of which there are plenty then.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from laboratory import Desk, copy_project, running_lab, wait_until

pytestmark = pytest.mark.slow

SECONDS = 300.0  # for a whole notebook, on a machine that does other work too
FORM, BROWSER, TRAINING = "ParameterForm(params)", "DataBrowser(", "LiveTraining()"
EXPLORER, ASK = "offer(ConfusionExplorer", "offer(AskModel"
EXPLORERS, OWN_MODEL = "ConfusionExplorer(run", "AskModel(run.saved_model)"
SLIDERS = ("offer(ClassThresholdSlider", "offer(AbstentionSlider")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project as it is cloned; texts are cut short, and a training can be stopped."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    notebook = folder / "notebooks" / "02_fine_tune.ipynb"
    source = notebook.read_text(encoding="utf-8")
    for before, after in (("epochs: int = 3 ", "epochs: int = 100 "), ("= 128 ", "= 32 ")):
        assert source.count(before) == 1
        source = source.replace(before, after)
    notebook.write_text(source, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def lab(project: Path, browser: Any) -> Iterator[str]:
    """Start JupyterLab once; without a browser not at all."""
    with running_lab(project) as address:
        yield address


@pytest.fixture(scope="module")
def data_desk(lab: str, browser: Any) -> Iterator[Desk]:
    """Return the data preparation after Run All."""
    with Desk(browser, lab, "01_data_prep.ipynb") as desk:
        desk.run_all(seconds=SECONDS)
        yield desk


@pytest.fixture(scope="module")
def training_desk(data_desk: Desk, lab: str, browser: Any) -> Iterator[Desk]:
    """Return the fine-tuning after Run All, whose training somebody stopped."""
    with Desk(browser, lab, "02_fine_tune.ipynb") as desk:
        desk.start_all()
        desk.cell(TRAINING)
        desk.page.get_by_role("button", name="Stop training").click(timeout=120_000)
        desk.wait_until_idle(seconds=SECONDS)
        yield desk


@pytest.fixture(scope="module")
def mistakes_desk(training_desk: Desk, lab: str, browser: Any) -> Iterator[Desk]:
    """Return the error analysis after Run All."""
    with Desk(browser, lab, "03_error_analysis.ipynb") as desk:
        desk.run_all(seconds=SECONDS)
        yield desk


def assert_alive(desk: Desk, *sources: str) -> None:
    assert desk.errors() == []
    for source in sources:
        cell = desk.cell(source)
        cell.locator(".jupyter-widgets").first.wait_for(timeout=20_000)
        assert not re.search(r"Error displaying widget|Loading widget", cell.inner_text())


def assert_nothing_fetched(desk: Desk) -> None:
    foreign = [
        url
        for url in desk.requests
        if not re.match(r"(data:|blob:|(http|ws)://127\.0\.0\.1:)", url)
    ]
    assert foreign == []


def test_run_all_prepares_data_with_all_widgets_alive(data_desk: Desk) -> None:
    assert_alive(data_desk, FORM, BROWSER)
    assert_nothing_fetched(data_desk)


@pytest.mark.parametrize("theme", ["Dark", "Light"])
@pytest.mark.parametrize("source", [FORM, BROWSER])
def test_data_widgets_meet_wcag_2_1_aa(data_desk: Desk, source: str, theme: str) -> None:
    data_desk.use_theme(theme)
    assert data_desk.accessibility_faults(data_desk.cell(source)) == ""


def test_texts_are_searched_and_a_corrected_label_lands_in_the_file(
    data_desk: Desk, project: Path
) -> None:
    cell = data_desk.cell(BROWSER)
    cell.get_by_label("Search").fill("rugby wales")
    cell.get_by_text(re.compile(r"^\d\d of [\d,]+ texts")).wait_for(timeout=10_000)
    row = cell.get_by_role("button", name=re.compile(r"^\d+")).first
    example_id = row.inner_text()
    row.focus()
    row.press("Enter")
    cell.get_by_text(re.compile("tokens are read")).wait_for(timeout=10_000)
    assert "rugby" in cell.inner_text().lower()
    cell.get_by_label("New label").select_option(label="tech")
    cell.get_by_role("button", name="Save", exact=True).click()
    path = project / "bbc-news-corrections.csv"
    wait_until(path.is_file, seconds=10, what="the file of corrections")
    with path.open(encoding="utf-8", newline="") as stream:
        (corrected,) = csv.DictReader(stream)
    assert (corrected["example_id"], corrected["corrected_label"]) == (example_id, "tech")


def test_form_refuses_saves_and_runs_the_cells_below(data_desk: Desk, project: Path) -> None:
    cell = data_desk.cell(FORM)
    length = cell.get_by_label("max_length")
    length.fill("3")
    cell.get_by_text(re.compile("greater than or equal to 8|expected .*>= 8")).first.wait_for()
    length.fill("64")
    cell.get_by_text("max_length: 64").first.wait_for()
    cell.get_by_label("study").fill("tried")
    cell.get_by_role("button", name="Save as study file").click()
    path = project / "params" / "tried.yaml"
    wait_until(path.is_file, seconds=10, what="the study file")
    assert "max_length: 64" in path.read_text(encoding="utf-8")
    card = project / "runs" / "data_prep" / "interactive" / "data_card.json"
    before = card.stat().st_mtime_ns
    cell.get_by_role("button", name="Run the cells below").click()
    wait_until(
        lambda: card.is_file() and card.stat().st_mtime_ns != before,
        seconds=SECONDS,
        what="the cells below to have run",
    )
    data_desk.wait_until_idle(seconds=SECONDS)
    assert data_desk.errors() == []
    assert json.loads(card.read_text(encoding="utf-8"))["tokens"]["max_length"] == 64


def test_stopped_training_keeps_its_best_state_and_the_notebook_goes_on(
    training_desk: Desk, project: Path
) -> None:
    assert_alive(training_desk, FORM)
    said = training_desk.cell(TRAINING).inner_text()
    assert re.search(r"by hand after step \d+ of \d+", said)
    assert said.count("memory at most") == 1  # one display, updated in place
    assert training_desk.page.get_by_role("button", name="Stop training").count() == 0
    history = project / "runs" / "fine_tune" / "interactive" / "history.json"
    assert json.loads(history.read_text(encoding="utf-8"))["stopped"].startswith("by hand")
    assert_nothing_fetched(training_desk)


def test_run_all_analyses_errors_with_all_widgets_alive(mistakes_desk: Desk) -> None:
    assert_alive(mistakes_desk, FORM, EXPLORER, *SLIDERS, ASK)
    assert_nothing_fetched(mistakes_desk)


def test_cell_of_the_confusion_opens_its_examples_and_one_is_marked(
    mistakes_desk: Desk, project: Path
) -> None:
    cell = mistakes_desk.cell(EXPLORER)
    number = cell.locator("button[title*=' predicted as ']").last
    count = number.inner_text()
    number.click()
    cell.get_by_text(re.compile(rf" predicted .*: {count} text")).first.wait_for(timeout=10_000)
    cell.get_by_role("button", name="ambiguous").click()
    path = project / "interactive-marks.csv"
    wait_until(path.is_file, seconds=10, what="the file of marks")
    with path.open(encoding="utf-8", newline="") as stream:
        assert [row["mark"] for row in csv.DictReader(stream)] == ["ambiguous"]
    cell.get_by_role("button", name="Which words decided?").click()
    cell.get_by_text(re.compile("completeness error", re.IGNORECASE)).first.wait_for(timeout=60_000)


@pytest.mark.parametrize("source", SLIDERS)
def test_slider_is_moved_by_the_keyboard(mistakes_desk: Desk, source: str) -> None:
    cell = mistakes_desk.cell(source)
    before = cell.inner_text()
    handle = cell.locator(".noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    wait_until(lambda: cell.inner_text() != before, seconds=10, what="other numbers")


def test_model_answers_as_one_types(mistakes_desk: Desk) -> None:
    cell = mistakes_desk.cell(ASK)
    cell.get_by_label("Text", exact=True).press_sequentially("The striker scored twice", delay=20)
    for name in ("business", "entertainment", "politics", "sports", "tech"):
        cell.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
    wait_until(lambda: "striker" in answered(cell), seconds=30, what="the tokens that are read")
    cell.get_by_role("button", name="Upper case").click()
    wait_until(
        lambda: cell.get_by_label("Text", exact=True).input_value().isupper(),
        seconds=10,
        what="the text in capitals",
    )


@pytest.mark.parametrize("theme", ["Dark", "Light"])
@pytest.mark.parametrize("source", [EXPLORER, *SLIDERS, ASK])  # once they have answered
def test_error_widgets_meet_wcag_2_1_aa(mistakes_desk: Desk, source: str, theme: str) -> None:
    mistakes_desk.use_theme(theme)
    assert mistakes_desk.accessibility_faults(mistakes_desk.cell(source)) == ""


def answered(cell: Any) -> str:
    """Return what stands below a cell's code."""
    return str(cell.locator(".jp-Cell-outputWrapper").inner_text())


def test_finished_run_is_chosen_and_two_models_are_asked(
    mistakes_desk: Desk, lab: str, browser: Any
) -> None:
    with Desk(browser, lab, "explore.ipynb") as desk:
        desk.run_all(seconds=SECONDS)
        assert_alive(desk, "picker = RunPicker()", "DataBrowser.of_folder", EXPLORERS, OWN_MODEL)
        picker = desk.cell("picker = RunPicker()")
        picker.get_by_label("Find").fill("no such run")
        picker.get_by_text("No run has all of these words.").wait_for()
        picker.get_by_label("Find").fill("bbc")
        picker.get_by_text(re.compile("^interactive")).first.wait_for()
        assert desk.accessibility_faults(picker) == ""
        both = desk.cell("AskModel(run.saved_model, other")
        both.get_by_label("Text", exact=True).fill("The bank cut its forecast")
        wait_until(
            lambda: answered(both).count("forecast") >= 2, seconds=60, what="answers of both models"
        )
        assert "first: interactive" in answered(both)
        assert "second: interactive" in answered(both)
        assert_nothing_fetched(desk)


def test_benchmark_has_a_form_too(lab: str, browser: Any) -> None:
    with Desk(browser, lab, "benchmark.ipynb") as desk:
        desk.run_up_to(FORM, seconds=SECONDS)
        assert_alive(desk, FORM)
