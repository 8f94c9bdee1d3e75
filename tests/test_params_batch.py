"""The command that a user pastes: it runs what the form holds, or says what to do first."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from study_files import CHANGED, COMMENTED, write

from nbutils.params.base import StageParameters
from nbutils.params.batch import describe_batch
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.saving import save_section, study_path
from nbutils.params.study import SECTIONS, Study, load_study


def paste(command: str) -> tuple[Path, Study]:
    """Return where a pasted command works, and the study that it runs."""
    words = shlex.split(command)
    assert (words[0], words[2], words[4]) == ("cd", "&&", "run")
    place = Path(words[1]).expanduser()
    assert words[6::2] == ["-p"] * (len(words[6:]) // 2)
    return place, load_study(place / words[5], overrides=words[7::2])


def test_study_that_is_not_there_must_be_saved_first(project: Path) -> None:
    batch = describe_batch(FineTuneParams.of({"epochs": 5}), study_path("my study"))
    assert batch.remark == "There is no params/my study.yaml yet: save it before you run this."
    assert batch.command.endswith("run 'params/my study.yaml'")


@pytest.mark.parametrize("section", SECTIONS)
def test_saved_study_is_run_as_it_is(section: str, project: Path) -> None:
    params = SECTIONS[section].of(CHANGED[section])
    save_section(params, study_path("mine"))
    batch = describe_batch(params, study_path("mine"))
    place, study = paste(batch.command)
    assert (place, getattr(study, section), batch.remark) == (project, params, "")
    assert "-p" not in shlex.split(batch.command)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 5},
        {"model": 'it\'s $HOME `x` "y"; rm', "revision": "a=b c"},
        {"class_weights": {"no": 2.0, "it's": 0.5}},
        {"class_weights": "none", "learning_rate": 1e-7},
        {},
    ],
)
def test_study_with_other_values_is_run_with_those_of_the_form(
    values: dict[str, Any], project: Path
) -> None:
    path = write(COMMENTED)
    batch = describe_batch(FineTuneParams.of(values), path)
    _, study = paste(batch.command)
    assert study.fine_tune == FineTuneParams.of(values)
    assert study.error_analysis.worst_examples == 5
    assert "nothing needs to be saved" in batch.remark


def test_command_sets_back_what_the_study_has_and_the_form_has_not(project: Path) -> None:
    batch = describe_batch(DataPrepParams.of({}), write("data_prep: {test_size: 0.3}"))
    assert "-p data_prep.test_size=0.2" in batch.command


def test_data_prep_counts_as_the_model_of_the_study_reads(project: Path) -> None:
    path = write("fine_tune: {max_length: 256}\n")
    batch = describe_batch(DataPrepParams.of({"max_examples": 50}), path)
    _, study = paste(batch.command)
    assert (study.data_prep.max_examples, study.data_prep.max_length) == (50, 256)


@pytest.mark.parametrize(
    "params",
    [
        DataPrepParams.of({"label_separator": " "}),  # after -p, nothing and blanks are none
        DataPrepParams.of({"metadata_columns": ["a, b"]}),
        DataPrepParams.of({"dataset": "txt.exe\u202e"}),
        DataPrepParams.of({"dataset": "a\nb"}),
    ],
)
def test_what_no_command_can_say_must_be_saved_first(
    params: StageParameters, project: Path
) -> None:
    batch = describe_batch(params, write(COMMENTED))
    assert batch.remark == "Some value fits into no command: save before you run this."
    assert batch.command.endswith("params/mine.yaml")


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("benchmark: {}", "params/mine.yaml: a benchmark, which has no fine_tune; name another"),
        ("fine_tune: {epochs: 0}", "params/mine.yaml: fine_tune.epochs: should be greater"),
    ],
)
def test_study_that_cannot_be_run_with_the_values_says_why(
    text: str, remark: str, project: Path
) -> None:
    batch = describe_batch(FineTuneParams.of({}), write(text))
    assert batch.command == ""
    assert batch.remark.startswith(remark)


def test_home_folder_is_written_so_that_a_shell_finds_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project.parent
    monkeypatch.setenv("HOME", str(home))
    command = describe_batch(FineTuneParams.of({}), study_path("mine")).command
    assert command.startswith(f"cd ~/{project.name} && ")
