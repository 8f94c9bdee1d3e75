"""A study's score beside a published one: the verdict, the protocols, the cautions."""

from __future__ import annotations

from typing import Any

import pytest

from nbutils.params.study import Study
from nbutils.published import compare_with_target, describe_target, judge_score
from nbutils.report import Comparison

TARGET = {"metric": "accuracy", "value": 0.978, "source": "A paper, table 2"}


def study_of(target: dict[str, Any] | None = None, **prep: Any) -> Study:
    values = {"name": "r8", "data_prep": prep, "target": TARGET | (target or {})}
    return Study.of(values)


def card_of(**changes: Any) -> dict[str, Any]:
    return {
        "splits": {"train": 4860, "validation": 540, "test": 2189},
        "given_splits": ["test"],
        "counts": {"rows_read": 7674, "dropped_empty": 0},
        "duplicates": {"dropped_exact": 0, "dropped_near": 0, "across_splits": 0},
        "tokens": {"cut_share": 0.1},
    } | changes


def metrics_of(value: float, low: float, high: float, n: int = 2189) -> dict[str, Any]:
    score = {"value": value, "low": low, "high": high, "n": n}
    return {"test": {"accuracy": score, "macro_f1": score | {"value": 0.1, "high": 0.2}}}


AGREES = metrics_of(0.975, 0.968, 0.981)


def compare(study: Study, card: dict[str, Any], metrics: dict[str, Any] = AGREES) -> Comparison:
    found = compare_with_target(study, card=card, metrics=metrics)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome", "says"),
    [
        (0.975, 0.968, 0.981, "reproduced", "difference of 0.3 points is no more than chance"),
        (0.966, 0.957, 0.973, "below", "lower by 1.2 points, a difference that chance"),
        (0.992, 0.987, 0.995, "above", "higher by 1.4 points, a difference that chance"),
        (0.970, 0.963, 0.97752, "reproduced", "lies in our 95 % interval"),  # shown as 97.8
        (0.985, 0.97848, 0.990, "reproduced", "lies in our 95 % interval"),  # shown as 97.8
        (0.970, 0.963, 0.9774, "below", "lower by 0.8 points"),  # shown as 97.7
    ],
)
def test_verdict_follows_the_interval_as_it_is_shown(
    value: float, low: float, high: float, outcome: str, says: str
) -> None:
    found = compare(study_of(), card_of(), metrics_of(value, low, high))
    assert found.outcome == outcome
    assert says in found.verdict
    assert found.verdict.lower().startswith(outcome)


def test_metric_of_the_target_is_the_one_compared() -> None:
    target = {"metric": "macro_f1"}
    found = compare(study_of(target), card_of())
    assert (found.ours.label, found.ours.value) == ("Ours, test macro F1", "10.0 %")
    assert found.outcome == "below"


def test_published_micro_f1_is_compared_with_ours_or_with_the_accuracy_that_it_equals() -> None:
    target = {"metric": "micro_f1"}
    assert compare(study_of(target), card_of()).ours.value == "97.5 %"
    several = {
        "test": {**AGREES["test"], "micro_f1": metrics_of(0.5, 0.4, 0.6)["test"]["accuracy"]}
    }
    found = compare(study_of(target), card_of(), several)
    assert (found.ours.label, found.ours.value) == ("Ours, test micro F1", "50.0 %")


def test_both_scores_come_with_interval_count_and_source() -> None:
    found = compare(study_of(), card_of())
    assert (found.ours.value, found.theirs.value) == ("97.5 %", "97.8 %")
    assert found.ours.detail == "95 % interval 96.8 to 98.1, 2,189 texts"
    assert found.theirs.detail == "A paper, table 2"
    assert found.shares == (0.975, 0.968, 0.981, 0.978)


