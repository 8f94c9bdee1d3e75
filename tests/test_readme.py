"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nbutils.params.study import load_study

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


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
    example, load, *_ = blocks("python")
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
    done = run("\n".join(blocks("python")[:3]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert " proposed" in done.stdout


@pytest.mark.slow
def test_finished_run_is_opened_as_shown(study_file: Path) -> None:
    command = "run", str(study_file), "--name", "quickstart"
    made = run(f"import sys; from nbutils.cli import main; sys.argv[1:] = {command}; main()",
               study_file.parent)  # fmt: skip
    assert made.returncode == 0, made.stderr
    shown = blocks("python")[3]
    done = run(f"{shown}\nprint(type(run).__name__, len(run.predictions))", study_file.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FinishedRun ")


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
    root = Path(__file__).parent.parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (root / link).exists()] == []
