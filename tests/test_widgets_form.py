"""The parameter form: what is typed holds or says why not, and is run and saved as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_files import COMMENTED, write

from nbutils.code_fingerprints import library_fingerprint
from nbutils.errors import ParameterError
from nbutils.escaping import escape_text
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.error_analysis import ErrorAnalysisParams
from nbutils.params.fields import list_entries
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.saving import study_path
from nbutils.params.study import SECTIONS, load_study
from nbutils.widgets.base import WIDGET_MIME
from nbutils.widgets.form import ParameterForm


def form(**values: Any) -> ParameterForm[FineTuneParams]:
    return ParameterForm(FineTuneParams.of(values))


def shown(widget: Any) -> str:
    """Return all HTML and all labels in a widget."""
    words = [str(getattr(widget, name, "")) for name in ("value", "description")]
    return "\n".join([*words, *map(shown, getattr(widget, "children", ()))])


def find(widget: Any, description: str) -> Any:
    """Return the button in a widget whose label begins with `description`."""
    found = [
        inner
        for inner in _all(widget)
        if "Button" in type(inner).__name__ and inner.description.startswith(description)
    ]
    (button,) = found
    return button


def _all(widget: Any) -> list[Any]:
    return [widget, *(inner for child in getattr(widget, "children", ()) for inner in _all(child))]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_parameter_has_an_input_with_its_name_and_its_meaning(
    section: str, project: Path
) -> None:
    made = ParameterForm(SECTIONS[section].of({}))
    entries = list_entries(SECTIONS[section])
    assert {name: widget.description for name, widget in made.inputs.items()} == {
        name: name for name in entries
    }
    text = shown(made.view)
    assert all(escape_text(entry.meaning) in text for entry in entries.values())
    assert "output_dir" not in text
    assert made.params == SECTIONS[section].of({})


def test_typed_values_are_taken_over_at_once(project: Path) -> None:
    made = form(data_dir="x")
    made.inputs["epochs"].value = "5"
    made.inputs["max_steps"].value = "12"
    made.inputs["trust_remote_code"].value = True
    made.inputs["class_weights"].value = "{spam: 2}"
    made.inputs["precision"].value = "fp32"
    made.inputs["learning_rate"].value = "1e-4"
    expected = {
        "epochs": 5,
        "max_steps": 12,
        "trust_remote_code": True,
        "class_weights": {"spam": 2.0},
        "precision": "fp32",
        "learning_rate": 1e-4,
        "data_dir": "x",
    }
    assert made.params == FineTuneParams.of(expected)


def test_optional_number_takes_none(project: Path) -> None:
    made = form(max_steps=5)
    assert made.inputs["max_steps"].value == "5"
    made.inputs["max_steps"].value = "none"
    assert made.params.max_steps is None


def test_wrong_value_is_explained_beside_its_input_and_nothing_is_taken_over(
    project: Path,
) -> None:
    made = form()
    made.inputs["epochs"].value = "0"
    made.inputs["batch_size"].value = "32"
    line = "epochs: should be greater than or equal to 1, found 0"
    (beside,) = [w for w in _all(made.view) if made.inputs["epochs"] in getattr(w, "children", ())]
    assert "Not valid." in shown(beside)
    assert line in shown(beside)
    assert "Not taken over: epochs, batch_size." in shown(made.view)
    with pytest.raises(ParameterError, match="not all values are valid: epochs: should be gr"):
        _ = made.params
    made.inputs["epochs"].value = "1"
    assert (made.params.epochs, made.params.batch_size) == (1, 32)
    assert line not in shown(made.view)
    assert "Taken over." in shown(made.view)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("batch_size", "1e3"),
        ("batch_size", "3.7"),
        ("batch_size", ""),
        ("batch_size", "12x"),
        ("learning_rate", "1,5"),
        ("learning_rate", ""),
        ("learning_rate", "inf"),
    ],
)
def test_what_is_no_whole_number_or_no_number_is_refused_and_not_cut(
    name: str, typed: str, project: Path
) -> None:
    made = form()
    made.inputs[name].value = typed
    assert f"Not taken over: {name}." in shown(made.view)
    assert made.inputs[name].value == typed
    with pytest.raises(ParameterError, match=f"not all values are valid: {name}: should be a "):
        _ = made.params


def test_nothing_is_run_or_saved_by_code_that_is_not_on_the_screen(project: Path) -> None:
    made = form()
    assert "nbutils run" in shown(made.view)
    made.inputs["epochs"].value = "0"
    for ask in (lambda: made.params, lambda: made.yaml, lambda: made.command, made.save):
        with pytest.raises(ParameterError, match=r"not all values are valid: epochs: .*; mend"):
            ask()
    assert "nbutils run" not in shown(made.view)
    assert "Once all values are valid" in shown(made.view)
    assert WIDGET_MIME in made._repr_mimebundle_()


def test_value_that_was_typed_as_it_is_counts_as_unchanged_beside_a_wrong_one(
    project: Path,
) -> None:
    made = form()
    made.inputs["epochs"].value = "0"
    made.inputs["batch_size"].value = "1"
    made.inputs["batch_size"].value = str(FineTuneParams.of({}).batch_size)
    assert "Not taken over: epochs." in shown(made.view)


def test_wrong_values_that_were_set_before_the_form_is_shown_are_shown(project: Path) -> None:
    made = form()
    made.set(epochs=0, precision="fp17", trust_remote_code="perhaps")
    assert made.inputs["epochs"].value == "0"
    assert "Not taken over: " in shown(made.view)


def test_wrong_value_in_a_folded_group_is_counted_on_its_button(project: Path) -> None:
    made = form()
    button = find(made.view, "Optimiser and loss")
    assert button.description == "Optimiser and loss (7)"
    made.inputs["weight_decay"].value = "3.0"
    assert button.description == "Optimiser and loss (7, 1 changed, 1 not valid)"


def test_group_is_opened_and_closed_by_its_button(project: Path) -> None:
    made = form()
    button = find(made.view, "Optimiser and loss")
    (group,) = [w for w in _all(made.view) if button in getattr(w, "children", ())]
    grid = group.children[1]
    assert grid.layout.display == "none"
    button.value = True
    assert grid.layout.display is None


def test_changed_value_is_marked_in_words(project: Path) -> None:
    made = form()
    assert "Changed." not in shown(made.view)
    made.inputs["epochs"].value = "5"
    assert shown(made.view).count("Changed.") == 1
    assert "Other than the defaults: epochs." in shown(made.view)


def test_list_is_typed_with_commas(project: Path) -> None:
    made = ParameterForm(ErrorAnalysisParams.of({}))
    made.inputs["skip"].value = "shift, saliency"
    assert made.params.skip == ["shift", "saliency"]
    made.inputs["skip"].value = "shft"
    assert "&#x27;shft&#x27; is no section; did you mean &#x27;shift&#x27;?" in shown(made.view)


def test_value_that_its_input_cannot_spell_stays_until_somebody_types(project: Path) -> None:
    made = ParameterForm(DataPrepParams.of({"label_separator": " ", "text_column": "none"}))
    made.inputs["test_size"].value = "0.3"
    assert (made.params.label_separator, made.params.text_column) == (" ", "none")


def test_reset_goes_back_to_the_cell(project: Path) -> None:
    made = form(epochs=4, max_steps=7)
    made.inputs["epochs"].value = "0"
    made.inputs["max_steps"].value = "x"
    find(made.view, "Reset").click()
    assert (made.inputs["epochs"].value, made.inputs["max_steps"].value) == ("4", "7")
    assert made.params == FineTuneParams.of({"epochs": 4, "max_steps": 7})


def test_values_are_set_from_code_with_and_without_a_view(project: Path) -> None:
    made = form()
    made.set(epochs=5)
    assert made.inputs["epochs"].value == "5"
    made.set(epochs="many", max_steps=3)
    assert (made.inputs["epochs"].value, made.inputs["max_steps"].value) == ("many", "3")
    made.set(epochs=2)
    assert made.params == FineTuneParams.of({"epochs": 2, "max_steps": 3})
    with pytest.raises(ParameterError, match="epoch: unknown parameter; did you mean 'epochs'"):
        made.set(epoch=5)


def test_study_file_and_command_follow_what_is_typed(project: Path) -> None:
    made = form()
    made.inputs["epochs"].value = "5"
    assert made.yaml == "fine_tune:\n  epochs: 5\n"
    assert "fine_tune:\n  epochs: 5</pre>" in shown(made.view)
    assert "There is no params/my-study.yaml yet: save it before" in shown(made.view)
    write(COMMENTED)
    made.choose_study("mine")
    assert made.command.endswith("-p fine_tune.epochs=5 -p fine_tune.class_weights=none "
                                 "-p fine_tune.seed=42")  # fmt: skip
    assert "-p fine_tune.epochs=5" in shown(made.view)


def test_studies_that_exist_are_offered(project: Path) -> None:
    write(COMMENTED)
    made = form()
    (study,) = [w for w in _all(made.view) if getattr(w, "description", "") == "study"]
    assert study.options == ("mine",)
    study.value = "a/b"
    assert "expected a name that can be a folder, found &#x27;a/b&#x27;" in shown(made.view)
    find(made.view, "Save").click()
    assert "Not done." in shown(made.view)


def test_button_saves_a_study_file(project: Path) -> None:
    made = form(epochs=5)
    find(made.view, "Save").click()
    assert "Saved params/my-study.yaml." in shown(made.view)
    assert load_study(project / "params" / "my-study.yaml").fine_tune.epochs == 5
    assert made.command.endswith("run params/my-study.yaml")


def test_existing_file_is_replaced_by_a_second_click_alone(project: Path) -> None:
    path = write(COMMENTED)
    made = ParameterForm(FineTuneParams.of({"epochs": 5, "seed": 7}), study="mine")
    find(made.view, "Save").click()
    assert path.read_text(encoding="utf-8") == COMMENTED
    assert "there is mine.yaml already. Press again to replace its fine_tune" in shown(made.view)
    find(made.view, "Replace its fine_tune section").click()
    assert load_study(path).fine_tune == made.params
    assert "# What is looked at." in path.read_text(encoding="utf-8")
    assert find(made.view, "Save as study file")


def test_question_is_asked_anew_once_something_changed(project: Path) -> None:
    path = write(COMMENTED)
    made = ParameterForm(FineTuneParams.of({"epochs": 5}), study="mine")
    find(made.view, "Save").click()
    made.inputs["epochs"].value = "6"
    find(made.view, "Save").click()
    assert path.read_text(encoding="utf-8") == COMMENTED
    path.write_text(COMMENTED + "# by somebody else\n", encoding="utf-8")
    find(made.view, "Replace").click()
    assert path.read_text(encoding="utf-8") == COMMENTED + "# by somebody else\n"


def test_nothing_is_saved_or_run_while_a_value_is_wrong(project: Path) -> None:
    made = form()
    made.inputs["epochs"].value = "0"
    find(made.view, "Save").click()
    refusal = "not all values are valid: epochs: should be greater than or equal to 1"
    assert refusal in shown(made.view)
    assert not study_path("my-study").exists()
    made.say("")
    find(made.view, "Run the cells below").click()
    assert refusal in shown(made.view)
    assert [w.outputs for w in _all(made.view) if hasattr(w, "outputs")] == [()]


def test_button_runs_the_cells_below_by_a_script(project: Path) -> None:
    made = form()
    find(made.view, "Run the cells below").click()
    ((output,),) = [w.outputs for w in _all(made.view) if hasattr(w, "outputs")]
    assert "notebook:run-all-below" in output["data"]["application/javascript"]


def test_text_in_values_is_shown_as_text(project: Path) -> None:
    made = form(model="<img src=x>\u202e")
    made.inputs["revision"].value = "<b>"
    made.inputs["max_steps"].value = "<script>"
    assert "<img" not in shown(made.view).replace("<img src=x>\u202e", "", 1)  # in its own input
    assert "<script" not in shown(made.view).replace("<script>", "", 1)
    assert "<img" not in made.twin._repr_html_()


def test_page_shows_what_differs_from_the_defaults() -> None:
    made = form(epochs=5, class_weights={"<i>": 2})
    page = made.twin._repr_html_()
    assert "passes over the training split" in page
    assert "{&lt;i&gt;: 2.0}" in page
    assert "learning_rate" not in page
    assert "epochs" in repr(made)


def test_page_says_none_of_an_empty_list() -> None:
    made = ParameterForm(SECTIONS["benchmark"].of({"seeds": []}))
    assert "none</bdi>" in made.twin._repr_html_()
    assert "0, 1, 2" in made.twin._repr_html_()


def test_page_says_when_all_are_defaults() -> None:
    assert repr(form()) == "Note: All parameters of fine_tune have their default values."
    made = ParameterForm(DataPrepParams.of({"output_dir": "x"}))
    assert "All parameters of data_prep have" in made.twin._repr_html_()


def test_bundle_has_the_form_and_its_twin(project: Path) -> None:
    bundle = form(epochs=5)._repr_mimebundle_()
    assert WIDGET_MIME in bundle
    assert len(bundle["text/html"]) < 20_000


def test_result_of_a_notebook_does_not_depend_on_the_sections_of_others() -> None:
    before = library_fingerprint("nbutils.widgets.form")
    assert before == library_fingerprint("nbutils.widgets.form", "nbutils.params.drafts")
    assert before != library_fingerprint("nbutils.widgets.form", "nbutils.params.benchmark")
    assert before != library_fingerprint("nbutils.widgets.form", "nbutils.params.error_analysis")
