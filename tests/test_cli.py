"""The command as a person runs it: real processes, exit codes, one line for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from browsing import Visit
from quick import add_quick_analysis

from nbutils.report import read_manifest

SCORE = {"value", "low", "high", "n"}


def nbutils(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbutils.cli", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a finished smoke study, and what the command printed."""
    folder = tmp_path_factory.mktemp("smoke")
    places = ("--runs-dir", folder / "runs", "--reports-dir", folder / "reports")
    done = nbutils("run", "params/smoke.yaml", *places)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


@pytest.mark.slow
def test_study_prints_its_stages_the_score_and_the_place(smoke: tuple[Path, str]) -> None:
    folder, printed = smoke
    for number, stage in enumerate(("data_prep", "fine_tune", "error_analysis"), start=1):
        assert f"[{number}/3] {stage}: started" in printed
        assert f"[{number}/3] {stage}: done in" in printed
    assert "cell 1 of" in printed
    assert "\ntest accuracy " in printed
    assert f"\nreport: {folder / 'reports' / 'smoke' / 'index.html'}\n" in printed


@pytest.mark.slow
def test_study_leaves_the_files_of_the_contract(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    report = folder / "reports" / "smoke"
    pages = ["01_data_prep.html", "02_fine_tune.html", "03_error_analysis.html", "index.html"]
    others = ["manifest.json", "metrics.json", "params.yaml"]
    assert sorted(path.name for path in report.iterdir()) == [*pages, *others]
    assert all(2_000 < (report / page).stat().st_size < 2_000_000 for page in pages)
    assert "smoke" in (folder / "reports" / "index.html").read_text()
    stages = {path.parent.name: path for path in (folder / "runs").glob("*/*")}
    wanted = {
        "data_prep": {"notebook.ipynb", "dataset", "data_card.json", "stage.json"},
        "fine_tune": {
            "notebook.ipynb", "model", "history.json", "predictions.parquet", "metrics.json",
            "stage.json",
        },
        "error_analysis": {
            "notebook.ipynb", "findings.json", "label_suspects.csv", "errors.csv", "stage.json",
        },
    }  # fmt: skip
    for stage, names in wanted.items():
        assert names <= {path.name for path in stages[stage].iterdir()}
        assert not [path for path in stages[stage].rglob("*") if path.suffix == ".tmp"]


@pytest.mark.slow
def test_metrics_follow_the_contract(smoke: tuple[Path, str]) -> None:
    metrics = json.loads((smoke[0] / "reports" / "smoke" / "metrics.json").read_text())
    for split in ("test", "validation"):
        for score in ("accuracy", "macro_f1"):
            found = metrics[split][score]
            assert set(found) == SCORE
            assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    training = {"seconds", "tokens_per_second", "peak_memory_mb", "epochs", "device", "precision"}
    assert training <= set(metrics["training"])


@pytest.mark.slow
def test_manifest_stands_in_every_page_and_names_what_the_run_was_made_of(
    smoke: tuple[Path, str],
) -> None:
    report = smoke[0] / "reports" / "smoke"
    manifest = json.loads((report / "manifest.json").read_text())
    assert {
        "parameters", "seeds", "stage_keys", "data_fingerprint", "checkpoint_fingerprint",
        "environment", "timings", "metrics", "predictions_sha256",
    } <= set(manifest)  # fmt: skip
    assert manifest["metrics"] == json.loads((report / "metrics.json").read_text())
    assert manifest["environment"]["packages"]["torch"]
    assert {"commit", "dirty"} == set(manifest["environment"]["git"])
    assert len(manifest["predictions_sha256"]) == 64
    for page in report.glob("*.html"):
        assert read_manifest(page) == manifest


@pytest.mark.slow
def test_predictions_are_complete_and_aligned(smoke: tuple[Path, str]) -> None:
    (prep,) = (smoke[0] / "runs" / "data_prep").iterdir()
    (tune,) = (smoke[0] / "runs" / "fine_tune").iterdir()
    predictions = pd.read_parquet(tune / "predictions.parquet")
    names = [n for n in predictions.columns if n.startswith("prob_")]
    assert list(predictions.columns) == ["example_id", "split", "label", "predicted", *names]
    assert predictions[names].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (predictions[names].to_numpy().argmax(1) == predictions["predicted"]).all()
    from datasets import load_from_disk

    data = load_from_disk(prep / "dataset")
    for split in ("validation", "test"):
        rows = predictions[predictions["split"] == split]
        assert rows["example_id"].tolist() == list(data[split]["example_id"])
        assert rows["label"].tolist() == list(data[split]["label"])
    assert pq.read_schema(tune / "predictions.parquet").field("label").type == "int64"


@pytest.mark.slow
def test_model_folder_has_weights_tokenizer_and_label_names(smoke: tuple[Path, str]) -> None:
    (tune,) = (smoke[0] / "runs" / "fine_tune").iterdir()
    names = {path.name for path in (tune / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    config = json.loads((tune / "model" / "config.json").read_text())
    assert sorted(config["id2label"].values()) == [
        "business", "entertainment", "politics", "sports", "tech",
    ]  # fmt: skip


def versions(folder: Path) -> dict[Path, object]:
    """Return each file's time, but for what says when a stage was used: that one's content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path: path.read_bytes() if path.name == "stage.json" else path.stat().st_mtime_ns
        for path in files
    }


@pytest.mark.slow
def test_same_study_again_uses_what_is_there(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    before = versions(folder)
    used = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/stage.json")}
    places = ("--runs-dir", folder / "runs", "--reports-dir", folder / "reports")
    done = nbutils("run", "params/smoke.yaml", *places)
    assert done.returncode == 0
    assert done.stdout.count("nothing changed, used what was there") == 3
    assert versions(folder) == before
    assert len(used) == 3
    assert all(path.stat().st_mtime_ns > when for path, when in used.items())


@pytest.mark.slow
def test_changed_analysis_retrains_nothing(study_file: Path) -> None:
    folder = study_file.parent
    add_quick_analysis(folder)
    assert nbutils("run", "study.yaml", cwd=folder).returncode == 0
    again = nbutils("run", "study.yaml", "-p", "error_analysis.worst_examples=3", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "[2/3] fine_tune: nothing changed" in again.stdout
    assert "[3/3] error_analysis: done in" in again.stdout
    with (folder / "reviews.csv").open("a") as stream:
        stream.write("a lovely new review of a film,pos\n")
    changed = nbutils("run", "study.yaml", cwd=folder)
    assert "[1/3] data_prep: done in" in changed.stdout
    assert "[2/3] fine_tune: done in" in changed.stdout
    page = folder / "reports" / "tiny" / "index.html"
    before = page.stat().st_mtime_ns
    fresh = nbutils("run", "study.yaml", "--fresh", cwd=folder)
    assert fresh.stdout.count("done in") == 3
    assert page.stat().st_mtime_ns > before


@pytest.mark.slow
def test_divergence_ends_in_exit_1_and_a_report_that_says_so(study_file: Path) -> None:
    folder = study_file.parent
    done = nbutils("run", "study.yaml", "-p", "fine_tune.learning_rate=0.01",
                   "-p", "fine_tune.model=" + str(poisoned(folder)), cwd=folder)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "TrainingDivergedError: step 1: the loss is nan" in done.stderr
    assert "caution: learning_rate 0.01 is above 0.0001" in done.stdout
    page = (folder / "reports" / "tiny" / "index.html").read_text()
    assert "the loss is nan" in page
    manifest = json.loads((folder / "reports" / "tiny" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert not (folder / "reports" / "tiny" / "03_error_analysis.html").exists()
    assert "the loss is nan" in (folder / "reports" / "tiny" / "02_fine_tune.html").read_text()


def poisoned(folder: Path) -> Path:
    import shutil

    from safetensors.torch import load_file, save_file

    study = json.loads((folder / "study.yaml").read_text())
    copy = Path(shutil.copytree(study["fine_tune"]["model"], folder / "nan"))
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = float("nan")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fine_tune.epochs=two", "fine_tune.epochs: should be a valid integer, found 'two'"),
        ("fine_tune.epoch=2", "did you mean 'epochs'?"),
        ("data_prep.dataset=revews.csv", "no such file or folder; did you mean 'reviews.csv'?"),
        ("data_prep.text_column=txt", "did you mean 'text'?"),
        ("fine_tune.model=./nowhere", "no such checkpoint folder"),
        ("fine_tune.max_length=500", "max_length: expected at most 64"),
    ],
)
def test_mistake_is_one_line_and_exit_2_and_writes_nothing(
    study_file: Path, change: str, message: str
) -> None:
    before = sorted(study_file.parent.rglob("*"))
    done = nbutils("run", "study.yaml", "-p", change, cwd=study_file.parent)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert sorted(study_file.parent.rglob("*")) == before


def test_refusal_inside_a_notebook_is_one_line_and_leaves_nothing(study_file: Path) -> None:
    folder = study_file.parent
    before = {path.name for path in folder.iterdir()}
    with (folder / "reviews.csv").open("a") as stream:
        stream.write("a text that nobody labelled,\n")
    done = nbutils("run", "study.yaml", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "label" in done.stderr
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("option", ["--runs-dir", "--reports-dir"])
def test_place_that_cannot_be_written_to_is_refused_before_any_work(
    study_file: Path, option: str
) -> None:
    done = nbutils("run", "study.yaml", option, "study.yaml", cwd=study_file.parent)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "study.yaml" in done.stderr
    assert "cannot be written to" in done.stderr
    assert "started" not in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run",), "params"),
        (("run", "nowhere.yaml"), "no such study file"),
        (("walk",), "walk"),
        (("run", "x.yaml", "--frsh"), "--frsh"),
        (("params", "fine"), "did you mean 'fine_tune'?"),
        (("report", "nowhere.ipynb"), "nowhere.ipynb"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = nbutils(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_help_names_the_verbs_and_imports_nothing_heavy() -> None:
    done = nbutils("--help")
    assert done.returncode == 0
    for verb in ("run", "params", "report", "site", "lab", "doctor"):
        assert verb in done.stdout
    code = (
        "import sys; from nbutils import cli; from nbutils.params import study;"
        "heavy = ('torch', 'transformers', 'datasets', 'pandas', 'numpy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_parameters_and_their_schema_are_printed() -> None:
    assert "learning_rate: float = 5e-05" in nbutils("params", "fine_tune").stdout
    assert json.loads(nbutils("params", "--json-schema").stdout)["title"] == "Study"


def test_doctor_names_what_the_machine_can_do() -> None:
    done = nbutils("doctor")
    assert done.returncode == 0
    for name in ("torch", "device", "precision", "threads", "memory", "browser"):
        assert f"\n{name}" in f"\n{done.stdout}"


@pytest.mark.slow
def test_any_executed_notebook_becomes_a_page(smoke: tuple[Path, str], tmp_path: Path) -> None:
    (tune,) = (smoke[0] / "runs" / "fine_tune").iterdir()
    done = nbutils("report", tune / "notebook.ipynb", "--output", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert "Fine-tune BERT" in (tmp_path / "page.html").read_text()
    site = nbutils("site", "--reports-dir", smoke[0] / "reports")
    assert site.stdout.strip().endswith("index.html")


PAGES = ["index.html", *(f"smoke/{name}.html" for name in (
    "index", "01_data_prep", "02_fine_tune", "03_error_analysis"
))]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_page_of_a_real_run_asks_nobody_and_says_nothing_wrong(
    smoke: tuple[Path, str], browser: Any, name: str, width: int
) -> None:
    with Visit(browser, smoke[0] / "reports" / name, width=width) as visit:
        visit.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert visit.foreign_requests == []
        assert visit.said == []
        assert visit.ask("document.documentElement.scrollWidth") <= width
        assert visit.accessibility_faults() == ""


@pytest.mark.slow
def test_links_of_a_report_lead_somewhere(smoke: tuple[Path, str], browser: Any) -> None:
    with Visit(browser, smoke[0] / "reports" / "index.html") as visit:
        visit.page.get_by_role("link", name="smoke").first.click()
        assert visit.page.url.endswith("/smoke/index.html")
        for title in ("Data preparation", "Fine-tuning", "Error analysis"):
            visit.page.get_by_role("link", name=title).first.click()
            assert title.lower() in visit.page.title().lower()
            assert "completed" in visit.page.locator("body").inner_text()


@pytest.mark.slow
def test_hostile_data_is_shown_and_never_executed(study_file: Path, browser: Any) -> None:
    folder = study_file.parent
    table = pd.read_csv(folder / "reviews.csv")
    attack = "<script>window.hacked=1</script></script><img src=x onerror=window.hacked=2>"
    signs = "{{ 7*7 }} \x1b[31mred\x1b[0m \u202eleft $\\frac{a}$ "
    table["text"] = attack + signs + table["text"]
    table.loc[3, "text"] = "x" * 1_000_000 + table.loc[3, "text"]
    table["label"] = table["label"].map({"pos": "<b>pos</b> {{x}} $a_", "neg": "</script>neg"})
    table.to_csv(folder / "reviews.csv", index=False)
    done = nbutils("run", "study.yaml", "--name", "a <i>b".replace("<", "(").replace(">", ")"),
                   cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = sorted((folder / "reports").rglob("*.html"))
    assert len(pages) == 5
    for path in pages:
        assert path.stat().st_size < 2_000_000
        with Visit(browser, path) as visit:
            visit.ask("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert visit.ask("typeof window.hacked") == "undefined"
            assert (visit.foreign_requests, visit.said) == ([], [])
    shown = (folder / "reports" / "a (i)b" / "03_error_analysis.html").read_text()
    assert "&lt;b&gt;pos&lt;/b&gt;" in shown
    prepared = (folder / "reports" / "a (i)b" / "01_data_prep.html").read_text()
    assert "{{ 7*7 }}" in prepared
