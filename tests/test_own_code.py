"""Checkpoints with Python code of their own: it runs only where a parameter says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import make_reviews

from nbutils.checkpoints.checks import check_checkpoint, check_own_code
from nbutils.checkpoints.loading import load_classifier, load_head, load_tokenizer
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.errors import CheckpointError, ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.report.page import Page, render_page
from nbutils.report.seal import seal_pages
from nbutils.reproduce import ReproduceOptions, check_report, reproduce_report
from nbutils.training.api import fine_tune

CODE = """
import os
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification

Path(os.environ["OWN_CODE_RAN"]).write_text("it ran")


class OwnConfig(BertConfig):
    model_type = "own_encoder"


class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig
"""
CLASSES = {
    "AutoConfig": "own_encoder.OwnConfig",
    "AutoModelForSequenceClassification": "own_encoder.OwnForSequenceClassification",
}


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that the checkpoint's code writes when it runs."""
    monkeypatch.setenv("OWN_CODE_RAN", str(tmp_path / "ran"))
    modules = tmp_path / "modules"
    monkeypatch.setenv("HF_MODULES_CACHE", str(modules))  # for other processes
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "ran"


@pytest.fixture
def own(tmp_path: Path, tiny_bert: Path) -> Path:
    """Return a checkpoint of an architecture that transformers does not know, with its code."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "own"))
    (folder / "own_encoder.py").write_text(CODE)
    edit(folder, model_type="own_encoder", auto_map=CLASSES)
    return folder


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def recipe(folder: Path, *, trusted: bool) -> FineTuneParams:
    return FineTuneParams.of(
        {"model": str(folder), "trust_remote_code": trusted, "max_length": 16, "epochs": 1}
    )


def test_checkpoint_that_needs_its_own_code_is_refused_from_its_files(own: Path, ran: Path) -> None:
    check_checkpoint(str(own), max_length=16)
    with pytest.raises(CheckpointError, match=r"set fine_tune\.trust_remote_code: true") as info:
        check_own_code(recipe(own, trusted=False))
    assert "\n" not in str(info.value)
    check_own_code(recipe(own, trusted=True))
    assert not ran.exists()


def test_code_runs_only_when_it_is_trusted(own: Path, ran: Path) -> None:
    with pytest.raises(CheckpointError, match="needs Python code that comes with it, which is not"):
        load_head(str(own), label_names=["a", "b"], attention_dropout=0.0)
    load_tokenizer(str(own))
    load_tokenizer(str(own), only_counts=True)
    assert not ran.exists()
    torch.manual_seed(0)
    model, _ = load_head(
        str(own), label_names=["a", "b"], attention_dropout=0.0, trust_remote_code=True
    )
    assert ran.read_text() == "it ran"
    assert type(model).__name__ == "OwnForSequenceClassification"
    assert model.config.num_labels == 2


def test_code_beside_a_known_architecture_is_left_alone(own: Path, ran: Path) -> None:
    edit(own, model_type="bert")
    check_own_code(recipe(own, trusted=False))
    model = load_classifier(str(own), label_names=["a", "b"])
    assert type(model).__name__ == "BertForSequenceClassification"
    assert not ran.exists()


def test_code_without_a_classifier_is_refused(own: Path, ran: Path) -> None:
    edit(own, auto_map={"AutoConfig": CLASSES["AutoConfig"]})
    with pytest.raises(CheckpointError, match="expected an AutoModelForSequenceClassification"):
        check_own_code(recipe(own, trusted=True))
    assert not ran.exists()


def test_trusted_checkpoint_is_fine_tuned_and_said_to_have_run_code(own: Path, ran: Path) -> None:
    reviews = make_reviews(16)
    with pytest.warns(UserWarning, match="Python code that comes with .*own runs with all the"):
        classifier = fine_tune(
            reviews["text"].tolist(),
            reviews["label"].tolist(),
            **recipe(own, trusted=True).model_dump(exclude={"output_dir", "data_dir"}),
        )
    assert ran.exists()
    assert set(classifier.predict(["good film"])) <= {"pos", "neg"}


def test_fingerprint_follows_the_code(own: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(own, tmp_path / "other"))
    before = fingerprint_checkpoint(str(own))
    assert fingerprint_checkpoint(str(other)) == before
    third = Path(shutil.copytree(own, tmp_path / "third"))
    (third / "own_encoder.py").write_text(CODE + "\nprint('hello')\n")
    assert fingerprint_checkpoint(str(third)) != before


def report_of(folder: Path, own: Path) -> Path:
    """Write the page of a study that a stranger may have made up, whole and sealed."""
    make_reviews(20).to_csv(folder / "reviews.csv", index=False)
    prep = {"dataset": str(folder / "reviews.csv"), "tokenizer": str(own), "max_length": 16}
    manifest = {
        "name": "strange",
        "status": "completed",
        "parameters": {
            "name": "strange",
            "data_prep": prep,
            "fine_tune": {"model": str(own), "trust_remote_code": True, "max_length": 16},
        },
        "stage_keys": {},
        "metrics": {"test": {"accuracy": {"value": 1.0}}},
        "environment": {},
        "code": {},
        "data_fingerprint": "sha256:0",
        "checkpoint_fingerprint": fingerprint_checkpoint(str(own)),
    }
    page = folder / "index.html"
    page.write_text(render_page("summary.html.j2", page=Page("x", manifest=manifest), figures=[]))
    seal_pages([page], manifest)
    return page


def test_report_that_would_run_code_is_not_reproduced_unasked(
    own: Path, ran: Path, tmp_path: Path
) -> None:
    page = report_of(tmp_path, own)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        ParameterError, match=r"made with fine_tune\.trust_remote_code, .*would run"
    ):
        reproduce_report(page, options=ReproduceOptions(runs_dir=tmp_path / "runs", anyway=True))
    outcomes = {check.name: check.outcome for check in check_report(page).checks}
    assert outcomes["checkpoint"] == "good"
    assert not ran.exists()
    assert sorted(tmp_path.rglob("*")) == before
    # asked for, it goes as far as its data, which are others
    trusting = ReproduceOptions(runs_dir=tmp_path / "runs", trust_remote_code=True)
    result = reproduce_report(page, options=trusting)
    assert result.verdict == "not run"


@pytest.mark.parametrize("options", [["--anyway"], []])
def test_refusal_to_run_a_strangers_code_is_one_line_and_exit_2(
    own: Path, ran: Path, tmp_path: Path, options: list[str]
) -> None:
    page = report_of(tmp_path, own)
    done = subprocess.run(
        [sys.executable, "-m", "nbutils.cli", "reproduce", str(page), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "then add --trust-remote-code" in done.stderr
    assert not ran.exists()


@pytest.mark.slow
def test_study_says_on_its_first_screen_and_in_the_shell_that_code_ran(
    study_file: Path, own: Path, ran: Path, tmp_path: Path
) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        words = ["run", str(study_file), "-p", f"fine_tune.model={own}", *options]
        return subprocess.run(
            [sys.executable, "-m", "nbutils.cli", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    refused = run()
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "set fine_tune.trust_remote_code: true" in refused.stderr
    assert not (tmp_path / "runs").exists()
    assert not ran.exists()
    done = run("-p", "fine_tune.trust_remote_code=true")
    assert done.returncode == 0, done.stderr
    assert ran.exists()
    caution = "Python code that comes with"
    assert f"caution: trust_remote_code is true: {caution}" in done.stdout
    for name in ("index.html", "02_fine_tune.html"):
        page = (tmp_path / "reports" / "tiny" / name).read_text(encoding="utf-8")
        (cautions,) = re.findall('<div class="cautions">(.*?)</div>', page, re.S)
        assert caution in cautions
