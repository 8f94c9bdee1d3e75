"""Corrected labels: put in their place, counted, and nobody moves to another split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import load_from_disk

from nbutils.analysis.errors import find_errors
from nbutils.analysis.suspects import find_suspects, save_suspects
from nbutils.data.card import describe_card
from nbutils.data.fingerprints import fingerprint_source
from nbutils.data.preparing import prepare_data
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.study import Study
from nbutils.runs import StudyRun
from nbutils.screens import stage_page
from nbutils.stage_screens import Results

HOSTILE = 'a "word", a\rreturn\r\nand  blanks, =1+1'


@pytest.fixture
def place(tmp_path: Path, reviews: pd.DataFrame) -> Path:
    reviews.loc[7, "text"] = HOSTILE
    reviews.to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    return tmp_path


def prepare(place: Path, made: str = "made", **given: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the prepared texts, by example id, and the data card."""
    values = {"dataset": str(place / "d.jsonl"), "max_length": 16, "baseline": False, **given}
    (place / made).mkdir(exist_ok=True)
    card = prepare_data(DataPrepParams.of(values), place / made)
    data = load_from_disk(str(place / made / "dataset"))
    parts = [split.to_pandas().assign(split=name) for name, split in data.items()]
    return pd.concat(parts).set_index("example_id").sort_index(), card


def correct(place: Path, rows: dict[int, str], *, name: str = "c.csv") -> str:
    """Write corrections of some texts; return the file's name."""
    frame = pd.read_json(place / "d.jsonl", lines=True)
    table = pd.DataFrame({"example_id": list(rows), "corrected_label": list(rows.values())})
    table = table.assign(text=[frame["text"][row] for row in rows])
    separator = "\t" if name.endswith(".tsv") else ","
    table.to_csv(place / name, index=False, sep=separator, quoting=2)
    return str(place / name)


def test_corrected_labels_move_nobody_to_another_split(place: Path) -> None:
    before, _ = prepare(place)
    rows = {0: "pos", 7: "neg", 3: "neg", 5: "pos", 8: ""}  # 5 is pos already
    after, card = prepare(place, label_corrections=correct(place, rows))
    assert after["split"].to_dict() == before["split"].to_dict()
    names = card["label_names"]
    changed = after["label"] != before["label"]
    assert sorted(changed[changed].index) == [0, 3, 7]
    assert [names[k] for k in after.loc[[0, 3, 7], "label"]] == ["pos", "neg", "neg"]
    found = card["corrections"]
    assert found["by_split"] == before["split"].loc[[0, 3, 7]].value_counts().to_dict()
    assert {name: found[name] for name in ("file", "corrected", "confirmed", "left_out")} == {
        "file": "c.csv", "corrected": 3, "confirmed": 1, "left_out": 0,
    }  # fmt: skip
    classes = {name: sum(by_split.values()) for name, by_split in card["classes"].items()}
    assert classes == {"neg": 41, "pos": 39}
    assert describe_card(card)["labels corrected by hand"] == 3


def test_deleted_text_is_left_out_and_the_rest_stays(place: Path) -> None:
    before, _ = prepare(place)
    after, card = prepare(place, label_corrections=correct(place, {4: "delete", 9: "delete"}))
    assert set(before.index) - set(after.index) == {4, 9}
    pd.testing.assert_frame_equal(after, before.drop([4, 9]))
    assert (card["corrections"]["corrected"], card["corrections"]["left_out"]) == (0, 2)
    assert sum(card["splits"].values()) == 78
    assert card["duplicates"]["across_splits"] == 0


def test_copies_are_still_counted_across_splits_after_a_text_is_left_out(place: Path) -> None:
    frame = pd.read_json(place / "d.jsonl", lines=True)
    doubled = pd.concat([frame, frame.iloc[20:50]], ignore_index=True)
    doubled.to_json(place / "d.jsonl", orient="records", lines=True)
    whole, card = prepare(place, deduplicate=False)
    split_of = whole.groupby("text")["split"].nunique()
    expected = whole["text"].map(split_of).gt(1)
    assert card["duplicates"]["across_splits"] >= expected.sum() > 0
    gone = {int(row): "delete" for row in (0, 1, 25)}
    left, after = prepare(place, deduplicate=False, label_corrections=correct(place, gone))
    lost = [row for row in (25, 85) if expected[row]]  # a pair that 25 was half of
    assert len(left) == len(whole) - 3
    assert after["duplicates"]["across_splits"] == card["duplicates"]["across_splits"] - len(lost)


def test_class_named_delete_is_a_class(place: Path) -> None:
    frame = pd.read_json(place / "d.jsonl", lines=True)
    frame["label"] = frame["label"].replace("neg", "delete")
    frame.to_json(place / "d.jsonl", orient="records", lines=True)
    after, card = prepare(place, label_corrections=correct(place, {1: "delete"}))
    assert card["label_names"][after.loc[1, "label"]] == "delete"
    assert card["corrections"]["left_out"] == 0


def test_correction_of_a_text_that_is_sampled_out_is_counted_as_unused(place: Path) -> None:
    kept, _ = prepare(place, max_examples=40)
    rows = {row: "pos" for row in range(0, 12, 2)}
    used = sum(row in kept.index for row in rows)
    _, card = prepare(place, max_examples=40, label_corrections=correct(place, rows))
    assert 0 < used < len(rows)
    assert card["corrections"]["unused"] == len(rows) - used
    assert any("corrected labels were not used" in warning for warning in card["warnings"])


