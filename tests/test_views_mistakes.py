"""The table of mistakes as HTML: complete without a script, escaped, bounded."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_up import errors_of, make_errors

from nbutils.analysis.errors import find_errors
from nbutils.analysis.mistake_groups import group_mistakes
from nbutils.analysis.mistakes import find_surest
from nbutils.errors import NotApplicableError
from nbutils.tables import Note
from nbutils.views.mistakes import ExampleTable, show_surest, tabulate_mistakes, tabulate_right

EVIL = '</td></table><script>alert(1)</script><img src=x onerror=alert(2)>"\u202e\x1b[31m'


def soup_of(shown: ExampleTable | Note) -> BeautifulSoup:
    return BeautifulSoup(shown._repr_html_(), "html.parser")


def test_row_has_text_labels_confidence_and_tags() -> None:
    errors = make_errors(200, 4, accuracy=0.8)
    found = group_mistakes(errors, tags={"suspect label": errors.test["example_id"]})
    table = soup_of(tabulate_mistakes(found))
    heads = [head.get_text() for head in table.find_all("th")]
    assert heads == ["true", "predicted", "confidence", "tags", "text"]
    rows = table.tbody.find_all("tr")
    assert len(rows) == found.n_mistakes
    for row, expected in zip(rows, found.mistakes.to_dict("records"), strict=True):
        cells = [cell.get_text() for cell in row.find_all("td")]
        assert cells[:2] == [expected["label"], expected["predicted"]]
        assert cells[2] == f"{100 * expected['confidence']:.1f}\xa0%"
        assert "suspect label" in cells[3]
        assert cells[4] == expected["text"]
    assert f"All {found.n_mistakes} mistakes" in table.get_text()


def test_long_text_is_folded_and_cut() -> None:
    errors = errors_of([0], [1], n_classes=2)
    texts = errors.texts.assign(text="word " * 1000)
    table = soup_of(tabulate_mistakes(group_mistakes(replace(errors, texts=texts))))
    cell = table.tbody.find_all("td")[-1]
    assert 100 < len(cell.summary.get_text()) <= 160
    assert cell.get_text().endswith("… (5,000 characters)")
    assert len(cell.get_text()) < 700


def test_words_from_the_data_add_no_element() -> None:
    errors = errors_of([0, 0], [1, 1], n_classes=2)
    names = (EVIL, EVIL + "2")
    columns = dict(zip(errors.predictions.columns[-2:], [f"prob_{n}" for n in names], strict=True))
    evil = find_errors(
        errors.predictions.rename(columns=columns),
        errors.texts.assign(text=EVIL * 30),
        label_names=names,
    )
    shown = tabulate_mistakes(group_mistakes(evil, tags={EVIL: [0]}))
    table = soup_of(shown)
    assert table.find(["script", "img"]) is None
    assert "alert(1)" in table.get_text()
    for hidden in ("\u202e", "\x1b"):
        assert hidden not in shown._repr_html_() + repr(shown)


@pytest.mark.parametrize("sign", ["x", "\x07", "<", "漢"])
def test_size_is_bounded_whatever_the_texts_are_made_of(sign: str) -> None:
    errors = make_errors(4000, 20, accuracy=0.5, words=3)
    texts = errors.texts.assign(text=sign * 5000)
    shown = tabulate_mistakes(group_mistakes(replace(errors, texts=texts)))
    html = shown._repr_html_()
    assert len(html) < 1_000_000
    table = soup_of(shown)
    rows = len(table.tbody.find_all("tr"))
    assert rows >= 100
    left_out = group_mistakes(errors).n_mistakes - rows
    below = table.get_text()
    assert f"{left_out:,} more are in errors.csv" in below
    assert "Tags: confident, wrong with a probability of 90" in below
    assert "{" not in below
    assert {f"examples-{group}" for group in shown.titles} == {
        found["id"] for found in table.select("[id]")
    }


def test_right_predictions_without_room_are_not_looked_for_in_the_file_of_mistakes() -> None:
    errors = make_errors(4000, 20, accuracy=0.9, words=3)
    found = group_mistakes(errors)
    crowded = replace(found, right=pd.concat([found.right] * 60, ignore_index=True))
    below = soup_of(tabulate_right(crowded)).get_text()
    assert " more had no room." in below
    assert "errors.csv" not in below


def test_without_mistakes_the_tables_say_so() -> None:
    found = group_mistakes(errors_of([0, 1], [0, 1], n_classes=2))
    assert "No mistakes" in soup_of(tabulate_mistakes(found)).get_text()
    assert len(soup_of(tabulate_right(found)).tbody.find_all("tr")) == 2
    hopeless = group_mistakes(errors_of([0, 1], [1, 0], n_classes=2))
    assert "No right predictions" in soup_of(tabulate_right(hopeless)).get_text()


def test_surest_mistakes_are_the_most_confident_ones() -> None:
    errors = make_errors(300, 4)
    found = find_surest(errors, examples=3)
    assert found.rows.equals(errors.mistakes().head(3))
    assert found.findings()["mistakes"] == found.of == len(errors.mistakes())
    assert [one["example_id"] for one in found.findings()["surest"]] == list(
        errors.mistakes()["example_id"].head(3)
    )
    assert "the most confident first" in repr(show_surest(found))
    none = find_surest(errors_of([0, 1], [0, 1], n_classes=2), examples=3)
    assert "No mistakes" in repr(show_surest(none))
    with pytest.raises(NotApplicableError, match="worst_examples"):
        find_surest(errors, examples=0)
