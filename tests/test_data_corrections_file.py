"""A file of corrections: written one by one, read by data prep, and never of other data."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from browsed import make_texts

from nbutils.data.corrections import correct_labels, load_corrections
from nbutils.data.corrections_file import CorrectionsFile, parameter_line
from nbutils.data.duplicates import find_duplicates, remove_leakage
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.study import Study

HOSTILE = 'a "word", a\rreturn\r\nand  blanks;\ta tab, =1+1 \N{PILE OF POO}'
TEXTS = ["one", HOSTILE, "three", "four", "five", "six", "seven", "eight"]


def read_by_data_prep(path: Path, texts: LabelledTexts) -> dict[int, Any]:
    """Return the labels, by example id, after data prep has corrected them."""
    params = DataPrepParams.of({"label_corrections": str(path)})
    found = load_corrections(params, texts)
    cleaned = remove_leakage(texts.frame, find_duplicates(texts.frame), deduplicate=False)
    frame = correct_labels(texts, cleaned, found).texts.frame
    return dict(zip(frame["example_id"], frame["label"], strict=True))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", ["c.csv", "new/folder/c.tsv"])
def test_what_is_written_is_what_data_prep_puts_in(tmp_path: Path, name: str) -> None:
    texts = make_texts(TEXTS)
    before = dict(zip(texts.frame["example_id"], texts.frame["label"], strict=True))
    file = CorrectionsFile(tmp_path / name, texts)
    assert dict(file.read().labels) == {}
    assert not file.path.exists()
    file.correct(11, 0)
    file.correct(12, None)
    file.correct(13, 0)
    filled = file.correct(13, 1)
    assert dict(filled.labels) == dict(file.read().labels) == {11: 0, 12: None, 13: 1}
    after = read_by_data_prep(file.path, texts)
    assert after == {**{e: k for e, k in before.items() if e != 12}, 11: 0, 13: 1}


def test_sets_of_labels_are_written_as_data_prep_reads_them(tmp_path: Path) -> None:
    sets = [(0,), (1, 2), (0, 1), (2,), (), (1,), (0, 2), (1,)]
    texts = make_texts(TEXTS, sets, label_names=("x", "y", "z"))
    file = CorrectionsFile(tmp_path / "c.csv", texts)
    for example, label in ((10, (0, 2)), (11, ()), (12, None), (13, (1,))):
        file.correct(example, label)
    assert [row["corrected_label"] for row in rows_of(file.path)] == [
        "x; z", "(none)", "delete", "y",
    ]  # fmt: skip
    after = read_by_data_prep(file.path, texts)
    assert [after.get(e) for e in (10, 11, 12, 13, 14)] == [(0, 2), (), None, (1,), ()]


def test_both_texts_of_a_pair_are_written_and_checked(tmp_path: Path) -> None:
    texts = make_texts(TEXTS, text_pair=[f"second {k}" for k in range(8)])
    file = CorrectionsFile(tmp_path / "c.csv", texts)
    file.correct(11, 0)
    assert rows_of(file.path)[0]["text_pair"] == "second 1"
    assert read_by_data_prep(file.path, texts)[11] == 0
    others = texts.with_frame(texts.frame.assign(text_pair="another"))
    with pytest.raises(DataError, match="row 1: expected the text_pair of example 11, 'another'"):
        CorrectionsFile(file.path, others).read()


def test_class_named_delete_is_a_class_and_its_texts_cannot_be_left_out(tmp_path: Path) -> None:
    texts = make_texts(TEXTS, label_names=("delete", "keep"))
    file = CorrectionsFile(tmp_path / "c.csv", texts)
    assert dict(file.correct(11, 0).labels) == {11: 0}
    with pytest.raises(DataError, match="'delete' cannot be told from another label"):
        file.correct(12, None)


@pytest.mark.parametrize("label_names", [("", "b"), (" a", "b"), ("a;b", "b")])
def test_label_that_the_file_cannot_tell_is_refused(
    tmp_path: Path, label_names: tuple[str, str]
) -> None:
    texts = make_texts(TEXTS, [(0, 1), (1,)] * 4, label_names=label_names)
    file = CorrectionsFile(tmp_path / "c.csv", texts)
    with pytest.raises(DataError, match="cannot be told from another label, or from none"):
        file.correct(11, (0, 1) if ";" in label_names[0] else (0,))
    assert not file.path.exists()


def test_correction_is_taken_back_and_the_others_stay(tmp_path: Path) -> None:
    file = CorrectionsFile(tmp_path / "c.csv", make_texts(TEXTS))
    file.correct(11, 0)
    file.correct(12, 1)
    assert dict(file.take_back(11).labels) == {12: 1}
    assert [row["example_id"] for row in rows_of(file.path)] == ["12"]
    with pytest.raises(DataError, match="example 11 has no correction to take back"):
        file.take_back(11)


def test_rows_and_columns_of_a_list_of_suspects_stay(tmp_path: Path) -> None:
    path = tmp_path / "label_suspects.csv"
    suspects = {
        "example_id": [12, 10], "split": ["test", "train"], "text": ["three", "one"],
        "label": ["neg", "neg"], "suggested_label": ["pos", "pos"], "self_confidence": [0.1, 0.2],
        "corrected_label": ["", "pos"], "comment": ["why?", ""],
    }  # fmt: skip
    pd.DataFrame(suspects).to_csv(path, index=False)
    file = CorrectionsFile(path, make_texts(TEXTS))
    assert dict(file.read().labels) == {10: 1}
    file.correct(12, 1)
    file.correct(13, 0)
    assert dict(file.take_back(10).labels) == {12: 1, 13: 0}
    first, second, third = rows_of(path)
    assert (first["comment"], first["corrected_label"]) == ("why?", "pos")
    assert (second["suggested_label"], second["corrected_label"]) == ("pos", "")
    assert (third["example_id"], third["text"], third["label"]) == ("13", "four", "pos")
    assert (third["suggested_label"], third["comment"]) == ("", "")


def test_what_another_has_written_meanwhile_stays(tmp_path: Path) -> None:
    texts = make_texts(TEXTS)
    ours, theirs = (CorrectionsFile(tmp_path / "c.csv", texts) for _ in range(2))
    ours.correct(11, 0)
    theirs.correct(12, 1)
    assert dict(ours.correct(13, 0).labels) == {11: 0, 12: 1, 13: 0}


def test_corrections_of_two_writers_at_once_are_all_kept(tmp_path: Path) -> None:
    texts = make_texts([f"text {k}" for k in range(40)])

    def correct(examples: Sequence[int]) -> None:
        file = CorrectionsFile(tmp_path / "c.csv", texts)
        for example in examples:
            file.correct(example, 1)
        file.take_back(examples[0])

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(correct, (range(10, 30), range(30, 50))))
    left = CorrectionsFile(tmp_path / "c.csv", texts).read()
    assert sorted(left.labels) == [*range(11, 30), *range(31, 50)]
    assert list(tmp_path.iterdir()) == [tmp_path / "c.csv"]


def test_corrections_of_texts_that_are_not_here_stay_and_are_counted(tmp_path: Path) -> None:
    whole = make_texts(TEXTS)
    file = CorrectionsFile(tmp_path / "c.csv", whole)
    for example in (10, 11, 12):
        file.correct(example, 1)
    part = whole.with_frame(whole.frame.iloc[2:].reset_index(drop=True))
    filled = CorrectionsFile(file.path, part).correct(13, None)
    assert (dict(filled.labels), filled.elsewhere, len(filled)) == ({12: 1, 13: None}, 2, 4)
    assert len(file.read()) == 4


def test_texts_that_were_all_left_out_before_are_no_sign_of_other_data(tmp_path: Path) -> None:
    whole = make_texts(TEXTS)
    CorrectionsFile(tmp_path / "c.csv", whole).correct(10, None)
    rest = CorrectionsFile(tmp_path / "c.csv", whole.with_frame(whole.frame.iloc[1:]))
    assert rest.read().elsewhere == 1


HEADER = "example_id,text,corrected_label\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"the file is empty \(0 bytes\)"),
        ("a,b\n1,2\n", "expected the column 'example_id' of label_suspects.csv"),
        (HEADER + "10,another text,pos\n", "row 1: expected the text of example 10, 'one', found"),
        (HEADER + "10,another text,\n", "row 1: expected the text of example 10, 'one', found"),
        (HEADER + "999,one,pos\n", "none of its 1 rows is of a text that is here"),
        (HEADER + "x,one,pos\n", "row 1: expected a whole number in column 'example_id'"),
        (HEADER + "10,one,poss\n", "row 1: 'poss' in column 'corrected_label' is no label"),
        (HEADER + "10,one,pos\n10,one,neg\n", "row 2: example 10 has another corrected_label"),
        (HEADER + '10,"one,pos\n', "broken quoting"),
        (HEADER + "10,one\n", "expected 3 fields as in the header, found 2"),
        ("example_id,text,text,corrected_label\n", "expected each column once"),
        (HEADER + "10,ön\xe9,pos\n", "is not UTF-8"),
    ],
)
def test_file_that_cannot_be_used_is_refused_and_left_as_it_is(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(content.encode("latin-1"))
    file = CorrectionsFile(path, make_texts(TEXTS))
    for refused in (file.read, lambda: file.correct(11, 0), lambda: file.take_back(10)):
        with pytest.raises(DataError, match=message) as error:
            refused()
        assert "\n" not in str(error.value)
    assert path.read_bytes() == content.encode("latin-1")
    assert sorted(tmp_path.iterdir()) == [path]


def test_path_of_no_table_and_text_that_is_not_here_are_refused(tmp_path: Path) -> None:
    texts = make_texts(TEXTS)
    with pytest.raises(DataError, match="expected the path of a CSV or TSV file"):
        CorrectionsFile(tmp_path / "c.xlsx", texts)
    with pytest.raises(DataError, match=r"there is no example 99 in made/up\.csv"):
        CorrectionsFile(tmp_path / "c.csv", texts).correct(99, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["c.csv", 'wörd "quoted" # and: more.csv'])
def test_lines_for_the_study_file_are_read_back_as_the_path(tmp_path: Path, name: str) -> None:
    lines = parameter_line(tmp_path / name)
    study = Study.of({"name": "s", **yaml.safe_load(lines)})
    assert study.data_prep.label_corrections == str(tmp_path / name)
