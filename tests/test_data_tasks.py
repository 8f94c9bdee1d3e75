"""Reading texts with several labels: every way to write them, and every way to get them wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.loading import load_labelled_texts
from nbutils.data.sources import check_source
from nbutils.errors import DataError, ParameterError
from nbutils.params.data_prep import DataPrepParams

SETS = [["red", "blue"], [], ["blue"], ["green"], ["red", "green", "blue"], ["red"]] * 4
IDS = [(0, 2), (), (0,), (1,), (0, 1, 2), (2,)] * 4
TEXTS = [f"text number {i}" for i in range(len(SETS))]


def load(dataset: Path, **given: Any) -> LabelledTexts:
    params = DataPrepParams.of({"dataset": str(dataset), **given})
    check_source(params)
    return load_labelled_texts(params)


def write(path: Path, labels: list[Any], texts: list[str] | None = None) -> Path:
    frame = pd.DataFrame({"text": texts or TEXTS[: len(labels)], "label": labels})
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        rows = [json.dumps(row) for row in frame.to_dict("records")]
        path.write_text("\n".join(rows), encoding="utf-8")
    else:
        frame.to_parquet(path)
    return path


def assert_read(found: LabelledTexts) -> None:
    assert found.task == "multi_label"
    assert found.label_names == ("blue", "green", "red")
    assert found.frame["label"].tolist() == IDS


@pytest.mark.parametrize("name", ["d.jsonl", "d.parquet"])
@pytest.mark.parametrize("task", ["auto", "multi_label"])
def test_column_of_lists_is_read_as_label_sets(tmp_path: Path, name: str, task: str) -> None:
    assert_read(load(write(tmp_path / name, SETS), task=task))


@pytest.mark.parametrize("separator", [";", "|", ", ", " / "])
def test_separator_divides_the_labels_of_a_cell(tmp_path: Path, separator: str) -> None:
    cells = [separator.join(labels) for labels in SETS]
    assert_read(load(write(tmp_path / "d.csv", cells), label_separator=separator))


def test_json_lists_in_csv_cells_are_label_sets(tmp_path: Path) -> None:
    assert_read(load(write(tmp_path / "d.csv", list(map(json.dumps, SETS)))))


@pytest.mark.parametrize("task", ["auto", "multi_label"])
def test_lists_as_pandas_writes_them_are_label_sets(tmp_path: Path, task: str) -> None:
    cells = list(map(str, SETS))
    assert_read(load(write(tmp_path / "d.csv", cells), task=task))
    cells[0], cells[2] = '["red", "blue"]', " ['blue'] "  # one row as JSON, one with blanks
    assert_read(load(write(tmp_path / "d.csv", cells), task=task))


def test_list_of_numbers_and_of_names_with_quotation_marks_is_read(tmp_path: Path) -> None:
    cells = [str(["it's", 'a "b"', 'é, "\n"']), str([1, "it's"]), "[]"] * 4
    found = load(write(tmp_path / "d.csv", cells))
    assert found.label_names == ("1", 'a "b"', "it's", 'é, "\n"')


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("""['blue', "red"]""", "red"),
        ("['red',]", "red"),
        (r"['it\'s']", "it's"),
        ("[u'red', 'blue']", "red"),
        (r"['\xe9', 'a\\b']", "\\".join("ab")),
    ],
)
@pytest.mark.parametrize("task", ["auto", "multi_label"])
def test_lists_as_people_write_them_in_python_are_read(
    tmp_path: Path, cell: str, label: str, task: str
) -> None:
    found = load(write(tmp_path / "d.csv", [cell, "['green']", "[]"] * 4), task=task)
    ids = found.frame["label"][0]
    assert found.task == "multi_label"
    assert label in [found.label_names[k] for k in ids]
    assert len(ids) == cell.count(",") - cell.count(",]") + 1


@pytest.mark.parametrize(
    "cell",
    [
        "['a' 'b']",
        "['a', 'b' 'c',]",
        "['a', nan]",
        "[np.str_('a')]",
        "[a, b]",
        r"['a\d']",
        "['a', 'b'",
        '["a", "b',
    ],
)
def test_broken_list_among_lists_is_refused_by_its_row(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "d.csv", ["['a']", cell, "[]"] * 4)
    message = re.escape(f"row 2: expected a list of labels, found {cell!r}; write it like [")
    with pytest.raises(DataError, match=message + ".*row 1.*, or set task to single_label"):
        load(path)
    with pytest.raises(DataError, match=message):
        load(path, task="multi_label")


def test_arrays_as_numpy_writes_them_bring_a_hint_where_no_row_is_a_list(tmp_path: Path) -> None:
    found = load(write(tmp_path / "d.csv", ["['a' 'b']", "['b' 'c']"] * 6))
    assert found.task == "single_label"
    assert any('write one in each row, like ["a", "b"]' in note for note in found.notes)


def test_list_cut_short_among_plain_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["['a', 'b']", "c", "['b'", "[d] e"] * 3)
    with pytest.raises(DataError, match=r"row 3: expected a list of labels, found .*; write it"):
        load(path, task="multi_label")
    path = write(tmp_path / "d.csv", ["['a', 'b']", "c", "[d] e", "[draft"] * 3)
    assert load(path, task="multi_label").label_names == ("[d] e", "[draft", "a", "b", "c")


@pytest.mark.parametrize(
    "cells",
    [
        ["[0]", "[1]", "[other]"],
        ["[ham]", "[spam]", "[]"],
        ["[ham]", "[NaN]", "[spam]"],
        ["[0x1]", "[1]", "[2]"],
        ["[draft", "[1]", "[2]"],
    ],
)
def test_classes_in_brackets_are_classes(tmp_path: Path, cells: list[str]) -> None:
    found = load(write(tmp_path / "d.csv", cells * 4))
    assert found.task == "single_label"
    assert sorted(found.label_names) == sorted(cells)


def test_classes_in_brackets_can_be_separated(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["[1]|[2]", "[1]", "[a]|[2]"] * 4)
    assert load(path, label_separator="|").label_names == ("[1]", "[2]", "[a]")


def test_list_in_text_that_a_separator_would_cut_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["['a', nan]", "['b', 'c']"] * 6)
    with pytest.raises(DataError, match=r"row 2: label_separator ',' .*found a list; leave"):
        load(path, label_separator=",")


def test_names_of_a_saved_dataset_are_kept(tmp_path: Path) -> None:
    names = ["red", "blue", "green"]
    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=names))})
    rows = {"text": TEXTS, "labels": [[names.index(n) for n in labels] for labels in SETS]}
    train = Dataset.from_dict(rows, features=features)
    DatasetDict({"train": train, "test": train}).save_to_disk(str(tmp_path / "saved"))
    train.to_parquet(tmp_path / "d.parquet")
    for place in ("saved", "d.parquet"):
        found = load(tmp_path / place)
        assert found.label_names == ("red", "blue", "green")
        assert found.frame["label"].tolist()[0] == (0, 1)


def test_whole_numbers_are_labels_in_order_of_value(tmp_path: Path) -> None:
    found = load(write(tmp_path / "d.jsonl", [[10, 9], [9], [10], []] * 3))
    assert found.label_names == ("9", "10")
    assert found.frame["label"].tolist()[:4] == [(0, 1), (0,), (1,), ()]


def test_what_was_decided_is_noted(tmp_path: Path) -> None:
    cells = ["a;b;", "", "a;a", " b ; a", "b"] * 3
    found = load(write(tmp_path / "d.csv", cells), label_separator=";")
    assert found.frame["label"].tolist()[:5] == [(0, 1), (), (0,), (0, 1), (1,)]
    notes = " ".join(found.notes)
    assert "3 texts have none of the labels" in notes
    assert "3 texts name a label twice" in notes
    assert "Blanks around labels were removed" in notes


def test_one_plain_label_among_lists_is_read_when_several_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [["a", "b"], "b", ["a"], []] * 3)
    with pytest.raises(DataError, match=r"row 1 holds a list of labels, .*row 2 a plain one; set"):
        load(path)
    assert load(path, task="multi_label").frame["label"].tolist()[1] == (1,)


def test_single_labels_that_look_like_lists_stay_classes(tmp_path: Path) -> None:
    found = load(write(tmp_path / "d.csv", ["[1]", "one", "[1, 2"] * 4))
    assert (found.task, found.label_names) == ("single_label", ("[1, 2", "[1]", "one"))
    found = load(write(tmp_path / "d.csv", ["[ham]", "[spam]"] * 6))
    assert (found.task, found.label_names) == ("single_label", ("[ham]", "[spam]"))
    path = write(tmp_path / "d.csv", ["[1]", "[ham]"] * 6)
    assert load(path, task="single_label").label_names == ("[1]", "[ham]")


def test_single_labels_with_signs_between_them_bring_a_hint(tmp_path: Path) -> None:
    found = load(write(tmp_path / "d.csv", ["a", "b", "a;b"] * 4))
    assert found.task == "single_label"
    assert any("'a;b'" in note and "set label_separator to ';'" in note for note in found.notes)
    assert not load(write(tmp_path / "d.csv", ["a", "b", "c;d"] * 4)).notes


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        (
            ["a;b", "b"] * 6,
            {"task": "multi_label"},
            r"found plain ones; set label_separator to ';'",
        ),
        (
            ["['a' 'b']", "['b' 'c']"] * 6,
            {"task": "multi_label"},
            r'found plain ones; write each list like \["a", "b"\]',
        ),
        (
            ["['a', 'b']", "['b']"] * 6,
            {"label_separator": ","},
            r"row 1: label_separator ',' .*found a list; leave label_separator out",
        ),
        (["a", "b"] * 6, {"task": "multi_label"}, r"what stands between them, or task to single"),
        (["a|b", "b"] * 6, {"label_separator": ";"}, r"';': stands in none .*did you mean '\|'\?"),
        (["a", "b"] * 6, {"label_separator": ";"}, r"leave it out for one label per text"),
        (
            [["a", "b"], ["b"]] * 6,
            {"task": "single_label"},
            r"row 1: expected one label.*found list",
        ),
        (
            [["a", "b"], ["b"]] * 6,
            {"label_separator": ";"},
            r"row 1: .*found a list; leave label_se",
        ),
        ([["a", None], ["b"]] * 6, {}, r"row 1: expected a list of labels.*found nothing in it"),
        ([["a", ["b"]], ["b"]] * 6, {}, r"row 1: expected a list of labels.*found \['b'\] in it"),
        ([["a"], None, ["b"]] * 4, {}, r"no label in column 'label' in row 2, 5, 8, 11"),
        ([["a"], []] * 6, {}, r"at least two labels for task multi_label, found only 'a'"),
        ([["a", "b"], ["b", "a"]] * 6, {}, r"every example has the labels 'a', 'b'; a classifier"),
        ([[], []] * 6, {}, r"at least two labels for task multi_label, found none"),
        ([[0, 1, 1], [1, 0, 0]] * 6, {}, r"a 0 or a 1 for each of 3 labels; list the labels"),
        ([["a", "b"]] * 11 + [["c"]], {}, r"class 'c' has 1 example; it needs at least 3"),
    ],
)
def test_labels_that_contradict_the_task_are_refused(
    tmp_path: Path, labels: list[Any], given: dict[str, Any], message: str
) -> None:
    is_plain = all(isinstance(label, str) for label in labels)
    path = write(tmp_path / ("d.csv" if is_plain else "d.jsonl"), labels)
    with pytest.raises(DataError, match=message) as caught:
        load(path, **given)
    assert "\n" not in str(caught.value)


def test_label_never_seen_in_training_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d.jsonl", SETS)
    write(tmp_path / "t.jsonl", [["red"], ["pink", "red"]])
    with pytest.raises(DataError, match=r"label 'pink' of the test split never occurs in training"):
        load(tmp_path / "d.jsonl", test_dataset=str(tmp_path / "t.jsonl"))


def test_parameters_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"label_separator: expected none with task single"):
        DataPrepParams.of({"task": "single_label", "label_separator": ";"})
    with pytest.raises(ParameterError, match=r"task: it has one label per text \(bbc-news\)"):
        check_source(DataPrepParams.of({"task": "multi_label"}))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("one", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"label_separator: a folder of class folders has one"):
        check_source(DataPrepParams.of({"dataset": str(tmp_path), "label_separator": ";"}))
