"""Finished runs found again and opened: by name, by path, pruned, unfinished, or damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_reviews

import nbutils
from nbutils.artifacts import LAST_ARTIFACT, STAGES, read_json
from nbutils.errors import DataError, ParameterError
from nbutils.finished_runs.scores import read_score
from nbutils.params.error_analysis import SECTIONS
from nbutils.params.study import Study
from nbutils.study import run_study

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "nbutils run tiny.yaml"


@pytest.fixture(scope="module")
def finished(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which one study has run; what uses it leaves it as it is."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "notebooks", project / "notebooks")
    make_reviews(60).to_csv(project / "reviews.csv", index=False)
    study = Study.of(
        {
            "name": "tiny",
            "data_prep": {"dataset": str(project / "reviews.csv"), "test_size": 0.3},
            "fine_tune": {"model": str(tiny_bert), "max_length": 16, "epochs": 2, "batch_size": 8},
            "error_analysis": {"skip": list(SECTIONS)},
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        run_study(study, command=COMMAND)
    return project


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project, which is the working folder."""
    copy = tmp_path / "project"
    shutil.copytree(finished, copy)
    monkeypatch.chdir(copy)
    return copy


def stage_folder(project: Path, stage: str) -> Path:
    key = read_json(project / "reports" / "tiny" / "manifest.json")["stage_keys"][stage]
    return project / "runs" / stage / str(key)


def make_interactive(project: Path, *stages: str) -> None:
    """Leave what the notebooks leave in JupyterLab, in their order; there are no reports."""
    for second, stage in enumerate(stages):
        folder = project / "runs" / stage / "interactive"
        shutil.copytree(stage_folder(project, stage), folder)
        (folder / "stage.json").unlink()
        os.utime(folder / LAST_ARTIFACT[stage], (1_700_000_000 + second,) * 2)
    if "fine_tune" in stages:
        noted = project / "runs" / "fine_tune" / "interactive" / "history.json"
        data_dir = {"data_dir": str(project / "runs" / "data_prep" / "interactive")}
        noted.write_text(json.dumps(read_json(noted) | data_dir), encoding="utf-8")
    shutil.rmtree(project / "reports")


def change_manifest(project: Path, **changes: Any) -> None:
    path = project / "reports" / "tiny" / "manifest.json"
    path.write_text(json.dumps(read_json(path) | changes), encoding="utf-8")


def test_run_is_opened_with_all_that_it_left(project: Path) -> None:
    run = nbutils.open_run("tiny")
    tune = stage_folder(project, "fine_tune")
    assert (run.name, run.model_dir) == ("tiny", tune)
    assert run.data_dir == stage_folder(project, "data_prep")
    assert run.metrics == read_json(tune / "metrics.json")
    assert run.params.fine_tune.epochs == 2
    assert run.params.error_analysis.skip == list(SECTIONS)
    assert run.report == project / "reports" / "tiny" / "index.html"
    assert set(run.data) == {"train", "validation", "test"}
    assert run.label_names == ("neg", "pos")
    assert len(run.errors.test) == run.metrics["test"]["accuracy"]["n"]
    assert run.findings == read_json(stage_folder(project, "error_analysis") / "findings.json")


def test_model_of_a_run_gives_the_predictions_of_the_run(project: Path) -> None:
    run = nbutils.open_run("tiny")
    test = run.predictions[run.predictions["split"] == "test"]
    found = run.model.predict(list(run.data["test"]["text"])).pred_probs
    kept = test[["prob_neg", "prob_pos"]].to_numpy()
    np.testing.assert_allclose(found, kept, atol=1e-6)
    assert run.saved_model.folder == run.model_dir


def test_projects_run_is_found_from_the_notebooks_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "notebooks")
    assert nbutils.open_run("tiny").model_dir == stage_folder(project, "fine_tune")
    assert nbutils.open_run("reports/tiny/index.html").name == "tiny"
    assert [run.name for run in nbutils.list_runs()] == ["tiny"]


