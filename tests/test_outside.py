"""What a study reads from outside, changed while its stages are made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nbutils import execution, publishing
from nbutils.artifacts import CHECKPOINTS, find_finished
from nbutils.errors import DataError
from nbutils.params.study import Study
from nbutils.runs import RunOptions
from nbutils.study import run_study

MADE = {"data_prep": "data_card.json", "fine_tune": "metrics.json", "error_analysis": "f.json"}
EMPTY = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@dataclass
class Project:
    """A study whose notebooks only leave their last file; one of them edits what it reads."""

    folder: Path
    model: Path
    edit: Callable[[], object] = lambda: None
    during: str = "data_prep"

    def append_to(self, name: str) -> Callable[[], object]:
        path = self.folder / name
        return lambda: path.write_text(path.read_text() + "\n")

    def run_notebook(self, _: Path, saved: Path, **__: Any) -> None:
        stage = saved.parent.parent.name
        if stage == "fine_tune":  # a state, as a training of some minutes leaves it
            (saved.parent / CHECKPOINTS / "step-00000010").mkdir(parents=True, exist_ok=True)
        if stage == self.during:
            self.edit()
        (saved.parent / MADE[stage]).write_text("{}")
        saved.write_text(EMPTY)

    def run(self, *, fresh: bool = False, **prep: str) -> None:
        sections = {
            "data_prep": {"dataset": "reviews.csv", "tokenizer": "model", **prep},
            "fine_tune": {"model": "model"},
        }
        study = Study.model_validate({"name": "s", **sections})
        run_study(study, command="nbutils run s.yaml", options=RunOptions(fresh=fresh))

    def finished(self) -> list[str]:
        return sorted(path.parent.parent.name for path in Path("runs").glob("*/*/stage.json"))


@pytest.fixture
def project(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"text number {k},{'ab'[k % 2]}\n" for k in range(40))
    for name in ("reviews.csv", "test.csv"):
        (tmp_path / name).write_text(f"text,label\n{rows}")
    (tmp_path / "fix.csv").write_text("example_id,text,corrected_label\n1,text number 1,a\n")
    made = Project(tmp_path, shutil.copytree(tiny_bert, tmp_path / "model"))
    shutil.copytree(tiny_bert, tmp_path / "words")
    monkeypatch.setattr(execution, "run_notebook", made.run_notebook)
    monkeypatch.setattr(publishing, "publish", lambda *_, **__: True)
    return made


@pytest.mark.parametrize(
    ("prep", "file", "told"),
    [
        ({}, "reviews.csv", "reviews.csv: the data changed"),
        ({"test_dataset": "test.csv"}, "test.csv", "reviews.csv, test.csv: the data changed"),
        ({"label_corrections": "fix.csv"}, "fix.csv", "reviews.csv, fix.csv: the data changed"),
        ({"tokenizer": "words"}, "words/tokenizer.json", "words: the tokenizer changed"),
    ],
)
def test_data_prep_whose_inputs_change_is_not_kept(
    project: Project, prep: dict[str, str], file: str, told: str
) -> None:
    project.edit = project.append_to(file)
    with pytest.raises(DataError, match=f"^{told}.*run again: nbutils run s.yaml"):
        project.run(**prep)
    assert list(Path("runs").glob("*/*")) == []


def test_training_whose_checkpoint_changes_leaves_only_its_states(project: Project) -> None:
    project.edit, project.during = project.append_to("model/config.json"), "fine_tune"
    with pytest.raises(DataError, match=r"^model: the checkpoint changed"):
        project.run(tokenizer="words")
    assert project.finished() == ["data_prep"]
    assert [path.name for path in Path("runs").glob("fine_tune/*/*")] == [CHECKPOINTS]
    assert find_finished("fine_tune", None) is None


def test_finished_training_outlives_a_fresh_run_that_does_not_get_to_it(project: Project) -> None:
    project.run(tokenizer="words")
    before = project.finished()
    project.edit = project.append_to("model/config.json")
    with pytest.raises(DataError, match="the checkpoint changed"):
        project.run(fresh=True, tokenizer="words")
    assert project.finished() == before == sorted(MADE)


@pytest.mark.parametrize("file", ["reviews.csv", "model/config.json"])
def test_benchmark_whose_inputs_change_is_not_kept(
    project: Project, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MADE, "benchmark", "metrics.json")
    project.edit, project.during = project.append_to(file), "benchmark"
    sections = {"benchmark": {"model": "model", "datasets": ["reviews.csv"]}}
    with pytest.raises(DataError, match="changed while the run was at work"):
        run_study(Study.model_validate({"name": "b", **sections}), command="again")
    assert project.finished() == []
