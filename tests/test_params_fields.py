"""Parameters as a form asks for them: all of them, once, and typed as a command line has them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils.params.base import StageParameters, is_plumbing
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.error_analysis import ErrorAnalysisParams
from nbutils.params.fields import REST, group_entries, list_entries, spell
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.strict_yaml import parse_value
from nbutils.params.study import SECTIONS

TUNE = list_entries(FineTuneParams)


@pytest.mark.parametrize("section", SECTIONS)
def test_form_asks_once_for_every_parameter_but_the_plumbing(section: str) -> None:
    model = SECTIONS[section]
    asked = [entry.name for group in group_entries(model).values() for entry in group]
    expected = [name for name in model.model_fields if not is_plumbing(model, name)]
    assert sorted(asked) == sorted(expected)


@pytest.mark.parametrize("section", ["data_prep", "fine_tune", "benchmark"])
def test_first_group_is_short_and_no_parameter_is_left_without_a_group(section: str) -> None:
    groups = group_entries(SECTIONS[section])
    assert REST not in groups
    assert len(next(iter(groups.values()))) <= 6


def test_section_without_groups_is_one_group() -> None:
    (group,) = group_entries(ErrorAnalysisParams).values()
    assert [entry.name for entry in group][:2] == ["skip", "worst_examples"]


def test_parameter_in_no_group_comes_last() -> None:
    class Grouped(StageParameters):
        groups = {"First": ("b",)}  # noqa: RUF012 - as a subclass would write it
        a: int = 1
        b: int = 2

    found = {title: [e.name for e in group] for title, group in group_entries(Grouped).items()}
    assert found == {"First": ["b"], REST: ["a"]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("trust_remote_code", "check"),
        ("precision", "choice"),
        ("epochs", "integer"),
        ("learning_rate", "number"),
        ("max_steps", "text"),
        ("time_limit_minutes", "text"),
        ("class_weights", "text"),
        ("model", "text"),
    ],
)
def test_kind_of_input_follows_the_type(name: str, kind: str) -> None:
    assert TUNE[name].kind == kind


def test_choice_that_may_be_none_offers_none() -> None:
    from typing import Literal

    class Choosing(StageParameters):
        way: Literal["a", "b"] | None = None
        sure: bool | None = None

    entries = list_entries(Choosing)
    assert entries["way"].choices == ("a", "b", None)
    assert entries["sure"].choices == (True, False, None)


def test_limits_and_choices_are_those_of_the_schema() -> None:
    assert TUNE["epochs"].limits == "int, >= 1, <= 100"
    assert TUNE["max_steps"].limits == "int or none, >= 1"
    assert TUNE["precision"].choices == ("auto", "fp32", "bf16")
    assert TUNE["class_weights"].choices == ("none", "balanced")


@pytest.mark.parametrize(
    ("model", "name", "typed", "meant"),
    [
        (FineTuneParams, "epochs", "12", 12),
        (FineTuneParams, "epochs", "1e3", "1e3"),
        (FineTuneParams, "epochs", "3.7", "3.7"),
        (FineTuneParams, "epochs", "none", "none"),
        (FineTuneParams, "learning_rate", "1e-4", 1e-4),
        (FineTuneParams, "learning_rate", "1,5", "1,5"),
        (FineTuneParams, "max_steps", " None ", None),
        (FineTuneParams, "max_steps", "12", "12"),
        (FineTuneParams, "class_weights", "none", "none"),
        (FineTuneParams, "class_weights", "{spam: 2.0}", {"spam": 2.0}),
        (FineTuneParams, "class_weights", "spam: 2.0", {"spam": 2.0}),
        (FineTuneParams, "class_weights", "{spam", "{spam"),
        (DataPrepParams, "metadata_columns", "a, b", "a, b"),
        (DataPrepParams, "metadata_columns", '["a, b", c]', ["a, b", "c"]),
        (DataPrepParams, "metadata_columns", "2001-99-99", "2001-99-99"),
        (DataPrepParams, "dataset", "none", "none"),
        (DataPrepParams, "text_column", "{a: 1}", "{a: 1}"),
    ],
)
def test_typed_text_means_what_a_command_line_or_yaml_means(
    model: type[StageParameters], name: str, typed: str, meant: Any
) -> None:
    assert list_entries(model)[name].read(typed) == meant


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (None, "none"),
        (True, "true"),
        (5e-5, "5e-05"),
        ([], ""),
        ([1, 2], "1, 2"),
        ([None, "a.csv"], "none, a.csv"),
        (["a, b", "c"], '["a, b", c]'),
        ({"spam": 2.0, "no": 1.0}, "{spam: 2.0, 'no': 1.0}"),
    ],
)
def test_value_is_spelled_as_it_is_typed(value: Any, spelled: str) -> None:
    assert spell(value).replace("'a, b'", '"a, b"') == spelled


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=4))
def test_spelled_names_are_read_as_the_same_names(names: list[str]) -> None:
    entry = list_entries(DataPrepParams)["metadata_columns"]
    assert DataPrepParams.of({"metadata_columns": entry.read(spell(names))}).metadata_columns == (
        names
    )


def test_text_that_is_no_yaml_means_nothing() -> None:
    assert parse_value("[a") is None
    assert parse_value("&a [*a]") is None
