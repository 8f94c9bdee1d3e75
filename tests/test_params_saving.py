"""Sections saved as study files: read back as they were, and nothing else of the file touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from study_files import CHANGED, COMMENTED, write

from nbutils.errors import ParameterError
from nbutils.params.base import StageParameters
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.saving import (
    describe_section,
    find_replaced,
    list_studies,
    save_section,
    study_path,
)
from nbutils.params.study import SECTIONS, load_study

ODD = [
    "no",
    "1e-4",
    "0x1F",
    "1_000",
    "null",
    "~",
    "2001-01-01",
    " ",
    "a: b # c",
    "ünï 🙂",
    "\u2028x",
]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("changed", [False, True])
def test_saved_section_is_read_as_it_was(section: str, changed: bool, project: Path) -> None:
    params = SECTIONS[section].of(CHANGED[section] if changed else {})
    assert save_section(params, study_path("mine")).startswith("Saved params/mine.yaml.")
    study = load_study(project / "params" / "mine.yaml")
    assert getattr(study, section) == params
    assert study.name == "mine"


@pytest.mark.parametrize("text", ODD)
def test_text_that_yaml_might_misread_is_read_as_it_was(text: str, project: Path) -> None:
    params = DataPrepParams.of({"dataset": text, "text_column": text, "metadata_columns": [text]})
    save_section(params, study_path("mine"))
    assert load_study(study_path("mine")).data_prep == params


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    rate=st.floats(1e-7, 1e-2),
)
def test_any_text_and_any_number_is_read_as_it_was(project: Path, text: str, rate: float) -> None:
    params = FineTuneParams.of(
        {"model": text, "class_weights": {text: rate}, "learning_rate": rate}
    )
    save_section(params, study_path("mine"), replace=True)
    assert load_study(study_path("mine")).fine_tune == params


def test_only_what_differs_from_the_defaults_is_saved(project: Path) -> None:
    path = study_path("mine")
    save_section(FineTuneParams.of({"epochs": 5, "batch_size": 16, "data_dir": "x"}), path)
    assert path.read_text(encoding="utf-8") == "name: mine\n\nfine_tune:\n  epochs: 5\n"


def test_numbers_as_text_are_in_quotes_for_every_reader_of_yaml(project: Path) -> None:
    assert "'1e-4'" in describe_section(DataPrepParams.of({"dataset": "1e-4"}), study_path("x"))


def test_existing_file_is_not_changed_unless_told_so(project: Path) -> None:
    path = write(COMMENTED)
    with pytest.raises(ParameterError, match=r"params/mine.yaml: there is such a file; save with"):
        save_section(FineTuneParams.of({"epochs": 5}), path)
    assert path.read_text(encoding="utf-8") == COMMENTED


def test_other_sections_keep_their_lines_and_comments(project: Path) -> None:
    path = write(COMMENTED)
    params = FineTuneParams.of({"epochs": 5, "seed": 7})
    assert find_replaced(params, path) == COMMENTED
    save_section(params, path, replace=True)
    expected = COMMENTED.replace(
        "  epochs: 2  # passes\n  class_weights:\n    spam: 2.0\n", "  epochs: 5\n  seed: 7\n"
    )
    assert path.read_text(encoding="utf-8") == expected
    assert load_study(path).error_analysis.worst_examples == 5
    assert find_replaced(params, path) == ""
    assert save_section(params, path) == "params/mine.yaml says so already."


@pytest.mark.parametrize(
    "before",
    [
        "name: mine\nfine_tune: {epochs: 2}\ndata_prep: {}",
        "name: mine\nfine_tune:\n",
        "fine_tune:\n  revision: |\n    # no comment\n    x\n# end\nseed: 3\n",
        "? fine_tune\n: epochs: 2\nname: mine\n",
        '"fine_tune":\n    epochs: 2\n    model: >\n      a\n\n\n',
        "{name: mine, fine_tune: {epochs: 2}, data_prep: {test_size: 0.3}}",
        "---\nname: mine\n...\n",
        "\ufeffname: mine\nfine_tune: {epochs: 2}\n",
        "name: mine\ndescription: 'a\u2028  b'\nfine_tune:\n  epochs: 2\nseed: 3\n",
    ],
)
def test_section_is_replaced_in_any_way_of_writing_yaml(before: str, project: Path) -> None:
    path = write(before)
    others = {k: v for k, v in yaml.safe_load(before).items() if k != "fine_tune"}
    params = FineTuneParams.of({"epochs": 5, "revision": "no", "seed": 9})
    save_section(params, path, replace=True)
    after = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {k: v for k, v in after.items() if k != "fine_tune"} == others
    assert load_study(path).fine_tune == params


def test_comments_that_cannot_be_kept_are_mentioned(project: Path) -> None:
    path = write("{name: mine, # a comment\n fine_tune: {epochs: 2}}\n")
    said = save_section(FineTuneParams.of({"epochs": 5}), path, replace=True)
    assert "written anew, without its comments" in said


def test_common_seed_of_a_study_does_not_replace_that_of_the_section(project: Path) -> None:
    path = write(COMMENTED)
    params = FineTuneParams.of({"epochs": 5})
    assert "  seed: 42\n" in describe_section(params, path)
    save_section(params, path, replace=True)
    assert load_study(path).fine_tune.seed == 42


def test_data_prep_goes_on_to_count_as_the_model_of_the_study_reads(project: Path) -> None:
    path = write("fine_tune: {max_length: 256, model: a/b}\n")
    said = save_section(DataPrepParams.of({"test_size": 0.3}), path, replace=True)
    prep = load_study(path).data_prep
    assert (prep.test_size, prep.max_length, prep.tokenizer) == (0.3, 256, "a/b")
    assert "other than here: tokenizer (a/b), max_length (256)" in said


def test_data_prep_counts_as_it_was_told_where_it_was_told(project: Path) -> None:
    path = write("fine_tune: {max_length: 256}\ndata_prep: {max_length: 128}\n")
    save_section(DataPrepParams.of({"tokenizer": "c/d"}), path, replace=True)
    prep = load_study(path).data_prep
    assert (prep.max_length, prep.tokenizer) == (128, "c/d")


def test_sections_that_are_left_to_the_defaults_are_mentioned(project: Path) -> None:
    said = save_section(FineTuneParams.of({}), study_path("mine"))
    assert "It has no data_prep and no error_analysis section: there the defaults hold." in said


@pytest.mark.parametrize(
    ("before", "section", "message"),
    [
        ("benchmark: {}\n", "fine_tune", "params/mine.yaml: benchmark: stands alone"),
        ("data_prep: {}\n", "benchmark", "params/mine.yaml: benchmark: stands alone"),
        ("data_prep: {x: 1}\n", "fine_tune", "params/mine.yaml: data_prep.x: unknown parameter"),
        ("name: [\n", "fine_tune", "params/mine.yaml: not valid YAML"),
        ("- 1\n", "fine_tune", "params/mine.yaml: expected `name: ...` and sections"),
    ],
)
def test_file_without_room_for_the_section_is_left_alone(
    before: str, section: str, message: str, project: Path
) -> None:
    path = write(before)
    params: StageParameters = SECTIONS[section].of({})
    with pytest.raises(ParameterError, match=message):
        save_section(params, path, replace=True)
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/x", "x.html", "a\nb", "x" * 101])
def test_name_that_is_no_file_name_is_refused(name: str, project: Path) -> None:
    with pytest.raises(ParameterError, match="name: "):
        study_path(name)


def test_studies_are_named_without_their_ending(project: Path) -> None:
    assert list_studies() == []
    save_section(FineTuneParams.of({}), study_path("mine.yaml"))
    assert list_studies() == ["mine"]


def test_folder_that_cannot_be_written_is_said_in_one_line(project: Path) -> None:
    (project / "params").touch()
    with pytest.raises(ParameterError, match=r"params/mine.yaml: cannot be written"):
        save_section(FineTuneParams.of({}), study_path("mine"))


@pytest.mark.parametrize("value", [{"epochs": 5}, {"class_weights": {"a": 1.0, "b": 2.0}}])
@pytest.mark.parametrize("before", [COMMENTED, "name: mine\nseed: 3\n", "{name: mine, seed: 3}\n"])
def test_line_ends_of_windows_stay(before: str, value: dict[str, object], project: Path) -> None:
    path = write(before)
    params = FineTuneParams.of(value)
    save_section(params, path, replace=True)
    expected = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before.replace("\n", "\r\n").encode())
    said = save_section(params, path, replace=True)
    assert path.read_bytes() == expected
    assert ("written anew" in said) is before.startswith("{")
    assert save_section(params, path) == "params/mine.yaml says so already."


def test_file_with_line_ends_of_old_macs_is_still_a_study(project: Path) -> None:
    path = write("")
    path.write_bytes(b"name: mine\rfine_tune:\r  epochs: 2\rseed: 3\r")
    save_section(FineTuneParams.of({"epochs": 5, "seed": 9}), path, replace=True)
    study = load_study(path)
    assert (study.fine_tune.epochs, study.fine_tune.seed, study.error_analysis.seed) == (5, 9, 3)


def test_linked_study_is_written_where_it_stands(project: Path) -> None:
    path, kept = study_path("mine"), project / "kept"
    kept.mkdir()
    path.parent.mkdir()
    (kept / "study.yaml").write_text(COMMENTED, encoding="utf-8")
    path.symlink_to(kept / "study.yaml")
    params = FineTuneParams.of({"epochs": 5})
    assert save_section(params, path, replace=True).startswith("Saved params/mine.yaml.")
    assert path.is_symlink()
    assert load_study(kept / "study.yaml").fine_tune.epochs == 5
