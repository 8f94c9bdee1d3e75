"""Values that are being typed: taken over together, or not at all and with the reason."""

from __future__ import annotations

import pytest

from nbutils.errors import ParameterError
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.drafts import Draft, differences
from nbutils.params.fine_tune import FineTuneParams


def test_valid_values_are_taken_over_with_their_types() -> None:
    draft = Draft(FineTuneParams.of({"output_dir": "x", "keep_states": True}))
    draft.put(epochs=5, max_steps="7")
    assert (draft.params.epochs, draft.params.max_steps) == (5, 7)
    assert (draft.params.output_dir, draft.params.keep_states) == ("x", True)
    assert (draft.pending, draft.refusals) == ([], [])


def test_nothing_is_taken_over_until_all_is_valid() -> None:
    draft = Draft(FineTuneParams.of({}))
    draft.put(epochs=0)
    draft.put(batch_size=32)
    assert draft.params == FineTuneParams.of({})
    assert draft.pending == ["epochs", "batch_size"]
    assert draft.refusal_of("epochs").startswith("epochs: should be greater than or equal to 1")
    assert draft.refusal_of("batch_size") == ""
    draft.put(epochs=1)
    assert (draft.params.epochs, draft.params.batch_size, draft.pending) == (1, 32, [])


def test_refusal_reads_as_on_the_command_line() -> None:
    draft = Draft(FineTuneParams.of({}))
    draft.put(epochs="many", precision="fp16")
    with pytest.raises(ParameterError, match="epochs: should be a valid integer") as refusal:
        FineTuneParams.of({"epochs": "many", "precision": "fp16"})
    assert "; ".join(each.message for each in draft.refusals) == str(refusal.value)


def test_refusal_of_a_whole_section_stands_beside_all_that_it_names() -> None:
    draft = Draft(DataPrepParams.of({}))
    draft.put(test_size=0.6, validation_size=0.5)
    assert "expected below 0.9" in draft.refusal_of("test_size")
    assert draft.refusal_of("test_size") == draft.refusal_of("validation_size")
    assert draft.refusal_of("dataset") == ""


def test_contradiction_is_said_of_both_parameters() -> None:
    draft = Draft(FineTuneParams.of({"freeze_layers": 2}))
    draft.put(lora_rank="8")
    assert "drop one of the two" in draft.refusal_of("lora_rank")
    assert draft.refusal_of("freeze_layers") == draft.refusal_of("lora_rank")


def test_reset_leads_back_to_the_start() -> None:
    start = FineTuneParams.of({"epochs": 4})
    draft = Draft(start)
    draft.put(epochs=0, seed=7)
    draft.reset()
    assert (draft.params, draft.pending, draft.refusals) == (start, [], [])
    assert draft.is_changed("epochs")
    assert not draft.is_changed("seed")


@pytest.mark.parametrize("name", ["epoch", "output_dir"])
def test_unknown_parameter_and_plumbing_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=f"{name}: unknown parameter"):
        Draft(FineTuneParams.of({})).put(**{name: 1})


def test_differences_are_those_from_the_schema_alone() -> None:
    params = FineTuneParams.of({"epochs": 3, "seed": 7, "class_weights": {"a": 2}, "data_dir": "x"})
    assert differences(params) == {"class_weights": {"a": 2.0}, "seed": 7}
