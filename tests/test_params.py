"""Parameters: typed, bounded, and refused in one line that says how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nbutils.errors import ParameterError
from nbutils.params.base import is_plumbing
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.describe import describe_parameters, study_schema
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import SECTIONS, Study, load_study


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_that_yaml_takes_for_truth_values_are_labels(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: own\ndata_prep: {dataset: a.csv}\n"
        "fine_tune:\n  class_weights:\n    yes: 2.0\n    NO: 1\n    on: 3\n    1_0: 4\n"
    )
    weights = {"yes": 2.0, "NO": 1.0, "on": 3.0, "1_0": 4.0}
    assert load_study(study).fine_tune.class_weights == weights
    given = FineTuneParams.of({"class_weights": "{yes: 2.0, NO: 1, on: 3, 1_0: 4}"})
    assert given.class_weights == weights
    study.write_text(load_study(study).to_yaml())
    assert load_study(study).fine_tune.class_weights == weights
    with pytest.raises(ParameterError, match="class_weights"):
        FineTuneParams.of({"class_weights": "{a: 1, a: 2}"})
    with pytest.raises(ParameterError, match="expected one, found two; a number and its text"):
        FineTuneParams.of({"class_weights": {1: 2.0, "1": 3.0}})


def test_numbers_that_yaml_takes_for_text_are_weights(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("name: own\nfine_tune:\n  class_weights: {a: 1e-3, b: 1e+20, c: 2}\n")
    assert load_study(study).fine_tune.class_weights == {"a": 1e-3, "b": 1e20, "c": 2.0}
    for weight in ("nan", "much", "true", "1e21", "-1", "'1_0'", "' 2 '"):
        with pytest.raises(ParameterError, match="weight of 'a': expected a number from 1e-20"):
            FineTuneParams.of({"class_weights": f"{{a: {weight}}}"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fine_tune: {learning_rte: 1}", r"learning_rte: unknown.*did you mean 'learning_rate'\?"),
        ("fine_tuning: {}", r"fine_tuning: unknown parameter; did you mean 'fine_tune'\?"),
        ("fine_tune: {epochs: many}", "fine_tune.epochs: should be a valid integer, found 'many'"),
        ("fine_tune: {epochs: 2.5}", "fine_tune.epochs: should be a valid integer, found 2.5"),
        ("fine_tune: {epochs: yes}", "fine_tune.epochs: expected int, found True"),
        ("fine_tune: {epochs: 0}", "fine_tune.epochs: should be greater than or equal to 1"),
        ("fine_tune: {learning_rate: 1.0}", "fine_tune.learning_rate: should be less than"),
        ("fine_tune: {learning_rate: .nan}", "fine_tune.learning_rate: should be a finite number"),
        ("fine_tune: {precision: fp16}", "fine_tune.precision: should be 'auto', 'fp32' or 'bf16'"),
        ("fine_tune: {output_dir: x}", "fine_tune.output_dir: set by the runner"),
        ("fine_tune: [1]", "fine_tune: expected a section with keys"),
        ("data_prep: {dataset: 7}", "data_prep.dataset: should be a string"),
        ("data_prep: {test_size: 0.6, validation_size: 0.5}", "test_size . validation_size: expec"),
        ("target: 0.978", "target: expected a section with keys, found 0.978"),
        ("target: {metric: acuracy}", r"target.metric: unknown metric.*mean 'accuracy'\?"),
        ("target: {metric: bleu}", "unknown metric 'bleu'; known: accuracy, macro_f1, micro_f1"),
        ("target: {value: 97.8}", "expected a share between 0 and 1, found 97.8; write 0.978"),
        ("target: {value: 97.8 %}", "expected a share between 0 and 1, found 97.8 %; write 0.978"),
        ("target: {value: 250}", "target.value: expected a share between 0 and 1, found 250;"),
        ("target: {value: -0.5}", "target.value: expected a share between 0 and 1, found -0.5;"),
        ("target: {value: much}", "target.value: should be a valid number, found 'much'"),
        ("target: {metric: accuracy}", r"target.value: has no default, found none; give it \(the"),
        ("target: {source: ' '}", "target.source: expected where the score was published"),
        ("target: {protocl: x}", r"target.protocl: unknown parameter.*mean 'protocol'\?"),
        ("name: a/b", "name: expected a name that can be a folder"),
        ("name: ..", "name: expected a name that can be a folder"),
        ("name: index.html", "name: expected a name that can be a folder"),
        ("name: [", "not valid YAML"),
        ("data_prep: {dataset: 2001-99-99}", "not valid YAML: month must be in 1..12"),
        ("- a", "expected `name: ...` and sections .*, found list"),
        ("", "expected `name: ...` and sections .*, found an empty file"),
        ("seed: 1\nseed: 2", r"key 'seed' stands twice \(line 2\)"),
        ("a: &x [1]\nb: *x", r"aliases are not read in a study file \(line 2\)"),
        ("name: !!python/object:os.system x", "not valid YAML"),
    ],
)
def test_unusable_study_file_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as refusal:
        load_study(write(tmp_path, text))
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fine_tune.epochs", "expected section.key=value"),
        ("fine_tune.epoch=2", r"unknown parameter; did you mean 'epochs'\?"),
        ("finetune.epochs=2", r"unknown section; did you mean 'fine_tune'\?"),
        ("epochs=2", "unknown parameter; known: fine_tune.epochs"),
        ("fine_tune.epochs=two", "fine_tune.epochs: should be a valid integer, found 'two'"),
        ("fine_tune={}", "unknown parameter"),
        ("target=0.978", "unknown parameter"),
        ("target.vale=0.978", r"unknown parameter; did you mean 'value'\?"),
    ],
)
def test_unusable_override_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        load_study(write(tmp_path, "name: x"), overrides=[override])


def test_missing_study_file_suggests_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "name: x")
    with pytest.raises(ParameterError, match=r"no such study file; did you mean 'study.yaml'\?"):
        load_study(tmp_path / "studi.yaml")


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("fine_tune.learning_rate=3e-5", "fine_tune", "learning_rate", 3e-5),
        ("fine_tune.epochs=007", "fine_tune", "epochs", 7),
        ("data_prep.deduplicate=false", "data_prep", "deduplicate", False),
        ("data_prep.text_column=007", "data_prep", "text_column", "007"),
        ("data_prep.text_column=true", "data_prep", "text_column", "true"),
        ("data_prep.text_column=a=b", "data_prep", "text_column", "a=b"),
        ("data_prep.max_examples=none", "data_prep", "max_examples", None),
    ],
)
def test_override_is_read_by_the_type_of_the_schema(
    tmp_path: Path, override: str, section: str, key: str, value: object
) -> None:
    study = load_study(write(tmp_path, "name: x"), overrides=[override])
    assert getattr(getattr(study, section), key) == value


@given(st.floats(min_value=1e-7, max_value=1e-2), st.integers(1, 100))
def test_any_number_in_range_survives_as_text(rate: float, epochs: int) -> None:
    params = FineTuneParams.of({"learning_rate": repr(rate), "epochs": str(epochs)})
    assert (params.learning_rate, params.epochs) == (rate, epochs)


def test_study_shares_its_seed_and_the_models_tokenizer(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "seed: 7\nfine_tune: {model: a/b, max_length: 64}"))
    assert (study.fine_tune.seed, study.error_analysis.seed) == (7, 7)
    assert (study.data_prep.tokenizer, study.data_prep.max_length) == ("a/b", 64)
    assert study.name == "study"


def test_study_written_as_yaml_is_the_same_study(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "name: ünï {x}\nfine_tune: {epochs: 1}"))
    assert load_study(write(tmp_path, study.to_yaml())) == study


def test_cell_with_an_unknown_variable_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"learning_rte: unknown.*'learning_rate'\?"):
        FineTuneParams.from_cell({"learning_rte": 3e-5, "json": json, "_": 1})


class Notebook(dict[str, object]):
    """The globals of a kernel, which remember the cells that ran."""

    def __init__(self) -> None:
        super().__init__(In=[""])

    def run(self, source: str) -> None:
        cells = self["In"]
        assert isinstance(cells, list)
        cells.append(source)
        exec(source, self)


PARAMETERS = "epochs: int = 2  # passes\nlearning_rate: float = 3e-5\n"


def test_cells_can_be_run_a_second_time_with_all_their_variables_there() -> None:
    notebook = Notebook()
    for _ in range(2):
        notebook.run("import json")
        notebook.run(PARAMETERS)
        assert FineTuneParams.from_cell(notebook).epochs == 2
        notebook.run("level = max(1, 2)\norder = [1, 2]\nname = 'x' + 'y'")


def test_injected_misspelling_is_refused_until_it_is_mended() -> None:
    notebook = Notebook()
    notebook.run(PARAMETERS)
    notebook.run("# Parameters\nepoch = 5\n")
    with pytest.raises(ParameterError, match="epoch: unknown parameter; did you mean 'epochs'"):
        FineTuneParams.from_cell(notebook)
    notebook.run(PARAMETERS.replace("= 2", "= 5"))
    assert FineTuneParams.from_cell(notebook).epochs == 5


def test_study_written_as_yaml_moves_tokenizer_and_model_together(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "fine_tune: {model: a/b, max_length: 64}"))
    again = write(tmp_path, study.to_yaml())
    moved = load_study(again, overrides=["fine_tune.model=c/d", "fine_tune.max_length=32"])
    assert (moved.data_prep.tokenizer, moved.data_prep.max_length) == ("c/d", 32)


def test_study_of_a_reports_values_shares_the_models_tokenizer_as_its_file_did(
    tmp_path: Path,
) -> None:
    study = load_study(write(tmp_path, "fine_tune: {model: a/b, max_length: 64}"))
    assert Study.of(yaml.safe_load(study.to_yaml())) == study
    own = {"data_prep": {"tokenizer": "c/d"}, "fine_tune": {"model": "a/b", "max_length": 64}}
    prep = Study.of({"name": "x", **own}).data_prep
    assert (prep.tokenizer, prep.max_length) == ("c/d", 64)
    assert Study.of({"name": "x", "fine_tune": {"model": "a/b"}}).data_prep.tokenizer == "a/b"


@pytest.mark.parametrize(("tokenizer", "revision"), [({}, "v1"), ({"tokenizer": "c/d"}, None)])
def test_models_revision_is_that_of_its_own_tokenizer_alone(
    tokenizer: dict[str, str], revision: str | None
) -> None:
    tune = {"model": "a/b", "revision": "v1"}
    study = Study.of({"name": "x", "data_prep": tokenizer, "fine_tune": tune})
    assert study.data_prep.tokenizer_revision == revision
    assert Study.of(yaml.safe_load(study.to_yaml())) == study


def test_cell_values_of_papermill_are_typed() -> None:
    params = FineTuneParams.from_cell({"learning_rate": 3e-5, "epochs": "2", "model": "x"})
    assert (params.learning_rate, params.epochs, params.model) == (3e-5, 2, "x")


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"learning_rate": 5e-4}, "learning_rate 0.0005 is above 0.0001: .*overwrite"),
        ({"learning_rate": 5e-4, "freeze_layers": 4}, "in the layers that are not frozen, "),
        ({"learning_rate": 5e-3, "lora_rank": 8}, "is above 0.001: the loss .*for low-rank"),
        ({"epochs": 20}, "epochs 20 is above 8: .*by heart"),
        ({"trust_remote_code": True}, "Python code that comes with all-MiniLM-L6-v2 runs"),
    ],
)
def test_usual_mistake_is_said_aloud(given_values: dict[str, Any], message: str) -> None:
    import re

    (caution,) = FineTuneParams.of(given_values).cautions()
    assert re.search(message, caution)


def test_many_epochs_are_no_mistake_where_texts_are_few() -> None:
    assert FineTuneParams.of({"epochs": 20}).cautions(few_texts=True) == []


def test_rate_that_is_usual_for_low_rank_updates_is_no_mistake() -> None:
    assert FineTuneParams.of({"learning_rate": 1e-3, "lora_rank": 8}).cautions() == []
    assert FineTuneParams.of({"learning_rate": 2e-4}).cautions() != []


def test_target_is_read_written_and_overridden(tmp_path: Path) -> None:
    text = "target: {metric: accuracy, value: 0.978, source: ' BERT  on R8 '}"
    study = load_study(write(tmp_path, text), overrides=["target.value=0.9", "target.runs=10"])
    assert study.target is not None
    assert study.target.model_dump() == {
        "metric": "accuracy",
        "value": 0.9,
        "source": "BERT on R8",
        "protocol": "",
        "runs": 10,
    }
    assert load_study(write(tmp_path, study.to_yaml())) == study


def test_study_without_a_target_says_nothing_of_one(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "target:"))
    assert study.target is None
    assert "target:" not in study.to_yaml()


def test_usual_recipe_raises_no_caution() -> None:
    assert FineTuneParams.of({"learning_rate": 1e-4, "epochs": 4}).cautions() == []


def test_description_names_every_parameter_but_the_plumbing() -> None:
    text = describe_parameters()
    for name, section in SECTIONS.items():
        assert f"{name}: " in text
        for key in section.model_fields:
            assert (f"\n  {key}: " in text) or is_plumbing(section, key)


def test_description_of_one_section_has_types_and_bounds() -> None:
    text = describe_parameters("data_prep")
    assert "test_size: float = 0.2, > 0, < 1" in text
    assert "epochs" not in text


def test_description_of_the_target_says_what_it_needs() -> None:
    text = describe_parameters("target")
    assert "value: float, required, >= 0, <= 1" in text
    assert "protocol: str = ''" in text


def test_unknown_section_is_refused() -> None:
    with pytest.raises(ParameterError, match="did you mean 'fine_tune'"):
        describe_parameters("fine-tune")


def test_json_schema_describes_the_whole_file() -> None:
    schema = json.loads(study_schema())
    assert set(SECTIONS) <= set(schema["properties"])
    assert json.loads(study_schema("target"))["required"] == ["metric", "value", "source"]
    assert json.loads(study_schema("fine_tune"))["properties"]["epochs"]["minimum"] == 1


@pytest.mark.parametrize("path", sorted(Path("params").glob("*.yaml")), ids=lambda p: p.stem)
def test_study_that_comes_along_is_valid(path: Path) -> None:
    study = load_study(path)
    assert study.name == path.stem
    assert study.fine_tune.cautions() == []


def test_every_parameter_has_help() -> None:
    for section in (*SECTIONS.values(), DataPrepParams):
        assert all(field.description for field in section.model_fields.values())
