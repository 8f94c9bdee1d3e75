"""What the README shows is what happens."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from quick import add_quick_analysis

from nbutils.artifacts import read_json
from nbutils.benchmark.real_texts import DYNAMIC, PADDED
from nbutils.params.study import load_study

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.slow
def test_python_example_runs_and_shows_the_loss_of_each_batch(tmp_path: Path) -> None:
    _, example, load, *_ = blocks("python")
    done = run(example, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [f"batch {k}" for k in range(1, 17)]
    assert lines[-1] == "[1, 0, 1, 0]"
    assert (tmp_path / "my-model" / "model.safetensors").is_file()
    assert len(example.strip().splitlines()) <= 11
    loaded = run(load, tmp_path)
    assert loaded.stderr == ""
    assert loaded.stdout == "[1, 0] ('0', '1') [1. 1.]\n"


@pytest.mark.slow
def test_range_test_example_proposes_something_or_says_why_not(tmp_path: Path) -> None:
    done = run("\n".join(blocks("python")[1:4]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert " proposed" in done.stdout


@pytest.mark.slow
def test_finished_run_is_opened_as_shown(study_file: Path) -> None:
    add_quick_analysis(study_file.parent)
    command = "run", str(study_file), "--name", "quickstart"
    made = run(f"import sys; from nbutils.cli import main; sys.argv[1:] = {command}; main()",
               study_file.parent)  # fmt: skip
    assert made.returncode == 0, made.stderr
    label, *_, shown = blocks("python")
    label = label.replace('"reviews"', '"quickstart"')
    done = run(
        f"{label}\n{shown}\nprint(type(run).__name__, len(run.predictions))", study_file.parent
    )
    assert done.returncode == 0, done.stderr
    labels, kind = done.stdout.splitlines()
    assert len(ast.literal_eval(labels)) == 2
    assert kind.startswith("FinishedRun ")


def test_study_examples_are_valid(tmp_path: Path) -> None:
    own, several, published = blocks("yaml")
    (tmp_path / "study.yaml").write_text(own, encoding="utf-8")
    assert load_study(tmp_path / "study.yaml").data_prep.label_column == "stars"
    (tmp_path / "study.yaml").write_text(several, encoding="utf-8")
    study = load_study(tmp_path / "study.yaml")
    assert study.data_prep.label_separator == ";"
    assert study.fine_tune.class_weights == {"rare-topic": 3.0}
    (tmp_path / "study.yaml").write_text(published, encoding="utf-8")
    target = load_study(tmp_path / "study.yaml").target
    assert target is not None
    assert (target.value, target.runs) == (0.978, 10)


def test_every_file_that_is_linked_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def ratio(section: str, **wanted: object) -> Callable[[dict[str, Any]], str]:
    def say(metrics: dict[str, Any]) -> str:
        ours = ("nbutils", metrics["headline"]["ours"])
        (row,) = (
            row
            for row in metrics[section]
            if row["variant"] in ours and wanted.items() <= row.items()
        )
        return f"{row['ratio']:.1f}x"

    return say


def memory(metrics: dict[str, Any]) -> str:
    peaks = {row["variant"]: row["peak_mib"] for row in metrics["memory"]}
    return f"{peaks[metrics['headline']['ours']] / peaks[STOCK]:.0%}".replace("%", " %")


TRAINING, STOCK = {"dataset": "reuters-r8-train"}, "stock fp32"
SPEEDS = {
    "training on R8, all padded to 256 tokens": ratio("training", baseline=PADDED, **TRAINING),
    "training on R8, dynamic padding": ratio("training", baseline=DYNAMIC, **TRAINING),
    **{
        f"a step of 16 texts of {tokens} tokens": ratio("steps", baseline=STOCK, length=tokens)
        for tokens in (24, 32, 64, 128, 256, 512)
    },
    "labels for R8's 2,189 test texts": ratio("prediction", rows=2189),
    "memory of training on texts of 512 tokens": memory,
}


def test_speeds_are_those_of_the_committed_reports() -> None:
    section = README.partition("## How fast\n")[2].partition("\n## ")[0]
    head, _, *rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)
    reports = [Path(link) for link in re.findall(r"\]\((reports/[^)]+)\)", head)]
    measured = [read_json(ROOT / path / "metrics.json") for path in reports]
    assert len(measured) == 2
    cells = {name.strip(): [cell.strip() for cell in cells] for name, *cells in
             (row.split("|") for row in rows)}  # fmt: skip
    assert list(cells) == list(SPEEDS)
    for name, say in SPEEDS.items():
        for cell, found in zip(cells[name], measured, strict=True):
            shown, _, link = cell.strip("[)").partition("](")
            own = read_json(ROOT / link / "metrics.json") if link else found
            assert shown == say(own), name
