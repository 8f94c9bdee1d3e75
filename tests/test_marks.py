"""Marks of mistakes: saved at once, continued, and never written over what is not theirs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import errors_of, make_label_errors

from nbutils.analysis.errors import find_errors
from nbutils.analysis.held_out import HeldOut
from nbutils.analysis.marks import MARKS, Marks
from nbutils.errors import DataError

ERRORS = errors_of([0, 1, 1, 0], [0, 0, 1, 1], n_classes=2)


def open_marks(folder: Path, errors: object = ERRORS) -> Marks:
    marks = Marks(folder / "marks.csv", HeldOut(errors))
    marks.read()
    return marks


def test_mark_is_in_the_file_at_once_with_what_it_is_of(tmp_path: Path) -> None:
    marks = open_marks(tmp_path)
    assert not marks.path.exists()
    marks.mark(1, "ambiguous")
    marks.mark(3, "model's fault")
    marks.mark(1, "mislabelled")
    table = pd.read_csv(marks.path)
    assert list(table) == ["example_id", "split", "label", "predicted", "mark", "text"]
    assert table["example_id"].tolist() == [3, 1]
    assert table["mark"].tolist() == ["model's fault", "mislabelled"]
    assert table.loc[1, ["split", "label", "predicted"]].tolist() == ["test", "class 1", "class 0"]
    assert table.loc[1, "text"] == ERRORS.texts["text"][1]
    assert marks.counts == {"mislabelled": 1, "ambiguous": 0, "model's fault": 1}


def test_marks_are_continued_and_can_be_taken_away(tmp_path: Path) -> None:
    open_marks(tmp_path).mark(1, "ambiguous")
    marks = open_marks(tmp_path)
    assert (marks[1], marks[0], len(marks)) == ("ambiguous", None, 1)
    marks.mark(1, None)
    assert len(open_marks(tmp_path)) == 0
    marks.mark(0, None)
    assert list(tmp_path.iterdir()) == [marks.path]


def test_taking_away_no_mark_writes_no_file(tmp_path: Path) -> None:
    open_marks(tmp_path).mark(1, None)
    assert not list(tmp_path.iterdir())


def test_marks_that_somebody_else_made_meanwhile_are_kept(tmp_path: Path) -> None:
    one, two = open_marks(tmp_path), open_marks(tmp_path)
    one.mark(1, "ambiguous")
    two.mark(3, "mislabelled")
    one.mark(0, "mislabelled")
    assert [open_marks(tmp_path)[k] for k in (0, 1, 3)] == [*MARKS[:2], "mislabelled"]


def test_marks_of_two_writers_at_once_are_all_kept(tmp_path: Path) -> None:
    errors = errors_of([0, 1] * 20, [1, 0] * 20, n_classes=2)

    def mark(examples: range) -> None:
        marks = open_marks(tmp_path, errors)
        for example in examples:
            marks.mark(example, "ambiguous")

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(mark, (range(20), range(20, 40))))
    assert open_marks(tmp_path, errors).counts["ambiguous"] == 40
    assert list(tmp_path.iterdir()) == [tmp_path / "marks.csv"]


RETRAINED = errors_of([0, 1, 1, 0], [0, 1, 1, 1], n_classes=2)  # example 1 is right by now


def test_mark_of_what_the_model_no_longer_says_is_counted_apart_and_kept(tmp_path: Path) -> None:
    marks = open_marks(tmp_path)
    marks.mark(1, "model's fault")
    marks.mark(3, "mislabelled")
    again = open_marks(tmp_path, RETRAINED)
    assert (again[1], again[3]) == (None, "mislabelled")
    assert again.earlier(1) == "model's fault, made when the model said class 0"
    assert again.earlier(3) is None
    assert again.counts == {"mislabelled": 1, "ambiguous": 0, "model's fault": 0}
    assert (again.n_earlier, len(again)) == (1, 2)
    again.mark(2, "ambiguous")
    table = pd.read_csv(marks.path)
    assert table["example_id"].tolist() == [1, 3, 2]
    assert table["predicted"][0] == "class 0"
    assert open_marks(tmp_path).counts["model's fault"] == 1


def test_mark_that_was_made_before_a_label_was_corrected_says_so(tmp_path: Path) -> None:
    open_marks(tmp_path).mark(1, "mislabelled")
    corrected = errors_of([0, 0, 1, 0], [0, 0, 1, 1], n_classes=2)
    marks = open_marks(tmp_path, corrected)
    assert marks[1] is None
    assert marks.earlier(1) == "mislabelled, made when the label was class 1"


def test_earlier_mark_is_made_again_or_taken_away(tmp_path: Path) -> None:
    open_marks(tmp_path).mark(1, "ambiguous")
    marks = open_marks(tmp_path, RETRAINED)
    marks.mark(1, "ambiguous")
    assert (marks[1], marks.earlier(1), marks.n_earlier) == ("ambiguous", None, 0)
    assert pd.read_csv(marks.path)["predicted"].tolist() == ["class 1"]
    before = open_marks(tmp_path)
    assert before.earlier(1) == "ambiguous, made when the model said class 1"
    before.mark(1, None)
    assert len(open_marks(tmp_path)) == 0


def test_text_that_csv_finds_hard_comes_back(tmp_path: Path) -> None:
    texts = ['one, "two"\r\nthree', "=1+1\r", "a\u2028b\tc", "\u202eabc \x1b[0m"]
    errors = find_errors(
        ERRORS.predictions,
        ERRORS.texts.assign(text=texts, text_pair=texts[::-1]),
        label_names=ERRORS.label_names,
    )
    marks = open_marks(tmp_path, errors)
    for example_id in range(4):
        marks.mark(example_id, "ambiguous")
    assert open_marks(tmp_path, errors).counts["ambiguous"] == 4
    assert pd.read_csv(marks.path)["text_pair"][3] == texts[0]


def test_several_labels_are_named(tmp_path: Path) -> None:
    errors = make_label_errors(30, 3)
    wrong = errors.mistakes().iloc[0]
    open_marks(tmp_path, errors).mark(int(wrong["example_id"]), "mislabelled")
    row = pd.read_csv(tmp_path / "marks.csv", keep_default_na=False).iloc[0]
    assert row[["label", "predicted"]].tolist() == wrong[["label", "predicted"]].tolist()


GOOD = (
    '"example_id","split","label","predicted","mark","text"\n1,"test","a","b","{mark}","{text}"\n'
)
TEXT = ERRORS.texts["text"][1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "expected the column 'example_id'"),
        (b"\xff\xfea\0", "expected UTF-8"),
        (GOOD.format(mark="ambiguous", text=TEXT).encode()[:-8], "broken quoting"),
        (GOOD.format(mark="good", text=TEXT).encode(), "row 1: expected a mark, found 'good'"),
        (GOOD.format(mark="ambiguous", text="else").encode(), "row 1: its text is not that of"),
        (GOOD.replace("\n1,", "\n9,").encode(), "there is no held-out example '9' here"),
        (GOOD.replace("\n1,", "\n-1,").encode(), "there is no held-out example '-1' here"),
        (
            GOOD.format(mark="ambiguous", text=TEXT).encode()
            + GOOD.format(mark="mislabelled", text=TEXT).encode().split(b"\n", 1)[1],
            "row 2: example 1 has another mark",
        ),
    ],
)
def test_file_that_is_damaged_or_of_other_data_is_refused_and_left_alone(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "marks.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        open_marks(tmp_path)
    assert "\n" not in str(refused.value)
    with pytest.raises(DataError, match=said):
        Marks(path, HeldOut(ERRORS)).mark(0, "ambiguous")
    assert path.read_bytes() == content


def test_file_that_was_damaged_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    marks = open_marks(tmp_path)
    marks.mark(1, "ambiguous")
    marks.path.write_text("broken")
    with pytest.raises(DataError, match="expected the column"):
        marks.mark(3, "ambiguous")
    assert marks.path.read_text() == "broken"
    assert marks[3] is None
    marks.path.unlink()
    marks.mark(3, "ambiguous")
    assert pd.read_csv(marks.path)["example_id"].tolist() == [3]


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "marks.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        open_marks(tmp_path)


def test_unknown_mark_example_or_kind_of_file_is_refused(tmp_path: Path) -> None:
    marks = open_marks(tmp_path)
    with pytest.raises(DataError, match="did you mean 'ambiguous'"):
        marks.mark(1, "ambigous")
    with pytest.raises(DataError, match="example 77: expected the id"):
        marks.mark(77, "ambiguous")
    with pytest.raises(DataError, match=r"whose name ends in \.csv"):
        Marks(tmp_path / "marks.xlsx", HeldOut(ERRORS))


def test_blanks_that_a_spreadsheet_changed_do_not_matter(tmp_path: Path) -> None:
    marks = open_marks(tmp_path)
    marks.mark(1, "ambiguous")
    content = marks.path.read_text().replace(" ", "  ").replace("\n", "\r\n")
    marks.path.write_text("\ufeff" + content.replace("class  ", "class "), encoding="utf-8")
    assert open_marks(tmp_path)[1] == "ambiguous"


def test_held_out_examples_are_found_in_the_order_asked_for() -> None:
    held_out = HeldOut(ERRORS)
    found = held_out.find([3, 0])
    assert found["example_id"].tolist() == [3, 0]
    assert found["predicted"].tolist() == ["class 1", "class 0"]
    assert found["text"].tolist() == ERRORS.texts["text"][[3, 0]].tolist()
    expected = ERRORS.predictions.filter(like="prob_").to_numpy()[3]
    assert np.array_equal(held_out.probabilities(3), expected)
    assert 3 in held_out
    assert 4 not in held_out
