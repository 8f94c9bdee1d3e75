"""The run picker: chosen by click and from code, in pages, with links that the server follows."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from nbutils.errors import DataError, ParameterError
from nbutils.widgets.run_picker import PAGE, RunPicker
from nbutils.widgets.served import served_at

EVIL = "<script>alert(1)</script>\u202e"


def make_report(project: Path, name: str, *, day: int = 1, **changes: Any) -> Path:
    """Write what is read of a report before more is asked: its manifest, and a first page."""
    score = {"value": changes.get("accuracy", 0.5), "low": 0.25, "high": 0.95, "n": 200}
    manifest = {
        "status": "completed",
        "finished": f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T12:00:00+00:00",
        "command": "nbutils run x.yaml",
        "parameters": {
            "data_prep": {"dataset": changes.get("dataset", "reviews.csv")},
            "fine_tune": {"model": "tiny", "epochs": changes.get("epochs", 3)},
        },
        "stage_keys": {"fine_tune": "0123456789abcdef"},
        "metrics": {"test": {"accuracy": score}},
    }
    folder = project / "reports" / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for page in ("index.html", "02_fine_tune.html"):
        (folder / page).write_text("<p>a page</p>", encoding="utf-8")
    return folder / "index.html"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with three runs; it is the working folder, and no server started it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    for day, (name, accuracy) in enumerate([("old", 0.9), ("middle", 0.7), ("new", 0.8)]):
        make_report(tmp_path, name, day=day, accuracy=accuracy, epochs=2 + (name == "new"))
    return tmp_path


def start_server(project: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Leave what a Jupyter server leaves that is this process's parent."""
    runtime = project / "runtime"
    runtime.mkdir(exist_ok=True)
    noted = {"root_dir": str(project), "base_url": "/"} | changes
    (runtime / "jpserver-77.json").write_text(json.dumps(noted), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("JPY_PARENT_PID", "77")


def lines(picker: RunPicker) -> list[str]:
    return [label.split(" \N{MIDDLE DOT} ")[0] for label, _ in picker._parts.choices.options]


def test_newest_run_is_chosen_before_anybody_looks(project: Path) -> None:
    assert RunPicker().run.name == "new"


def test_line_says_name_score_time_subject_and_what_differs(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    label = picker._parts.choices.options[0][0]
    assert label.startswith("new \N{MIDDLE DOT} accuracy 80.0 % (25.0 to 95.0, 200 texts)")
    assert "2026-01-03" in label
    assert label.endswith("tiny on reviews.csv \N{MIDDLE DOT} epochs=3")


def test_line_that_is_clicked_is_the_run(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    picker._parts.choices.index = 2
    assert picker.run.name == "old"
    assert "old" in picker._parts.facts.value
    assert "accuracy 90.0 %" in picker._parts.facts.value


def test_order_and_search_keep_what_is_chosen(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    picker._parts.order.value = "score"
    assert lines(picker) == ["old", "new", "middle"]
    assert picker._parts.choices.index == 1
    picker.filter("epochs=2")
    assert lines(picker) == ["old", "middle"]
    assert picker._parts.find.value == "epochs=2"
    assert (picker._parts.choices.index, picker.run.name) == (None, "new")
    picker.filter("nowhere")
    assert lines(picker) == []
    assert "No run has all of these words" in picker._parts.facts.value
    picker.sort("name")
    picker.filter("")
    assert lines(picker) == ["middle", "new", "old"]
    assert picker._parts.order.value == "name"


def test_typing_filters_after_a_moment(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    for typed in ("m", "mi", "mid"):
        picker._parts.find.value = typed
    deadline = time.monotonic() + 10
    while lines(picker) != ["middle"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lines(picker) == ["middle"]


def test_run_is_chosen_by_its_name_and_nearly_right_ones_are_suggested(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    picker.choose("middle")
    assert (picker.run.name, picker._parts.choices.index) == ("middle", 1)
    picker.choose(picker.runs[2])
    assert picker.run.name == "old"
    with pytest.raises(ParameterError, match=r"run 'midle': no such run; did you mean 'middle'\?"):
        picker.choose("midle")


def test_refresh_finds_new_runs_and_keeps_the_chosen_one(project: Path) -> None:
    picker = RunPicker()
    assert picker.view is not None
    picker.choose("middle")
    make_report(project, "newer", day=9)
    picker._parts.refresh.click()
    assert lines(picker) == ["newer", "new", "middle", "old"]
    assert picker.run.name == "middle"
    assert "4 finished runs" in picker._status.value
    for path in (project / "reports" / "middle").iterdir():
        path.unlink()
    picker.refresh()
    assert picker.run.name == "newer"


def test_many_runs_are_sent_by_the_page(project: Path) -> None:
    for k in range(100):
        make_report(project, f"run {k}", day=30 + k)
    picker = RunPicker()
    assert picker.view is not None
    parts = picker._parts
    assert (lines(picker)[0], len(lines(picker)), parts.earlier.disabled) == ("run 99", PAGE, True)
    assert parts.place.value == "1 to 15 of 103"
    parts.later.click()
    assert lines(picker)[0] == "run 84"
    parts.choices.index = 1
    assert picker.run.name == "run 83"
    picker.page(99)
    assert (parts.place.value, parts.later.disabled) == ("91 to 103 of 103", True)
    parts.earlier.click()
    assert parts.place.value == "76 to 90 of 103"
    picker.choose("run 83")
    assert parts.place.value == "16 to 30 of 103"
    assert len(picker.twin._repr_html_()) < 20_000


def test_empty_project_says_how_to_make_a_run_and_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picker = RunPicker()
    assert picker.view is not None
    assert "make one: nbutils run params/quickstart.yaml" in picker._parts.facts.value
    assert "make one" in repr(picker)
    with pytest.raises(DataError, match=r"^expected a finished run, found none; make one: "):
        _ = picker.run
    make_report(tmp_path, "first")
    picker._parts.refresh.click()
    assert picker.run.name == "first"


def test_twin_is_a_table_that_stands_in_for_the_widget(project: Path) -> None:
    bundle = RunPicker()._repr_mimebundle_()
    assert "3 finished runs" in bundle["text/html"]
    assert "old" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_names_from_outside_are_shown_and_do_nothing(project: Path) -> None:
    make_report(project, "<b>bold", day=20, dataset=EVIL)
    picker = RunPicker()
    assert picker.view is not None
    shown = picker._parts.facts.value + picker.twin._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "\u202e" not in shown + "".join(picker._parts.choices.options[0][0])


def test_pages_are_linked_through_the_notebooks_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_server(project, monkeypatch, base_url="/user/a b/")
    make_report(project, "100% <b>", day=20)
    picker = RunPicker()
    assert picker.view is not None
    shown = picker._parts.facts.value
    address = "/user/a%20b/files/reports/100%25%20%3Cb%3E"
    assert f'href="{address}/index.html" target="_blank"' in shown
    assert f'href="{address}/02_fine_tune.html"' in shown
    assert "noreferrer" not in shown  # the server would refuse
    assert "reports/100% &lt;b&gt;/index.html" in shown


def test_report_is_told_in_words_where_no_server_shows_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served_at(project / "reports" / "new" / "index.html") is None
    picker = RunPicker()
    assert picker.view is not None
    assert "reports/new/index.html" in picker._parts.facts.value
    assert "open it in a browser" in picker._parts.facts.value
    assert "href" not in picker._parts.facts.value
    start_server(project, monkeypatch, root_dir=str(project / "notebooks"))
    assert served_at(project / "reports" / "new" / "index.html") is None


@pytest.mark.parametrize(
    "changes", [{"root_dir": None}, {"base_url": "https://elsewhere/"}, {"base_url": 3}]
)
def test_server_that_says_something_odd_is_not_linked_to(
    project: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    page = project / "reports" / "new" / "index.html"
    start_server(project, monkeypatch)
    assert served_at(page) == "/files/reports/new/index.html"
    start_server(project, monkeypatch, **changes)
    assert served_at(page) is None


def test_hidden_folders_are_not_linked_to(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_server(project, monkeypatch)
    assert served_at(make_report(project / ".kept", "new")) is None


@pytest.mark.parametrize("parent", ["", "x", "78"])
def test_kernel_without_a_server_links_to_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    start_server(project, monkeypatch)
    monkeypatch.setenv("JPY_PARENT_PID", parent)
    assert served_at(project / "reports" / "new" / "index.html") is None


def test_run_of_jupyterlab_has_no_report_and_says_so(project: Path) -> None:
    folder = project / "runs" / "data_prep" / "interactive"
    folder.mkdir(parents=True)
    card = {"label_names": ["a", "b"], "source": "x.csv", "parameters": {"dataset": "x.csv"}}
    (folder / "data_card.json").write_text(json.dumps(card), encoding="utf-8")
    os.utime(folder / "data_card.json", (4_000_000_000,) * 2)
    picker = RunPicker()
    assert picker.view is not None
    assert picker.run.name == "interactive"
    assert "It has no report" in picker._parts.facts.value
    assert "run 02_fine_tune.ipynb" in picker._parts.facts.value