@pytest.mark.parametrize("place", ["", "index.html", "02_fine_tune.html", "manifest.json"])
def test_run_is_opened_from_a_page_of_its_report(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    monkeypatch.chdir(tmp_path)  # another project's
    run = nbutils.open_run(project / "reports" / "tiny" / place)
    assert (run.name, run.model_dir) == ("tiny", stage_folder(project, "fine_tune"))


@pytest.mark.parametrize("stage", STAGES)
def test_run_is_opened_from_each_of_its_stage_folders(project: Path, stage: str) -> None:
    assert nbutils.open_run(stage_folder(project, stage)).name == "tiny"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_folder_without_a_report_brings_the_stages_that_it_was_made_from(
    project: Path, stage: str
) -> None:
    folder = stage_folder(project, stage)
    shutil.rmtree(project / "reports")
    run = nbutils.open_run(folder)
    assert list(run.folders) == list(STAGES[: STAGES.index(stage) + 1])
    assert (run.name, run.report) == (folder.name, None)
    assert run.params.data_prep.test_size == 0.3
    assert len(run.data["test"]) > 0
    assert run.label_names == ("neg", "pos")


def test_stage_folder_made_anywhere_by_hand_is_opened(project: Path, tmp_path: Path) -> None:
    shutil.copytree(stage_folder(project, "fine_tune"), tmp_path / "mine")
    (tmp_path / "mine" / "stage.json").unlink()
    run = nbutils.open_run(tmp_path / "mine")
    assert run.model_dir == tmp_path / "mine"
    assert len(run.errors.test) == run.metrics["test"]["accuracy"]["n"]


def test_scores_are_there_after_pruning_and_the_model_says_how_to_get_it_back(
    project: Path,
) -> None:
    shutil.rmtree(project / "runs")
    run = nbutils.open_run("tiny")
    assert run.metrics["test"]["accuracy"]["n"] > 0
    assert run.params.name == "tiny"
    assert run.report is not None
    assert f"run it again: {COMMAND}" in repr(run)
    for name in ("model", "data", "predictions", "errors", "findings", "saved_model"):
        with pytest.raises(DataError, match=rf"not there \(any more\); run it again: {COMMAND}$"):
            getattr(run, name)


def test_run_without_its_command_is_run_again_from_the_reports_parameters(project: Path) -> None:
    shutil.rmtree(project / "runs")
    change_manifest(project, command="")
    with pytest.raises(DataError, match=r"nbutils run .*/reports/tiny/params\.yaml$"):
        _ = nbutils.open_run("tiny").model


def test_run_that_failed_is_refused_with_how_to_run_it_again(project: Path) -> None:
    change_manifest(project, status="failed")
    assert len(nbutils.list_runs()) == 0
    with pytest.raises(DataError, match=rf"^tiny: .*that failed; run it again: {COMMAND}$"):
        nbutils.open_run("tiny")


def test_last_completed_run_is_opened_where_a_later_one_failed(project: Path) -> None:
    report = project / "reports" / "tiny"
    shutil.copytree(report, report / "last-completed")
    change_manifest(project, status="failed")
    run = nbutils.open_run("tiny")
    assert (run.name, run.report) == ("tiny", report / "last-completed" / "index.html")
    assert run.model_dir.is_dir()


def test_name_that_is_nearly_right_is_suggested(project: Path) -> None:
    with pytest.raises(DataError, match=r"^tinny: no such run in .*; did you mean 'tiny'\?$"):
        nbutils.open_run("tinny")


def test_empty_project_says_how_to_make_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"make one: nbutils run params/quickstart\.yaml"):
        nbutils.open_run("quickstart")
    assert "make one: nbutils run" in nbutils.list_runs()._repr_html_()


def test_folder_that_is_no_run_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match=r"/notebooks: expected the name of a run, a report or a"):
        nbutils.open_run(project / "notebooks")
    (project / "reports" / "mine").mkdir()
    with pytest.raises(DataError, match=r"/mine: expected a report of nbutils, found no manifest"):
        nbutils.open_run("mine")


