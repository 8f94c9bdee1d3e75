from __future__ import annotations

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from nbutils.escaping import render_text, visible_text
from nbutils.tables import Facts, Note, Table, TextExamples

HOSTILE = [
    "<script>alert(1)</script>",
    "</script>",
    "</td></table>",
    "{{ 7*7 }}",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    '"><img src=x onerror=alert(1)>',
    "x" * 1_000_000,
]


def soup_of(shown: Table | Facts | Note | TextExamples) -> BeautifulSoup:
    return BeautifulSoup(shown._repr_html_(), "html.parser")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "show",
    [
        lambda text: Table(pd.DataFrame({text: [text, 1]}, index=[text, "b"]), text),
        lambda text: Facts({text: [text]}, text),
        lambda text: Note(text, "caution"),
        lambda text: TextExamples(pd.DataFrame({"text": [text], text: [text]}), text),
    ],
    ids=["table", "facts", "note", "examples"],
)
def test_hostile_text_is_shown_and_adds_no_element(show, text):
    shown, harmless = soup_of(show(text)), soup_of(show("harmless"))
    ours = {"span", "bdi", "p"}
    names = {tag.name for tag in shown.find_all(True)} - ours
    assert names <= {tag.name for tag in harmless.find_all(True)}
    assert visible_text(text)[:8] in shown.get_text()
    html = show(text)._repr_html_()
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert len(html) < 30_000
    plain = repr(show(text))
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    assert len(plain) < 5_000 or isinstance(show(text), Note)


def test_unseen_characters_are_named():
    assert visible_text("a\x1b[1mb\u202ec\r\nd") == "a[ESC][1mb[U+202E]c\nd"
    assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE"' in render_text("\u202e")


def test_lone_surrogates_can_be_written():
    frame = pd.DataFrame({"text": pd.Series(["\ud800 alone"], dtype=object)})
    for show in (Table(frame), TextExamples(frame), Facts({"a": "\ud800"}), Note("\ud800")):
        assert "[U+D800]" in soup_of(show).get_text()
        assert show._repr_html_().encode()
        assert repr(show).encode()


def test_long_text_ends_with_its_whole_length():
    html = render_text("q" * 1_048_576, limit=100)
    assert "… (1,048,576 characters)" in html
    assert html.count("q") == 100


def test_text_at_the_limit_is_not_cut():
    assert "characters" not in render_text("y" * 100, limit=100)


def test_numbers_are_right_aligned_with_the_digits_of_their_column():
    frame = pd.DataFrame({"n": [1234, 5], "share": [0.5, None], "score": [0.98765, 0.9]})
    cells = [cell.get_text() for cell in soup_of(Table(frame, percent=["share"])).find_all("td")]
    assert cells == ["1,234", "50.0\xa0%", "0.988", "5", "\N{EN DASH}", "0.900"]
    assert 'class="nb-number"' in Table(frame)._repr_html_()


def test_index_is_shown_only_where_it_names_rows():
    frame = pd.DataFrame({"f1": [0.5]})
    assert not soup_of(Table(frame)).find_all("th", scope="row")
    assert soup_of(Table(frame.set_axis(["sport"]))).find("th", scope="row").get_text() == "sport"


def test_booleans_and_missing_values_are_words():
    frame = pd.DataFrame({"exact": [True, False], "when": [pd.NaT, pd.NA]})
    text = soup_of(Table(frame)).get_text(" ")
    assert "yes" in text
    assert "no" in text
    assert "NaT" not in text


def test_long_table_says_how_many_rows_it_leaves_out():
    assert "… 1,500 more rows" in Table(pd.DataFrame({"x": range(2000)}))._repr_html_()


@pytest.mark.parametrize("columns", [[], ["a"]])
def test_empty_frames_are_tables_too(columns):
    frame = pd.DataFrame(columns=columns)
    assert soup_of(Table(frame, "none")).find("table")
    assert repr(Table(frame, "none"))


def test_table_scrolls_in_a_region_that_the_keyboard_reaches():
    region = soup_of(Table(pd.DataFrame({"a": [1]}), "Scores")).div
    assert region["tabindex"] == "0"
    assert region["aria-label"] == "Scores"


def test_examples_show_other_columns_as_facts():
    frame = pd.DataFrame({"text": ["Hello"], "text_pair": ["World"], "confidence": [0.98]})
    text = soup_of(TextExamples(frame, "Mistakes")).get_text(" ", strip=True)
    assert text == "Mistakes confidence 0.980 Hello World"


def test_plain_forms_are_readable():
    assert repr(Facts({"device": "cpu", "labels": ["a", "b"]}, "Run")) == (
        "Run\ndevice: cpu\nlabels: a, b"
    )
    assert repr(Note("Look here.", "caution")) == "Caution: Look here."