def test_corrected_test_labels_are_warned_of(place: Path) -> None:
    before, _ = prepare(place)
    names = {split: int(rows.index[0]) for split, rows in before.groupby("split")}
    _, card = prepare(place, label_corrections=correct(place, {names["train"]: "delete"}))
    assert not any("by hand" in warning for warning in card["warnings"])
    _, card = prepare(place, label_corrections=correct(place, {names["test"]: "delete"}))
    assert any("1 test labels were corrected" in warning for warning in card["warnings"])


def test_content_of_the_corrections_is_part_of_the_fingerprint(place: Path) -> None:
    def fingerprint(name: str | None) -> str:
        values = {"dataset": str(place / "d.jsonl"), "label_corrections": name}
        return fingerprint_source(DataPrepParams.of(values))

    plain = fingerprint(None)
    first = fingerprint(correct(place, {0: "pos"}))
    elsewhere = fingerprint(correct(place, {0: "pos"}, name="moved.csv"))
    other = fingerprint(correct(place, {0: "neg"}))
    assert len({plain, first, other}) == 3
    assert elsewhere == first


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_file_that_went_through_a_spreadsheet_is_read(place: Path, name: str) -> None:
    path = Path(correct(place, {7: " neg "}, name=name))
    content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    path.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    after, card = prepare(place, label_corrections=str(path))
    assert card["label_names"][after.loc[7, "label"]] == "neg"
    assert card["corrections"]["corrected"] == 1


def test_second_text_of_a_pair_must_fit_too(place: Path) -> None:
    frame = pd.read_json(place / "d.jsonl", lines=True)
    frame.assign(second="and another").to_json(place / "d.jsonl", orient="records", lines=True)
    path = correct(place, {0: "pos"})
    pairs = {"text_pair_column": "second", "label_corrections": path}
    _, card = prepare(place, **pairs)
    assert card["corrections"]["corrected"] == 1
    pd.read_csv(path).assign(text_pair="something else").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"row 1: expected the text_pair of example 0, 'and anot"):
        prepare(place, **pairs)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("cast; scorn", ["cast", "scorn"]),
        ("scorn;cast", ["cast", "scorn"]),
        ("music", ["music"]),
        ("(none)", []),
    ],
)
def test_several_labels_are_corrected_as_they_are_listed(
    place: Path, topics: pd.DataFrame, label: str, expected: list[str]
) -> None:
    topics.to_json(place / "d.jsonl", orient="records", lines=True)
    before, _ = prepare(place, label_column="labels")
    after, card = prepare(
        place, label_column="labels", label_corrections=correct(place, {2: label})
    )
    assert [card["label_names"][k] for k in after.loc[2, "label"]] == expected
    assert after["split"].to_dict() == before["split"].to_dict()
    others = after.index != 2
    assert after["label"][others].map(list).tolist() == before["label"][others].map(list).tolist()


def test_suspects_that_are_filled_in_come_back_under_the_same_numbers(place: Path) -> None:
    """The loop that a user goes through: find, correct, run again."""
    random = np.random.default_rng(0)
    frame = pd.read_json(place / "d.jsonl", lines=True)
    true = frame["label"].copy()
    wrong = random.choice(len(frame), 8, replace=False)
    frame.loc[wrong, "label"] = frame.loc[wrong, "label"].map({"pos": "neg", "neg": "pos"})
    frame.to_json(place / "d.jsonl", orient="records", lines=True)
    first, card = prepare(place)
    names = card["label_names"]
    right = np.array([names.index(true[example]) for example in first.index])
    pred_probs = np.where(np.arange(2) == right[:, None], 0.95, 0.05)
    columns = {f"prob_{name}": pred_probs[:, k] for k, name in enumerate(names)}
    predictions = first.reset_index()[["example_id", "split", "label"]]
    predictions = predictions.assign(predicted=pred_probs.argmax(axis=1), **columns)
    errors = find_errors(predictions, first.reset_index(), label_names=names)
    save_suspects(place, find_suspects(errors))
    filled = pd.read_csv(place / "label_suspects.csv", dtype=str, keep_default_na=False)
    assert sorted(filled["example_id"].astype(int)) == sorted(wrong)
    filled.assign(corrected_label=filled["suggested_label"]).to_csv(place / "c.csv", index=False)
    second, card = prepare(place, label_corrections=str(place / "c.csv"))
    assert [names[k] for k in second["label"]] == true.loc[second.index].tolist()
    assert card["corrections"]["corrected"] == 8
    assert json.loads((place / "made" / "data_card.json").read_text())["corrections"]


def test_report_says_how_many_labels_were_corrected(place: Path) -> None:
    _, card = prepare(place, label_corrections=correct(place, {0: "pos", 3: "neg", 4: "delete"}))
    run = StudyRun(Study(name="s"), "nbutils run s.yaml")
    manifest = {"parameters": {"data_prep": {}}}
    page = stage_page(run, Results(card, metrics={}, findings={}), manifest, "data_prep")
    (fact,) = [fact for fact in page.facts if fact.label == "Labels corrected"]
    assert (fact.value, fact.detail) == ("2", "1 texts left out by hand")