def test_parameters_of_another_version_are_refused_when_they_are_asked_for(project: Path) -> None:
    told = read_json(project / "reports" / "tiny" / "manifest.json")["parameters"]
    change_manifest(project, parameters=told | {"fine_tune": {"epoch": 3}})
    run = nbutils.open_run("tiny")
    assert run.flat_parameters["fine_tune.epoch"] == "3"
    with pytest.raises(ParameterError, match=r"^tiny: parameters of another version; .*'epochs'"):
        _ = run.params


def test_what_notebooks_wrote_in_jupyterlab_is_a_run(project: Path) -> None:
    make_interactive(project, *STAGES)
    run = nbutils.open_run("interactive")
    assert run.model_dir == project / "runs" / "fine_tune" / "interactive"
    assert run.data_dir == project / "runs" / "data_prep" / "interactive"
    assert run.params.fine_tune.epochs == 2
    assert run.params.data_prep.test_size == 0.3
    assert run.findings["label_names"] == ["neg", "pos"]
    assert run.report is None
    assert [each.name for each in nbutils.list_runs()] == ["interactive"]


def test_prepared_data_alone_can_be_opened(project: Path) -> None:
    make_interactive(project, "data_prep")
    run = nbutils.open_run("interactive")
    assert len(run.data["train"]) > 0
    assert run.label_names == ("neg", "pos")
    assert run.score is None
    with pytest.raises(DataError, match=r"interactive is not there.*; run 02_fine_tune\.ipynb$"):
        _ = run.model


@pytest.mark.parametrize("order", [("error_analysis", "fine_tune"), ("fine_tune", "other")])
def test_findings_on_another_model_are_refused(project: Path, order: tuple[str, str]) -> None:
    stages = ("data_prep", *(order if "other" not in order else STAGES[1:]))
    make_interactive(project, *stages)
    if "other" in order:
        path = project / "runs" / "error_analysis" / "interactive" / "findings.json"
        found = read_json(path) | {"mistakes": {"test": 99}}
        path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(DataError, match=r"found those on another; run 03_error_analysis\.ipynb$"):
        _ = nbutils.open_run("interactive").findings


def test_training_is_found_beside_its_data_after_the_project_was_moved(project: Path) -> None:
    make_interactive(project, *STAGES[:2])
    moved = project.with_name("moved")
    project.rename(moved)
    run = nbutils.open_run("interactive", runs_dir=moved / "runs")
    assert run.data_dir == moved / "runs" / "data_prep" / "interactive"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"name": "a web app", "icons": []}',
        '{"status": "completed", "parameters": [], "stage_keys": {}}',
        '{"status": "completed", "parameters": {}, "stage_keys": 3}',
        "\x00\x01",
    ],
)
def test_damaged_and_foreign_folders_are_passed_over(project: Path, content: str) -> None:
    odd = project / "reports" / "odd"
    odd.mkdir()
    (odd / "manifest.json").write_text(content, encoding="utf-8")
    (project / "reports" / "empty").mkdir()
    (project / "reports" / "a file").touch()
    assert [run.name for run in nbutils.list_runs()] == ["tiny"]


def test_manifest_with_odd_values_is_listed_as_far_as_it_goes(project: Path) -> None:
    change_manifest(
        project,
        finished=7,
        command=3,
        metrics={"test": {"accuracy": {"value": None}}},
        parameters={"fine_tune": 5, "data_prep": {"dataset": ["<b>", None]}},
        stage_keys={"fine_tune": "../../..", "data_prep": 4, "other": "0" * 16},
    )
    (run,) = nbutils.list_runs()
    assert run.folders == {}
    assert run.score is None
    assert "<b>" not in run._repr_html_()
    assert "<b>" not in nbutils.list_runs()._repr_html_()