def test_our_protocol_says_what_the_machine_knows() -> None:
    study = study_of(dataset="data/train.csv", test_dataset="data/test.csv")
    said = {fact.label: fact.value for fact in compare(study, card_of()).our_protocol}
    assert said == {
        "Test texts": "2,189, given as data/test.csv",
        "Training texts": "4,860",
        "Validation texts": "540, our own split: 10 % drawn with seed 0",
        "Copies": "0 exact and 0 near copies removed from training and validation",
        "Model": "all-MiniLM-L6-v2",
        "Length": "at most 128 tokens, which cuts 10.0 % of the texts",
        "Training": "at most 3 epochs, learning rate 5e-05, batches of 16",
        "Runs": "one, seed 42",
    }


def test_their_protocol_is_what_the_study_file_says() -> None:
    found = compare(study_of({"protocol": "official split", "runs": 10}), card_of())
    assert [(fact.label, fact.value) for fact in found.their_protocol] == [
        ("Protocol", "official split"),
        ("Runs", "mean of 10"),
    ]
    (unsaid,) = compare(study_of(), card_of()).their_protocol
    assert unsaid.value == "not stated in the study file"


def test_same_test_texts_same_runs_and_a_narrow_interval_raise_no_caution() -> None:
    assert compare(study_of({"runs": 1}), card_of()).cautions == ()


@pytest.mark.parametrize(
    ("target", "warned"),
    [
        ({"runs": 10}, True),
        ({"runs": 1, "protocol": "mean of the runs"}, False),
        ({"protocol": "official split, mean of 10 runs"}, True),
        ({"protocol": "Averaged over five random seeds"}, True),
        ({"protocol": "mean pooling; one run"}, False),
        ({"protocol": "official split, one run"}, False),
    ],
)
def test_mean_over_runs_beside_one_run_is_cautioned(target: dict[str, Any], warned: bool) -> None:
    said = compare(study_of(target), card_of()).cautions
    assert any("mean over runs, ours is one run (seed 42)" in caution for caution in said) == warned


DROPPED = {"dropped_exact": 66, "dropped_near": 19, "across_splits": 0}
LEAKY = {"dropped_exact": 0, "dropped_near": 0, "across_splits": 41}


@pytest.mark.parametrize(
    ("prep", "card", "says"),
    [
        ({}, {"given_splits": []}, "they are our own split of the data"),
        ({}, {"given_splits": [], "duplicates": DROPPED}, "and 66 copies were removed before it"),
        ({"max_examples": 500}, {}, "max_examples keeps 500 texts in all"),
        ({}, {"counts": {"rows_read": 9, "dropped_empty": 2}}, "2 empty texts were left out"),
        (
            {},
            {"corrections": {"by_split": {"test": 7, "train": 2}}},
            "7 of them have other labels, or were left out, by hand",
        ),
        ({}, {"duplicates": DROPPED}, "Training and validation lack 85 texts that are copies"),
        ({"deduplicate": False}, {"duplicates": LEAKY}, "41 texts have a copy in another split"),
    ],
)
def test_what_may_make_the_scores_differ_is_said(
    prep: dict[str, Any], card: dict[str, Any], says: str
) -> None:
    (caution,) = compare(study_of({"runs": 1}, **prep), card_of(**card)).cautions
    assert says in caution


def test_agreement_within_a_wide_interval_is_said_to_mean_little() -> None:
    wide = metrics_of(0.94, 0.80, 0.99, n=36)
    (caution,) = compare(study_of({"runs": 1}), card_of(), wide).cautions
    assert caution.startswith("Our interval is 19 points wide, with 36 test texts")
    below = metrics_of(0.5, 0.35, 0.66, n=36)
    assert compare(study_of({"runs": 1}), card_of(), below).cautions == ()


def test_without_target_or_score_there_is_nothing_to_compare() -> None:
    none = Study.of({"name": "r8"})
    assert compare_with_target(none, card=card_of(), metrics=AGREES) is None
    assert compare_with_target(study_of(), card=card_of(), metrics={}) is None


def test_terminal_line_has_source_and_outcome() -> None:
    target = study_of().target
    assert target is not None
    assert judge_score(target, AGREES) == "reproduced"
    line = describe_target(target, AGREES)
    assert line == "target test accuracy 97.8 % (A paper, table 2): reproduced"
