"""A published report, checked for edits and run again: real pages of a real, tiny study."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import make_reviews
from quick import add_quick_analysis

from nbutils.cache import list_cache
from nbutils.errors import DataError, ParameterError
from nbutils.manifest import describe_changes
from nbutils.progress import Progress
from nbutils.report import read_manifest
from nbutils.report.carried import carry_predictions, read_test_rows, unpack_predictions
from nbutils.report.page import Page, render_page
from nbutils.report.seal import seal_pages, split_page
from nbutils.reproduce import (
    Check,
    CheckResult,
    ReproduceOptions,
    Reproduction,
    check_report,
    compare_manifests,
    describe_check,
    describe_reproduction,
    rebuild_study,
    reproduce_report,
    running,
)
from nbutils.runs import StageRun

PAGES = ["index.html", "01_data_prep.html", "02_fine_tune.html", "03_error_analysis.html"]
TARGET = {"metric": "macro_f1", "value": 0.978, "source": "A paper, table 2", "runs": 10}
KILLED_AT = 100  # steps, of some 350
Edit = Callable[[str], str]


def nbutils(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbutils.cli", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """Return the folder of a finished tiny study on a CSV file, with its runs and reports."""
    folder = tmp_path_factory.mktemp("project")
    make_reviews(80).to_csv(folder / "reviews.csv", index=False)
    study = {
        "name": "tiny",
        "target": TARGET,
        "data_prep": {"dataset": str(folder / "reviews.csv"), "test_size": 0.3},
        "fine_tune": {
            "model": str(tiny_bert),
            "max_length": 16,
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 1e-3,
        },
    }
    (folder / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    done = nbutils("run", "study.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def outcomes(result: CheckResult) -> dict[str, str]:
    return {check.name: check.outcome for check in result.checks}


@pytest.mark.slow
def test_target_is_beside_the_score_and_in_what_is_run_again(project: Path) -> None:
    pages = {name: project / "reports" / "tiny" / name for name in PAGES}
    has_block = {
        name: "Did we reproduce the paper?" in page.read_text(encoding="utf-8")
        for name, page in pages.items()
    }
    assert has_block == dict.fromkeys(PAGES, False) | {
        "index.html": True,
        "02_fine_tune.html": True,
    }
    study = rebuild_study(read_manifest(pages["index.html"]))
    assert study.target is not None
    assert study.target.model_dump(exclude={"protocol"}) == TARGET


@pytest.mark.slow
def test_another_target_trains_nothing_and_renders_the_pages_again(
    project: Path, tmp_path: Path
) -> None:
    places = ("--runs-dir", project / "runs", "--reports-dir", tmp_path)
    done = nbutils("run", "study.yaml", "-p", "target.value=0.25", *places, cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nothing changed, used what was there") == 3
    assert "target test macro F1 25.0 % (A paper, table 2): " in done.stdout
    assert "25.0 %" in (tmp_path / "tiny" / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_untouched_page_passes_every_check(project: Path, name: str) -> None:
    result = check_report(project / "reports" / "tiny" / name)
    assert result.good
    assert set(outcomes(result).values()) == {"good"}
    assert {check.name for check in result.checks} == {
        "page", "manifest", "numbers shown", "predictions", "data", "checkpoint",
    }  # fmt: skip


@pytest.mark.slow
def test_pages_show_their_scores_and_not_what_they_carry_for_machines(project: Path) -> None:
    text = (project / "reports" / "tiny" / "index.html").read_text(encoding="utf-8")
    (shown,) = [c for c in check_report(project / "reports/tiny/index.html").checks
                if c.name == "numbers shown"]  # fmt: skip
    assert "Test accuracy, Macro F1, TF-IDF baseline, Mistakes, Calibration error" in shown.detail
    manifest = read_manifest(project / "reports" / "tiny" / "index.html")
    assert text.count(manifest["predictions"]["columns"]) == 1
    assert len(manifest["predictions"]["columns"]) < 1_000


def bump(pattern: str, *, place: int = 0) -> Edit:
    """Return an edit that changes the first digit of the first group of the found text."""

    def edit(text: str) -> str:
        found = list(re.finditer(pattern, text, re.S))[place]
        at = found.start(1) + re.search(r"\d", found[1]).start()  # type: ignore[union-attr]
        return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"

    return edit


SCRIPT = '<script type="application/json" id="nbutils-manifest">'
EDITS = {
    "tile": ("index.html", bump(r'<dd class="value">(?:<[^>]*>)*([^<]*\d)'),
             {"page", "numbers shown"}),
    "interval": ("index.html", bump(r"95 % interval ([\d.]+) to"), {"page", "numbers shown"}),
    "table": ("03_error_analysis.html", bump(r"<td[^>]*>(\d[^<]*)</td>"), {"page"}),
    "figure": ("02_fine_tune.html", bump(r'<path[^>]* d="([^"]+)"'), {"page"}),
    "shown manifest": ("index.html", bump(r"data_fingerprint&[^:]*: &[^:]*sha256:(\w+)"), {"page"}),
    "prose": ("01_data_prep.html", bump(r"<title>.*?</title>.*?<p>[^<]*?(\d)"), {"page"}),
    "style": ("index.html", bump(r"<style>(.*?)</style>"), {"page"}),
    "metric": (
        "index.html",
        bump(SCRIPT + r'.*"metrics".*?"test": \{"accuracy": \{"value": 0\.(\d+)'),
        {"manifest", "numbers shown", "predictions"},
    ),
    "hash": ("index.html", bump(SCRIPT + r'.*"predictions_sha256": "([^"]+)'), {"manifest"}),
    "time": ("02_fine_tune.html", bump(SCRIPT + r'.*"finished": "([^"]+)'), {"manifest"}),
    "seal": ("index.html", bump(SCRIPT + r'.*"02_fine_tune.html": "([^"]+)'), {"manifest"}),
    "own seal": ("index.html", bump(SCRIPT + r'.*"manifest": "([^"]+)'), {"manifest"}),
    "data": ("index.html", bump(SCRIPT + r'.*"data_fingerprint": "sha256:([^"]+)'),
             {"manifest", "data"}),
    "no JSON": ("index.html", lambda text: text.replace('"seed": 42', '"seed": 042'), {"manifest"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", EDITS)
def test_one_changed_digit_is_found(project: Path, tmp_path: Path, kind: str) -> None:
    name, edit, bad = EDITS[kind]
    text = (project / "reports" / "tiny" / name).read_text(encoding="utf-8")
    changed = edit(text)
    assert len(changed) - len(text) in {0, 1, 2, 3}
    assert changed != text
    (tmp_path / name).write_text(changed, encoding="utf-8")
    result = check_report(tmp_path / name)
    assert {name for name, outcome in outcomes(result).items() if outcome == "bad"} == bad


@pytest.mark.slow
def test_any_digit_of_a_page_is_covered(project: Path, tmp_path: Path) -> None:
    text = (project / "reports" / "tiny" / "index.html").read_text(encoding="utf-8")
    digits = [found.start() for found in re.finditer(r"\d", text)]
    for at in digits[:: len(digits) // 60]:
        changed = f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"
        (tmp_path / "page.html").write_text(changed, encoding="utf-8")
        assert not check_report(tmp_path / "page.html").good, text[at - 40 : at + 40]


@pytest.mark.slow
def test_check_from_the_shell_lists_outcomes_and_leaves_with_3_on_an_edit(
    project: Path, tmp_path: Path
) -> None:
    page = project / "reports" / "tiny" / "index.html"
    done = nbutils("reproduce", "--check", page, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" ok ") == 6
    assert done.stdout.endswith("verdict: nothing speaks against this report\n")
    changed = EDITS["tile"][1](page.read_text(encoding="utf-8"))
    (tmp_path / "index.html").write_text(changed, encoding="utf-8")
    edited = nbutils("reproduce", "--check", "index.html", cwd=tmp_path)
    assert edited.returncode == 3
    assert "page           DIFFERENT  its text is not the one that was published" in edited.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html"]


@pytest.mark.slow
def test_renamed_page_with_other_line_ends_is_still_the_one_that_was_published(
    project: Path, tmp_path: Path
) -> None:
    text = (project / "reports" / "tiny" / "02_fine_tune.html").read_text(encoding="utf-8")
    (tmp_path / "saved.html").write_bytes(text.replace("\n", "\r\n").encode())
    result = check_report(tmp_path / "saved.html")
    assert result.good
    assert "that of 02_fine_tune.html" in result.checks[0].detail


@pytest.mark.slow
def test_report_from_elsewhere_is_reproduced_bit_for_bit_with_data_given(
    project: Path, tmp_path: Path
) -> None:
    page = shutil.copy(project / "reports" / "tiny" / "02_fine_tune.html", tmp_path)
    (tmp_path / "here").mkdir()
    shutil.move(project / "reviews.csv", tmp_path / "here" / "reviews.csv")
    before = sorted(project.rglob("*"))
    try:
        lost = nbutils("reproduce", page, cwd=tmp_path)
        found = nbutils("reproduce", page, "--data", "here", "--reports-dir", "again", cwd=tmp_path)
    finally:
        shutil.move(tmp_path / "here" / "reviews.csv", project / "reviews.csv")
    assert (lost.returncode, lost.stdout, lost.stderr.count("\n")) == (2, "", 1)
    assert "no such file" in lost.stderr
    assert "say where the data is with --data PATH" in lost.stderr
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("done in") == 3
    assert "predictions: identical, bit for bit" in found.stdout
    assert "test.accuracy.value" in found.stdout
    assert "different" not in found.stdout
    assert "\nverdict: bit-identical: " in found.stdout
    new = check_report(tmp_path / "again" / "tiny-reproduced" / "index.html")
    assert new.checks[0].outcome == "good"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"02_fine_tune.html", "again", "here", "runs"}
    assert list((tmp_path / "runs").iterdir()) == []
    assert [path for path in sorted(project.rglob("*")) if path.name != "reviews.csv"] == before


@pytest.mark.slow
def test_other_data_is_named_and_nothing_is_trained(project: Path, tmp_path: Path) -> None:
    page = project / "reports" / "tiny" / "index.html"
    table = pd.read_csv(project / "reviews.csv")
    table.loc[0, "text"] = "a good film"
    table.to_csv(tmp_path / "other.csv", index=False)
    done = nbutils("reproduce", page, "--data", "other.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "data           DIFFERENT  other.csv has the fingerprint sha256:" in done.stdout
    assert "verdict: not run: data not as in the report; --anyway" in done.stdout
    assert "started" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


@pytest.mark.slow
def test_edited_report_and_other_checkpoint_are_not_run(project: Path, tmp_path: Path) -> None:
    text = (project / "reports" / "tiny" / "index.html").read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(EDITS["time"][1](text), encoding="utf-8")
    result = reproduce_report(tmp_path / "index.html")
    assert (result.verdict, result.comparison) == ("not run", None)
    assert "not run: manifest not as in the report" in describe_reproduction(result)
    model = tmp_path / "model"
    shutil.copytree(
        read_manifest(tmp_path / "index.html")["parameters"]["fine_tune"]["model"], model
    )
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    page = project / "reports" / "tiny" / "index.html"
    again = reproduce_report(page, options=ReproduceOptions(model=str(model)))
    assert [check.name for check in again.inputs if check.outcome == "bad"] == ["checkpoint"]


@pytest.mark.slow
def test_missing_checkpoint_is_refused_with_a_mend(project: Path, tmp_path: Path) -> None:
    page = project / "reports" / "tiny" / "index.html"
    (tmp_path / "bytes.html").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a report"):
        check_report(tmp_path / "bytes.html")
    before = sorted(tmp_path.iterdir())
    done = nbutils("reproduce", page, "--model", "./nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no such checkpoint folder" in done.stderr
    assert "--model PATH" in done.stderr
    assert outcomes(check_report(page, model="nowhere"))["checkpoint"] == "unknown"
    assert outcomes(check_report(page, data="nowhere"))["data"] == "unknown"
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture(scope="module")
def quick_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same study with a quick analysis of its own, still to be run."""
    folder = tmp_path_factory.mktemp("quick")
    add_quick_analysis(folder)
    shutil.copy(project / "study.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def quick_page(quick_project: Path, project: Path) -> Path:
    """Return its page: data and training are those of `project`."""
    done = nbutils("run", "study.yaml", "--runs-dir", project / "runs", cwd=quick_project)
    assert done.stdout.count("nothing changed") == 2, done.stderr
    return quick_project / "reports" / "tiny" / "index.html"


@pytest.fixture(scope="module")
def long_page(quick_project: Path, project: Path) -> Path:
    """Return a page of a study that trains for long enough to be met at it."""
    changes = ["-p", "fine_tune.epochs=16", "-p", "fine_tune.batch_size=2", "--name", "long"]
    places = ("--runs-dir", project / "runs")
    done = nbutils("run", "study.yaml", *changes, *places, cwd=quick_project)
    assert done.returncode == 0, done.stderr
    return quick_project / "reports" / "long" / "index.html"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder of who reproduces, with the same quick analysis."""
    add_quick_analysis(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def last_step(folder: Path) -> int:
    states = folder.glob("runs/reproduce-*/fine_tune/*/checkpoints/step-*")
    return max((int(state.name.partition("-")[2]) for state in states), default=0)


def kill_in_training(page: Path, cwd: Path, number: signal.Signals) -> str:
    """Kill `nbutils reproduce` when it has trained for a while, and return what it said last."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nbutils.cli", "reproduce", str(page)],
        cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "NBUTILS_CHECKPOINT_SECONDS": "0.05"},
    )  # fmt: skip
    while process.poll() is None and last_step(cwd) < KILLED_AT:
        time.sleep(0.01)
    process.send_signal(number)
    complaint = process.communicate(timeout=60)[1]
    assert process.returncode == (143 if number == signal.SIGTERM else -number), complaint
    return complaint


