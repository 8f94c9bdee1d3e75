"""The data browser: what a click does, what is shown, and what comes of a correction."""

from __future__ import annotations

import csv
import html
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from browsed import make_texts

import nbutils
from nbutils.checkpoints.loading import load_tokenizer
from nbutils.data.browsing import Wanted
from nbutils.data.corrections import load_corrections
from nbutils.data.duplicates import find_duplicates
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.prepared import load_prepared
from nbutils.data.preparing import prepare_data
from nbutils.errors import DataError, ParameterError
from nbutils.params.cutting import Cutting
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import Study
from nbutils.widgets import DataBrowser, ParameterForm
from nbutils.widgets.label_editor import KEEP, LEAVE_OUT, SET
from nbutils.widgets.text_rows import PAGE

HOSTILE = '<img src=x onerror="alert(1)">\u202e</style><script>'


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(str(tiny_bert))


@pytest.fixture
def browse(tokenizer: Any, tmp_path: Path) -> Callable[..., DataBrowser]:
    def made(texts: LabelledTexts, **given: Any) -> DataBrowser:
        settings = {"tokenizer": tokenizer, "tokens": Cutting(8), "corrections": tmp_path / "c.csv"}
        browser = DataBrowser(texts, **(settings | given))
        assert browser.view is browser.view
        return browser

    return made


def plain(page: str) -> str:
    words = " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())
    return re.sub(r" (?=[,:.)])|(?<=\() ", "", words)


def shown(browser: DataBrowser) -> list[str]:
    """Return the example ids on the page."""
    return [button.description for button in browser.rows.choosers]


def widgets_of(view: Any) -> list[Any]:
    """Return a view and everything in it."""
    parts = [part for child in getattr(view, "children", ()) for part in widgets_of(child)]
    return [view, *parts]


def everything(browser: DataBrowser) -> str:
    """Return all HTML that the view shows."""
    widgets = [part for part in widgets_of(browser.view) if type(part).__name__ == "HTML"]
    return "\n".join(part.value for part in widgets)


def status(browser: DataBrowser) -> str:
    return plain(browser.view.children[-1].value)


def many(n: int = 30) -> LabelledTexts:
    return make_texts([f"text {k}{' film' * (k % 7)}" for k in range(n)])


def test_controls_narrow_what_is_shown_and_the_counts_say_how_far(browse: Any) -> None:
    browser = browse(many())
    controls = browser.filters.controls
    assert shown(browser) == [str(10 + k) for k in range(PAGE)]
    assert "30 of 30 texts: neg 15, pos 15" in plain(everything(browser))
    controls["split"].value = "test"
    controls["label"].value = 1
    assert browser.found.tolist() == [15, 21, 27, 33, 39]
    assert "5 of 30 texts: pos 5" in plain(everything(browser))
    controls["order"].value = "shortest"
    assert shown(browser) == ["39", "33", "27", "21", "15"]
    controls["shortest"].value = 20
    assert shown(browser) == ["27", "21", "15"]
    browser.filters.clear.click()
    assert len(browser.found) == 30
    assert (controls["split"].value, controls["label"].value) == ("", -1)


def test_search_waits_for_quiet_and_marks_what_it_found(browse: Any) -> None:
    browser = browse(many())
    for typed in ("f", "fi", 'film "text 5"'):
        browser.filters.controls["words"].value = typed
    assert len(browser.found) == 30
    wait_for_words(browser, 'film "text 5"', ["15"])
    assert "<mark>text 5</mark> <mark>film</mark>" in everything(browser)


def type_during(
    browser: DataBrowser, wanted: Wanted, letters: str, patch: pytest.MonkeyPatch
) -> None:
    """Let letters be typed into the search box while the texts that are wanted are looked for."""
    find = browser._browsing.find

    def find_meanwhile(now: Wanted, **given: Any) -> Any:
        if now == wanted:
            browser.filters.controls["words"].value = letters
        return find(now, **given)

    patch.setattr(browser._browsing, "find", find_meanwhile)