@pytest.mark.parametrize(
    "metrics",
    [{}, {"test": 3}, {"test": {}}, {"test": {"accuracy": 0.9}}]
    + [{"test": {"accuracy": {"value": odd, "low": 0, "high": 1, "n": 9}}} for odd in ("1", True)],
)
def test_damaged_score_is_no_score(metrics: dict[str, Any]) -> None:
    assert read_score(metrics) is None


def test_score_of_several_labels_is_the_micro_f1() -> None:
    one = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 1200}
    found = read_score({"test": {"accuracy": one, "micro_f1": one}})
    assert str(found) == "micro F1 50.0 % (25.0 to 75.0, 1,200 texts)"


def make_reports(project: Path, changes: Callable[[dict[str, Any], int], None], n: int) -> None:
    """Publish a run `n` times under other names, each manifest changed in its own way."""
    report = project / "reports" / "tiny"
    told = (report / "manifest.json").read_text(encoding="utf-8")
    for k in range(n):
        manifest = json.loads(told)
        changes(manifest, k)
        (project / "reports" / f"run {k}").mkdir()
        path = project / "reports" / f"run {k}" / "manifest.json"
        path.write_text(json.dumps(manifest), encoding="utf-8")
    shutil.rmtree(report)


def vary(manifest: dict[str, Any], k: int) -> None:
    manifest["finished"] = f"2026-01-0{k + 1}T12:00:00+00:00"
    manifest["metrics"]["test"]["accuracy"]["value"] = (0.5, 0.9, 0.7)[k]
    manifest["parameters"]["fine_tune"] |= {"epochs": (3, 3, 4)[k], "seed": k}
    manifest["parameters"]["error_analysis"]["seed"] = k


def test_runs_are_listed_newest_first_and_put_in_any_order(project: Path) -> None:
    make_reports(project, vary, 3)
    runs = nbutils.list_runs()
    assert [run.name for run in runs] == ["run 2", "run 1", "run 0"]
    assert [run.name for run in runs.ordered("score")] == ["run 1", "run 2", "run 0"]
    assert [run.name for run in runs.ordered("name")] == ["run 0", "run 1", "run 2"]
    with pytest.raises(ParameterError, match=r"order 'best': unknown; did you mean 'newest'"):
        runs.ordered("best")  # type: ignore[arg-type]


def test_runs_are_searched_by_all_words_in_name_and_parameters(project: Path) -> None:
    make_reports(project, vary, 3)
    runs = nbutils.list_runs()
    assert [run.name for run in runs.matching("EPOCHS=3 run")] == ["run 1", "run 0"]
    assert [run.name for run in runs.matching("reviews.csv epochs=4")] == ["run 2"]
    assert len(runs.matching("  ")) == 3
    assert len(runs.matching("nowhere")) == 0


def test_what_differs_is_said_rarest_first_and_with_its_section_where_that_is_needed(
    project: Path,
) -> None:
    make_reports(project, vary, 3)
    runs = nbutils.list_runs()
    assert dict(runs.differences(runs[0])) == {
        "epochs": "4",
        "fine_tune.seed": "2",
        "error_analysis.seed": "2",
    }
    assert runs.say_differences(runs[2]) == "fine_tune.seed=0, error_analysis.seed=0, epochs=3"
    assert runs[:1].say_differences(runs[0]) == ""


def test_table_of_many_runs_has_the_first_twenty_and_is_small(project: Path) -> None:
    def rename(manifest: dict[str, Any], k: int) -> None:
        manifest["parameters"]["fine_tune"]["model"] = f"{'m' * 300}{k}"

    make_reports(project, rename, 25)
    page = nbutils.list_runs()._repr_html_()
    assert "25 finished runs, the first 20" in page
    assert page.count("<tr>") == 21
    assert len(page) < 20_000


def test_listing_runs_needs_neither_torch_nor_their_stage_folders(project: Path) -> None:
    shutil.rmtree(project / "runs")
    code = (
        "import sys, nbutils; print(nbutils.list_runs()[0].score); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'datasets', 'transformers')))"
    )
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accuracy ")