class Steps:
    """Notes the steps of a training, and which stages were there already."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.reused: list[str] = []

    def stage_waits(self, stage: str) -> None: ...

    def stage_started(self, stage: str) -> None: ...

    def stage_progress(self, stage: str, progress: Progress) -> None:
        if progress.training:
            self.seen.append(progress.training["step"])

    def stage_done(self, run: StageRun) -> None:
        if run.reused:
            self.reused.append(run.stage)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_reproduction_goes_on_from_its_last_state_to_the_same_bits(
    long_page: Path, here: Path, number: signal.Signals
) -> None:
    complaint = kill_in_training(long_page, here, number)
    again = f"nbutils: terminated; go on with: nbutils reproduce {long_page}\n"
    assert complaint == (again if number == signal.SIGTERM else "")
    step, watcher = last_step(here), Steps()
    (listed,) = list_cache(here / "runs", reports_dir=here)
    assert (listed.stage, listed.state, listed.step) == ("reproduce", "unfinished", step)
    options = ReproduceOptions(runs_dir=here / "runs")
    result = reproduce_report(long_page, options=options, watcher=watcher)
    assert result.verdict == "bit-identical", describe_reproduction(result)
    assert watcher.reused == ["data_prep"]
    assert min(watcher.seen) >= step >= KILLED_AT
    assert list((here / "runs").iterdir()) == []


@pytest.mark.slow
def test_reproduction_that_ended_starts_from_nothing_the_next_time(
    project: Path, quick_page: Path, here: Path
) -> None:
    table = pd.read_csv(project / "reviews.csv")
    table.iloc[::-1].to_csv(here / "other.csv", index=False)
    given = {"data": str(here / "other.csv"), "anyway": True}
    options = ReproduceOptions(runs_dir=here / "runs", **given)
    first = reproduce_report(quick_page, options=options)
    assert (first.verdict, first.folder) == ("different", *(here / "runs").iterdir())
    assert first.folder is not None
    (listed,) = list_cache(here / "runs", reports_dir=here)
    assert (listed.folder, listed.state) == (first.folder, "finished")
    (first.folder / "of-the-first").touch()
    watcher = Steps()
    second = reproduce_report(quick_page, options=options, watcher=watcher)
    assert (second.folder, watcher.reused) == (first.folder, [])
    assert not (first.folder / "of-the-first").exists()


@pytest.mark.slow
def test_two_equal_reproductions_at_once_come_one_after_the_other(
    project: Path, quick_page: Path, here: Path
) -> None:
    words = [sys.executable, "-m", "nbutils.cli", "reproduce", str(quick_page)]
    both = [subprocess.Popen(words, cwd=here, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert sum("another run is at this stage" in text for text in printed) == 1
    assert [text.count("done in") for text in printed] == [3, 3]
    assert list((here / "runs").iterdir()) == []


@pytest.mark.slow
def test_refused_reproduction_leaves_nothing_but_an_earlier_ones_training(
    project: Path, tmp_path: Path
) -> None:
    page = project / "reports" / "tiny" / "index.html"
    (tmp_path / "file").touch()
    runs = tmp_path / "runs"
    options = ReproduceOptions(runs_dir=runs, reports_dir=tmp_path / "file")
    with pytest.raises(ParameterError, match="cannot be written to"):
        reproduce_report(page, options=options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    folder = running._folder("tiny", read_manifest(page), options)
    state = folder / "fine_tune" / ("0" * 16) / "checkpoints" / "step-00000004"
    state.mkdir(parents=True)
    (folder / "reproduction.json").write_text("{}")
    with pytest.raises(ParameterError, match="cannot be written to"):
        reproduce_report(page, options=options)
    assert state.is_dir()
    assert [path.name for path in runs.iterdir()] == [folder.name]


@pytest.mark.slow
def test_page_of_an_earlier_reproduction_is_not_taken_for_that_of_one_that_goes_on(
    project: Path, quick_page: Path, here: Path
) -> None:
    options = ReproduceOptions(runs_dir=here / "runs", reports_dir=here / "again")
    folder = running._folder("tiny", read_manifest(quick_page), options)
    for stage in ("data_prep", "fine_tune", "error_analysis"):  # killed just before its pages
        shutil.copytree(project / "runs" / stage, folder / stage)
    (folder / "reproduction.json").write_text("{}")
    assert reproduce_report(quick_page, options=options).reproduced
    remade = here / "again" / "tiny-reproduced" / "index.html"
    earlier = remade.stat().st_mtime_ns
    for stage in ("data_prep", "fine_tune", "error_analysis"):
        shutil.copytree(project / "runs" / stage, folder / stage)
    (folder / "reproduction.json").write_text("{}")
    watcher = Steps()
    assert reproduce_report(quick_page, options=options, watcher=watcher).reproduced
    assert watcher.reused == ["data_prep", "fine_tune"]
    assert remade.stat().st_mtime_ns > earlier


# --- comparing, on made-up manifests ---


def made_up(**changes: Any) -> dict[str, Any]:
    score = {"value": 0.75, "low": 0.5, "high": 0.9, "n": 4}
    manifest: dict[str, Any] = {
        "name": "tiny",
        "status": "completed",
        "stage_keys": {"fine_tune": "0" * 16},
        "environment": {
            "python": "3.11.1",
            "packages": {"torch": "2.13.0", "numpy": "2.3.0"},
            "cpu": "A",
            "cores": 4,
            "omp_num_threads": None,
            "git": {"commit": "c0ffee", "dirty": False},
        },
        "code": {"fine_tune": "f00d"},
        "metrics": {
            "test": {"accuracy": dict(score), "macro_f1": dict(score)},
            "training": {
                "seconds": 3.0, "steps": 9, "stopped": "all epochs done", "device": "cpu",
                "diagnosis": "No sign of overfitting: 0.123.",
            },
        },
        "findings": {"mistakes": {"test": 1}, "ece": 0.1},
        "predictions_sha256": "a" * 64,
        "predictions": None,
    }  # fmt: skip
    return copy.deepcopy(manifest) | changes


def packed(folder: Path, *, predicted: list[int], confidence: list[float]) -> dict[str, Any]:
    rows = range(len(predicted))
    table = pd.DataFrame({"example_id": [10 + k for k in rows], "split": "test", "label": 0})
    table["predicted"] = predicted
    table["prob_a"] = [c if p == 0 else 1 - c for p, c in zip(predicted, confidence, strict=True)]
    table["prob_b"] = 1 - table["prob_a"]
    table.to_parquet(folder / "p.parquet")
    carried = carry_predictions(folder / "p.parquet")
    assert carried is not None
    return carried


def test_equal_manifests_are_bit_identical() -> None:
    found = compare_manifests(made_up(), made_up())
    assert found.verdict == "identical"
    assert found.environment == ()
    assert {m.verdict for m in found.metrics} == {"identical", "not compared"}
    assert {m.name for m in found.metrics if m.verdict == "not compared"} == {
        "training.seconds", "training.diagnosis",
    }  # fmt: skip
    text = describe_reproduction(Reproduction(Path("r.html"), (), found))
    assert "environment: as it was" in text
    assert text.endswith("every score and every prediction is that of the report")


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(0.0, "identical"), (5e-7, "within tolerance"), (-5e-7, "within tolerance"),
     (2e-6, "different"), (0.25, "different")],
)  # fmt: skip
def test_score_is_judged_by_how_far_it_moved(shift: float, verdict: str) -> None:
    now = made_up()
    now["metrics"]["test"]["accuracy"]["value"] += shift
    found = compare_manifests(made_up(), now)
    (moved,) = [m for m in found.metrics if m.name == "test.accuracy.value"]
    assert (moved.verdict, found.verdict) == (verdict, verdict)


@pytest.mark.parametrize(
    ("place", "value"),
    [(("training", "steps"), 8), (("training", "stopped"), "early"), (("test", "accuracy"), None),
     (("test", "new"), 0.5), (("training", "steps"), True)],
)  # fmt: skip
def test_other_word_missing_or_new_score_is_different(place: tuple[str, str], value: Any) -> None:
    now = made_up()
    now["metrics"][place[0]][place[1]] = value
    assert compare_manifests(made_up(), now).verdict == "different"


def test_times_and_prose_and_device_are_not_results() -> None:
    now = made_up()
    now["metrics"]["training"] |= {"seconds": 9.0, "diagnosis": "Other.", "device": "cuda"}
    found = compare_manifests(made_up(), now)
    assert found.verdict == "identical"
    assert [d.name for d in found.environment] == ["training.device"]


def test_same_label_with_other_confidence_is_within_tolerance_when_close(tmp_path: Path) -> None:
    before = packed(tmp_path, predicted=[0, 1, 0], confidence=[0.9, 0.8, 0.7])
    close = packed(tmp_path, predicted=[0, 1, 0], confidence=[0.9, 0.80001, 0.7])
    far = packed(tmp_path, predicted=[0, 1, 0], confidence=[0.9, 0.81, 0.7])
    reported = made_up(predictions=before)
    now = made_up(predictions=close, predictions_sha256="b" * 64)
    found = compare_manifests(reported, now)
    assert (found.verdict, found.predictions.identical) == ("within tolerance", 2)
    assert found.predictions.other_confidence == 1
    assert found.predictions.largest == pytest.approx(1e-5)
    result = Reproduction(Path("r.html"), (), found)
    assert (result.verdict, result.reproduced) == ("within tolerance", True)
    assert "same label, other confidence   1 (by up to 1e-05)" in describe_reproduction(result)
    worse = compare_manifests(reported, made_up(predictions=far, predictions_sha256="c" * 64))
    assert worse.verdict == "different"
    said = describe_reproduction(Reproduction(Path("r.html"), (), worse))
    assert "different: 0 of 12 values and predicted probabilities" in said


def test_other_label_is_named_by_its_example(tmp_path: Path) -> None:
    before = packed(tmp_path, predicted=[0] * 14, confidence=[0.9] * 14)
    after = packed(tmp_path, predicted=[1] * 12 + [0, 0], confidence=[0.9] * 14)
    found = compare_manifests(
        made_up(predictions=before), made_up(predictions=after, predictions_sha256="b" * 64)
    )
    assert (found.verdict, found.predictions.other_label) == ("different", 12)
    assert found.predictions.ids == tuple(range(10, 20))
    said = describe_reproduction(Reproduction(Path("r.html"), (), found, Path("runs/x")))
    assert "other label                    12 (example_id 10, 11, " in said
    assert "19, ...)" in said
    assert "the new run is kept in runs/x" in said
    assert "verdict: different: 0 of 12 values and 12 of 14 predicted labels" in said


def test_examples_of_one_run_alone_are_a_difference(tmp_path: Path) -> None:
    before = packed(tmp_path, predicted=[0, 0], confidence=[0.9] * 2)
    after = packed(tmp_path, predicted=[0, 0, 0], confidence=[0.9] * 3)
    found = compare_manifests(
        made_up(predictions=before), made_up(predictions=after, predictions_sha256="b" * 64)
    )
    assert (found.verdict, found.predictions.unmatched) == ("different", 1)
    said = describe_reproduction(Reproduction(Path("r.html"), (), found))
    assert "only in one of the two runs    1" in said


def test_other_hash_without_rows_is_a_difference() -> None:
    found = compare_manifests(made_up(), made_up(predictions_sha256="b" * 64))
    assert found.verdict == "different"
    said = describe_reproduction(Reproduction(Path("r.html"), (), found))
    assert "another sha256; the report carries no rows" in said
    assert "0 of 12 values and the sha256 of the predictions" in said


def test_differences_of_environment_are_listed_as_the_likely_cause() -> None:
    now = made_up(predictions_sha256="b" * 64, code={"fine_tune": "beef"})
    now["environment"] |= {
        "packages": {"torch": "2.14.0", "numpy": "2.3.0", "scipy": "1.16"},
        "omp_num_threads": "1",
        "git": {"commit": "c0ffee", "dirty": True},
    }
    now["changes"] = {"files": ["a.py"], "sha256": "e" * 64, "diff": "..."}
    found = compare_manifests(made_up(), now)
    assert {(d.name, d.reported, d.now) for d in found.environment} == {
        ("packages.torch", "2.13.0", "2.14.0"),
        ("packages.scipy", "absent", "1.16"),
        ("omp_num_threads", None, "1"),
        ("git.dirty", False, True),
        ("code.fine_tune", "f00d", "beef"),
        ("changes.sha256", "absent", "e" * 64),
    }
    said = describe_reproduction(Reproduction(Path("r.html"), (), found))
    assert "differences of environment, the likely cause:" in said
    assert re.search(r"omp_num_threads +none +1\n", said)


# --- what a page carries ---


def test_carried_predictions_come_back_rounded_and_large_ones_are_left_out(tmp_path: Path) -> None:
    carried = packed(tmp_path, predicted=[0, 1], confidence=[0.12345678, 0.9])
    rows = unpack_predictions({"predictions": carried})
    assert rows is not None
    assert rows.to_dict("list") == {
        "example_id": [10, 11], "label": [0, 0], "predicted": [0, 1], "confidence": [0.876543, 0.9],
    }  # fmt: skip
    assert read_test_rows(tmp_path / "p.parquet")["confidence"][0] == pytest.approx(0.87654322)
    assert carry_predictions(tmp_path / "p.parquet", limit=1) is None
    assert unpack_predictions({"predictions": None}) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [({"columns": "!"}, "cannot be read"), ({"columns": "AAAA"}, "cannot be read"),
     ({"rows": 3}, "expected 3 rows .* found 2")],
)  # fmt: skip
def test_damaged_carried_predictions_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    carried = packed(tmp_path, predicted=[0, 1], confidence=[0.6, 0.9])
    with pytest.raises(DataError, match=message):
        unpack_predictions({"predictions": carried | change})


def written(folder: Path, manifest: dict[str, Any], *, name: str = "index.html") -> Path:
    page = Page(title="Study", lead="Lead.", manifest=manifest)
    path = folder / name
    path.write_text(render_page("summary.html.j2", page=page, figures=[]), encoding="utf-8")
    return path


def test_manifest_of_a_sealed_page_is_the_one_returned(tmp_path: Path) -> None:
    pages = [written(tmp_path, made_up(), name=name) for name in ("a.html", "b.html")]
    sealed = seal_pages(pages, made_up(extra="</script><b>"))
    assert [read_manifest(page) for page in pages] == [sealed, sealed]
    assert set(sealed["seals"]["pages"]) == {"a.html", "b.html"}


def test_digit_beyond_a_floats_precision_is_found_too(tmp_path: Path) -> None:
    page = written(tmp_path, made_up())
    seal_pages([page], made_up(timings={"fine_tune": 0.30000000000000004}))
    text = page.read_text(encoding="utf-8")
    assert float("0.30000000000000005") == 0.30000000000000004
    page.write_text(text.replace("0000004", "0000005"), encoding="utf-8")
    assert outcomes(check_report(page))["manifest"] == "bad"


def test_page_without_a_seal_is_not_good(tmp_path: Path) -> None:
    page = written(tmp_path, made_up())
    result = check_report(page)
    assert outcomes(result)["page"] == outcomes(result)["manifest"] == "unsealed"
    assert not result.good
    assert "(no manifest.json beside it): nobody can say" in describe_check(result)
    assert "\nverdict: not sealed: not fully published" in describe_check(
        CheckResult(page, result.checks[:2])
    )
    (tmp_path / "manifest.json").touch()  # as a version left it that did not seal
    assert "manifest.json" not in describe_check(check_report(page))
    seal_pages([page], made_up())
    assert check_report(page).sealed


@pytest.mark.slow
def test_page_of_a_run_that_was_killed_before_it_sealed_it_leaves_with_3(
    project: Path, tmp_path: Path
) -> None:
    before, text, after = split_page(project / "reports" / "tiny" / "index.html")
    manifest = {name: value for name, value in json.loads(text).items() if name != "seals"}
    (tmp_path / "index.html").write_text(f"{before}{json.dumps(manifest)}{after}", encoding="utf-8")
    done = nbutils("reproduce", "--check", "index.html", cwd=tmp_path)
    assert done.returncode == 3
    assert "page           NOT SEALED not fully published, or older than seals" in done.stdout
    assert "verdict: not sealed: " in done.stdout
    assert "nothing speaks against" not in done.stdout


def test_page_of_something_else_is_refused(tmp_path: Path) -> None:
    page = written(tmp_path, {"notebook": "x.ipynb", "status": "completed"})
    for look in (check_report, reproduce_report):
        with pytest.raises(DataError, match="expected a page of a study"):
            look(page)
    (tmp_path / "plain.html").write_text("<p>hello</p>")
    with pytest.raises(DataError, match="expected a report of nbutils with its manifest"):
        check_report(tmp_path / "plain.html")
    (tmp_path / "bytes.html").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a report"):
        check_report(tmp_path / "bytes.html")
    (tmp_path / "empty").mkdir()
    for missing in (tmp_path / "nowhere.html", tmp_path / "empty"):
        with pytest.raises(DataError, match=r"\.html: no such page; name a page of a report, or"):
            check_report(missing)


def test_folder_of_a_report_stands_for_its_first_page(tmp_path: Path) -> None:
    page = written(tmp_path, made_up(status="failed"))
    assert check_report(tmp_path).report == check_report(page).report == page
    with pytest.raises(DataError, match="found one that failed"):
        reproduce_report(tmp_path)


def test_failed_study_has_nothing_to_compare_with(tmp_path: Path) -> None:
    page = written(tmp_path, made_up(status="failed"))
    with pytest.raises(DataError, match="expected a study that completed, found one that failed"):
        reproduce_report(page)


def test_check_says_which_thing_is_bad() -> None:
    result = CheckResult(Path("r.html"), (Check("page", "bad", "x"), Check("data", "good", "y")))
    assert not result.good
    assert describe_check(result).endswith("or not on these inputs: page")


# --- rebuilding the study ---


def recorded(**prep: str) -> dict[str, Any]:
    return {"parameters": {"name": "s", "data_prep": prep, "fine_tune": {"model": "~/m"}}}


def test_data_given_as_folder_or_file_finds_the_recorded_files(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv", "corrections.csv"):
        (tmp_path / name).write_text("text,label\n")
    manifest = recorded(
        dataset="C:\\data\\train.csv",
        test_dataset="/gone/test.csv",
        label_corrections="/gone/corrections.csv",
    )
    for data in (str(tmp_path), str(tmp_path / "train.csv")):
        prep = rebuild_study(manifest, data=data).data_prep
        assert prep.dataset == str(tmp_path / "train.csv")
        assert prep.test_dataset == str(tmp_path / "test.csv")
        assert prep.label_corrections == str(tmp_path / "corrections.csv")
    kept = rebuild_study(manifest).data_prep
    assert (kept.dataset, kept.test_dataset) == ("C:\\data\\train.csv", "/gone/test.csv")


def test_split_name_and_class_folders_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    manifest = recorded(dataset="/gone/saved", test_dataset="test")
    prep = rebuild_study(manifest, data=str(tmp_path)).data_prep
    assert (prep.dataset, prep.test_dataset) == (str(tmp_path), "test")


def test_model_given_brings_its_tokenizer_only_where_they_were_one() -> None:
    shared = rebuild_study(recorded(tokenizer="~/m"), model="./n")
    assert (shared.fine_tune.model, shared.data_prep.tokenizer) == ("./n", "./n")
    apart = rebuild_study(recorded(tokenizer="other"), model="./n")
    assert (apart.fine_tune.model, apart.data_prep.tokenizer) == ("./n", "other")


def test_parameters_that_this_version_does_not_know_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"parameters of the report: .*unknown parameter"):
        rebuild_study({"parameters": {"name": "s", "data_prep": {"datset": "x"}}})
    with pytest.raises(DataError, match="expected the manifest of a study"):
        rebuild_study({"status": "completed"})


def test_uncommitted_changes_are_kept_with_the_report(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    assert describe_changes(tmp_path) is None
    git("init")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", "a.py")
    git("commit", "-m", "x")
    assert describe_changes(tmp_path) is None
    (tmp_path / "a.py").write_bytes(b"x = '\xe9'\n")
    found = describe_changes(tmp_path)
    assert found is not None
    assert found["files"] == ["a.py"]
    assert "-x = 1" in found["diff"]
    (tmp_path / "a.py").write_text("y\n" * 20_000)
    longer = describe_changes(tmp_path)
    assert longer is not None
    assert (longer["diff"], len(longer["sha256"])) == (None, 64)