def wait_for_words(browser: DataBrowser, words: str, ids: list[str]) -> None:
    """Wait until words are searched for and the texts of these ids are on the page."""
    limit = time.monotonic() + 20
    while (browser.wanted.words, shown(browser)) != (words, ids) and time.monotonic() < limit:
        time.sleep(0.02)
    assert (browser.wanted.words, shown(browser)) == (words, ids)


def test_letters_typed_during_a_search_stay_and_are_searched_for(
    browse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browse(many())
    words = browser.filters.controls["words"]
    type_during(browser, Wanted(words="text 1"), "text 15", monkeypatch)
    words.value = "text 1"
    wait_for_words(browser, "text 15", ["25"])
    assert words.value == "text 15"


def test_letters_typed_while_filters_are_cleared_stay_and_are_searched_for(
    browse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browse(many())
    browser.filter(words="film", split="test")
    type_during(browser, Wanted(), "text 15", monkeypatch)
    browser.filters.clear.click()
    controls = browser.filters.controls
    assert (controls["words"].value, controls["split"].value) == ("text 15", "")
    wait_for_words(browser, "text 15", ["25"])


def test_letters_that_are_not_searched_for_yet_are_cleared(browse: Any) -> None:
    browser = browse(many())
    browser.filters.controls["words"].value = "no such words"
    browser.filters.clear.click()
    assert browser.filters.controls["words"].value == ""
    assert len(browser.found) == 30


def test_pages_are_turned_and_end_where_the_texts_do(browse: Any) -> None:
    browser = browse(many())
    turning = browser.rows
    assert turning.before.disabled
    turning.after.click()
    assert shown(browser)[0] == str(10 + PAGE)
    assert f"{PAGE + 1} to {2 * PAGE} of 30" in everything(browser)
    browser.page(3)
    assert len(shown(browser)) == 30 - 2 * PAGE
    assert turning.after.disabled
    with pytest.raises(ParameterError, match="page: expected 1 to 3, found 4"):
        browser.page(4)
    browser.filter(words="no such words")
    assert "No such text." in everything(browser)
    assert shown(browser) == []
    assert turning.before.disabled
    assert turning.after.disabled


def test_filter_from_code_moves_the_controls_and_refuses_what_is_not_there(browse: Any) -> None:
    browser = browse(many())
    browser.filter(split="test", words="film")
    browser.filter(label="pos")
    controls = browser.filters.controls
    assert (controls["split"].value, controls["words"].value) == ("test", "film")
    assert controls["label"].value == 1
    before = browser.found.tolist()
    for wanted, message in (
        ({"label": "good"}, "label 'good': there is no such label"),
        ({"lable": "pos"}, "filter: there is no part 'lable'; did you mean 'label'"),
    ):
        with pytest.raises(ParameterError, match=message):
            browser.filter(**wanted)
    assert browser.found.tolist() == before


def test_range_that_cannot_be_read_is_said_below_the_widget(browse: Any) -> None:
    browser = browse(make_texts(["a", "b"], meta_year=[1.0, 2.0]))
    controls = browser.filters.controls
    controls["value"].value = "new"
    controls["column"].value = "year"
    assert "Not done. expected a number or a range" in status(browser)
    controls["column"].value = ""
    assert status(browser) == ""


def test_chosen_text_is_shown_with_its_tokens_the_cut_and_its_copies(browse: Any) -> None:
    text = "good film was xyzzy and not very dull"
    texts = make_texts([text, "other", text, f"{text} it is"], meta_year=[1.0, 2.0, 3.0, None])
    browser = browse(texts)
    browser.rows.choosers[2].click()
    assert browser.chosen == 12
    assert browser.rows.choosers[2].icon == "chevron-right"
    card, tokens = plain(browser.reader.card.value), plain(browser.reader.tokens.value)
    assert "example 12 split test label neg" in card
    assert "year 3" in card
    assert text in card
    assert "[CLS] good film was [UNK] and not cut: 2 tokens are not read (very dull)" in tokens
    assert "The vocabulary lacks xyzzy" in tokens
    assert "Copies of it: 1. Near copies are looked for with the filter Copies." in tokens
    assert "example 10, train, neg: the same text" in tokens
    browser.filter(copies="with")
    browser.choose(12)
    assert "Copies of it: 2." in plain(browser.reader.tokens.value)
    assert "example 13, train, pos: nearly the same, another label" in plain(
        browser.reader.tokens.value
    )
    browser.reader.list_copies.click()
    assert shown(browser) == ["10", "12", "13"]
    assert browser.wanted.copies is None


def test_text_without_copies_says_so(browse: Any) -> None:
    texts = make_texts(["one", "two"])
    browser = browse(texts, copies=find_duplicates(texts.frame).group)
    browser.choose(10)
    assert "It has no copies here." in plain(browser.reader.tokens.value)
    assert browser.reader.list_copies.layout.display == "none"


def test_both_texts_of_a_pair_are_shown(browse: Any) -> None:
    browser = browse(make_texts(["a film", "b"], text_pair=["the plot", "c"]))
    browser.choose(10)
    assert "the plot" in plain(browser.reader.card.value)
    assert "[CLS] a film [SEP] the plot [SEP]" in plain(browser.reader.tokens.value)


def rows_on_file(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["example_id"], row["corrected_label"]) for row in csv.DictReader(stream)]


def test_label_is_corrected_shown_and_taken_back(browse: Any, tmp_path: Path) -> None:
    browser = browse(many())
    editor = browser.editor
    assert editor.save.disabled
    browser.choose(10)
    assert [name for name, _ in editor.choice.options] == [
        "keep neg", "neg", "pos", "delete: leave the text out",
    ]  # fmt: skip
    editor.save.click()
    assert "Nothing to save" in status(browser)
    assert not (tmp_path / "c.csv").exists()
    editor.choice.value = 1
    editor.save.click()
    assert rows_on_file(tmp_path / "c.csv") == [("10", "pos")]
    assert "Saved: example 10, pos." in status(browser)
    assert "train neg → pos 6 text 0" in plain(everything(browser))
    assert browser.corrections == {10: "pos"}
    assert f"label_corrections: &quot;{tmp_path / 'c.csv'}&quot;" in everything(browser)
    assert "1 label has been corrected in c.csv" in repr(browser.twin)
    browser.choose(11)
    editor.choice.value = LEAVE_OUT
    editor.save.click()
    browser.filter(corrected=True)
    assert shown(browser) == ["10", "11"]
    browser.choose(10)
    assert editor.choice.value == 1
    editor.take_back.click()
    assert editor.choice.value == KEEP
    assert editor.take_back.disabled
    assert rows_on_file(tmp_path / "c.csv") == [("11", "delete")]
    browser.choose(11)
    editor.choice.value = KEEP
    editor.save.click()
    assert rows_on_file(tmp_path / "c.csv") == []


def test_sets_of_labels_are_chosen_beside(browse: Any, tmp_path: Path) -> None:
    texts = make_texts(["a", "b", "c"], [(0, 2), (), (1,)], label_names=("x", "y", "z"))
    browser = browse(texts)
    browser.choose(10)
    editor = browser.editor
    assert (editor.labels.value, editor.choice.value) == ((0, 2), KEEP)
    editor.labels.value = (1, 2)
    assert editor.choice.value == SET
    editor.save.click()
    browser.choose(12)
    editor.labels.value = ()
    editor.save.click()
    browser.correct(11, ["z", "x"])
    assert rows_on_file(tmp_path / "c.csv") == [("10", "y; z"), ("12", "(none)"), ("11", "x; z")]
    browser.choose(10)
    assert (editor.labels.value, editor.choice.value) == ((1, 2), SET)
    with pytest.raises(DataError, match="correct: there is no label 'w'"):
        browser.correct(11, ["w"])
    assert "(none)" in dict(browser.filters.controls["label"].options)


def test_corrections_on_file_are_shown_from_the_start(browse: Any, tmp_path: Path) -> None:
    browse(many()).correct(12, "delete")
    again = browse(many())
    assert again.corrections == {12: "delete"}
    assert "neg → delete" in plain(everything(again))
    again.choose(12)
    assert again.editor.choice.value == LEAVE_OUT


def test_file_of_other_data_is_refused_in_a_line_and_left_as_it_is(
    browse: Any, tmp_path: Path
) -> None:
    browse(make_texts(["quite", "another"])).correct(10, "pos")
    before = (tmp_path / "c.csv").read_bytes()
    browser = browse(many())
    assert "Not used: " in plain(everything(browser))
    browser.choose(11)
    browser.editor.choice.value = 0
    browser.editor.save.click()
    assert "expected the text of example 10, 'text 0', found 'quite'" in status(browser)
    assert (tmp_path / "c.csv").read_bytes() == before
    assert browser.corrections == {}


def test_text_and_labels_from_the_data_are_shown_and_do_nothing(browse: Any) -> None:
    texts = make_texts(
        [HOSTILE, f"{HOSTILE} 2"] * 2,
        [0, 1, 1, 0],
        label_names=(HOSTILE, "pos"),
        **{f"meta_{HOSTILE}": pd.Series([HOSTILE] * 4, dtype=str)},
    )
    browser = browse(texts)
    browser.filter(words="onerror")
    browser.choose(10)
    browser.correct(10, HOSTILE)
    page = everything(browser) + browser.twin._repr_html_()
    assert "onerror" in page
    assert "<img" not in page
    assert "<script" not in page
    assert "</style>" not in page
    assert "\u202e" not in page
    for name in ("label", "column"):
        options = [text for text, _ in browser.filters.controls[name].options]
        assert any("[U+202E]" in text for text in options)


def test_labels_that_another_file_has_corrected_already_are_warned_of(
    browse: Any, tmp_path: Path
) -> None:
    from dataclasses import replace

    texts = replace(many(), corrections={"file": "older.csv"})
    assert "Caution: older.csv has corrected these labels" in plain(everything(browse(texts)))
    used = browse(texts, corrections=tmp_path / "older.csv")
    assert "Caution" not in everything(used)


def test_saving_says_how_data_prep_comes_to_read_the_file(browse: Any, tmp_path: Path) -> None:
    texts, file = many(), tmp_path / "c.csv"
    browser = browse(texts)
    browser.correct(10, "pos")
    said = html.unescape(re.sub("<[^>]+>", "", browser.view.children[-1].value))
    assert "runs again" not in said
    line = re.search(r"data_prep: \{.*?\}", said)
    assert line is not None
    study = Study.of({"name": "s", **yaml.safe_load(line[0])})
    path = re.search(r"or by (\S+) in the form of 01_data_prep, field label_corrections\.", said)
    assert path is not None
    form = ParameterForm(DataPrepParams.of({}))
    form.set(label_corrections=path[1])
    for params in (study.data_prep, form.params):
        assert load_corrections(params, texts).labels == {10: 1}
    below = plain(browser._lines["corrections"].value)
    assert "In the form of 01_data_prep, " in below
    assert str(file) in below


def test_saving_into_the_file_that_data_prep_has_read_asks_for_nothing_else(
    browse: Any, tmp_path: Path
) -> None:
    from dataclasses import replace

    browser = browse(replace(many(), corrections={"file": "c.csv"}))
    browser.correct(10, "pos")
    assert status(browser).endswith("Data prep reads this file, and puts it in when it runs again.")
    assert "study file" not in plain(everything(browser))


def test_file_of_the_same_name_in_the_project_is_not_taken_for_the_one_that_was_read(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)  # what was read was another folder's
    texts = replace(many(), corrections={"file": "up-corrections.csv"})
    browser = DataBrowser(texts, tokenizer=tokenizer, tokens=Cutting(8))
    browser.correct(10, "pos")
    assert f'{{label_corrections: "{tmp_path / "up-corrections.csv"}"}}' in status(browser)


def test_every_control_has_a_name_and_no_name_is_html(browse: Any) -> None:
    browser = browse(make_texts(["a", "b"], meta_year=[1.0, 2.0]))
    controls = [part for part in widgets_of(browser.view) if hasattr(part, "description")]
    named = [part for part in controls if type(part).__name__ != "HTML"]
    unused = PAGE - len(shown(browser))
    assert len(named) > 12
    assert [part for part in named if not part.description] == []
    assert unused > 0
    assert not any(getattr(part, "description_allow_html", False) for part in named)


def test_twin_is_a_short_note_without_a_click(browse: Any) -> None:
    browser = browse(many())
    assert "30 texts" in repr(browser)
    assert "no label has been corrected" in repr(browser)
    bundle = browser._repr_mimebundle_()
    assert len(bundle["text/html"]) < 2000
    assert "click" not in bundle["text/html"]


def test_file_for_corrections_is_not_among_the_runs_by_default(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    browser = DataBrowser(many(), tokenizer=tokenizer, tokens=Cutting(8))
    browser.correct(10, "pos")
    assert rows_on_file(tmp_path / "up-corrections.csv") == [("10", "pos")]


@pytest.mark.parametrize("several", [False, True])
def test_finished_folder_is_browsed_corrected_and_prepared_again(
    several: bool, tiny_bert: Path, reviews: pd.DataFrame, topics: pd.DataFrame, tmp_path: Path
) -> None:
    data = topics if several else reviews
    data.assign(year=range(len(data))).to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    values = {
        "dataset": str(tmp_path / "d.jsonl"), "label_column": data.columns[1], "max_length": 8,
        "metadata_columns": ["year"], "baseline": False, "tokenizer": str(tiny_bert),
    }  # fmt: skip
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    prepare_data(DataPrepParams.of(values), tmp_path / "one")
    file = tmp_path / "c.csv"
    browser = DataBrowser.of_folder(tmp_path / "one", corrections=file)
    browser.filter(metadata=("year", "5..9"), copies="without")
    assert set(browser.found) <= {5, 6, 7, 8, 9}
    chosen = int(browser.found[0])
    browser.choose(chosen)
    assert "cut: 5 tokens are not read" in plain(browser.reader.tokens.value) or several
    name = browser.filters.controls["label"].options[1][0]
    browser.correct(chosen, name)
    prepare_data(DataPrepParams.of({**values, "label_corrections": str(file)}), tmp_path / "two")
    texts = load_prepared(tmp_path / "two")
    label = texts.frame.set_index("example_id")["label"][chosen]
    assert label == ((0,) if several else 0)
    assert texts.label_names[0] == name
    assert texts.corrections["corrected"] + texts.corrections["confirmed"] == 1


def test_text_is_cut_as_the_given_model_cuts_it(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    reviews.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "data").mkdir()
    values = {"dataset": str(tmp_path / "d.csv"), "tokenizer": str(tiny_bert), "max_length": 10}
    prepare_data(DataPrepParams.of({**values, "baseline": False}), tmp_path / "data")
    recipe = FineTuneParams.of(
        {"model": str(tiny_bert), "epochs": 1, "max_length": 8, "precision": "fp32"}
    )
    labels = reviews["label"].tolist()
    nbutils.fine_tune(reviews["text"].tolist(), labels, params=recipe).save(tmp_path / "model")
    unread = []
    for model in (None, tiny_bert, tmp_path / "model"):
        browser = DataBrowser.of_folder(tmp_path / "data", model=model)
        assert browser.view is not None
        browser.choose(int(browser.found[0]))
        (said,) = re.findall(r"(\d+) tokens are not read \(", plain(browser.reader.tokens.value))
        unread.append(int(said))
    by_data, by_checkpoint, by_model = unread
    assert by_data == by_checkpoint == by_model - 2


def test_tokenizer_that_cannot_be_loaded_leaves_the_text_to_read_and_correct(browse: Any) -> None:
    browser = browse(many(), tokenizer="no-such/folder/here")
    browser.choose(10)
    assert "text 0" in plain(browser.reader.card.value)
    assert "Its tokens cannot be shown: model 'no-such" in plain(browser.reader.tokens.value)
    browser.correct(10, "pos")
    assert browser.corrections == {10: "pos"}


def test_folder_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder finished by 01_data_prep\.ipynb"):
        DataBrowser.of_folder(tmp_path)


def test_import_is_cheap() -> None:
    code = (
        "import sys; from nbutils.widgets.data_browser import DataBrowser;"
        "print({'ipywidgets', 'torch', 'transformers', 'datasets'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_label_that_several_rows_show_is_escaped_in_the_counts(browse: Any) -> None:
    browser = browse(make_texts(["a", "b"], label_names=("<i>x</i>", "pos")))
    assert "&lt;i&gt;x&lt;/i&gt;" in everything(browser)
    assert "<i>" not in everything(browser)
