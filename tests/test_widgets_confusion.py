"""The confusion explorer, driven as clicks would drive it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from finished import Finished
from made_up import errors_of, make_errors, make_label_errors

from nbutils.analysis.confusion_cells import find_cells
from nbutils.analysis.errors import Errors, find_errors
from nbutils.analysis.neighbours import find_neighbours
from nbutils.analysis.saliency import explain_mistakes
from nbutils.analysis.saved_model import SavedModel
from nbutils.errors import DataError
from nbutils.views.confusion_grid import lay_out
from nbutils.widgets.base import WIDGET_MIME
from nbutils.widgets.confusion import ConfusionExplorer

ISOLATES = "\u2068\u2069"


def explore(folder: Path, errors: Errors) -> ConfusionExplorer:
    """Return an explorer of a model that does not exist: nothing here may load it."""
    explorer = ConfusionExplorer(
        SavedModel(folder / "gone", errors), {}, marks=folder / "marks.csv"
    )
    assert explorer.view is not None
    return explorer


def explore_finished(folder: Path, finished: Finished) -> ConfusionExplorer:
    explorer = ConfusionExplorer(finished.model, finished.data, marks=folder / "marks.csv", seed=0)
    assert explorer.view is not None
    return explorer


def text_of(html: str) -> str:
    return BeautifulSoup(html, "html.parser").get_text()


def message_of(explorer: ConfusionExplorer) -> str:
    return text_of(explorer._status.value)


def test_most_frequent_mistake_is_open_and_its_surest_example_read(tmp_path: Path) -> None:
    errors = make_errors(300, 4, accuracy=0.6)
    explorer = explore(tmp_path, errors)
    cell = find_cells(errors).worst
    assert tuple(axis.value for axis in explorer._axes) == cell
    worst = find_cells(errors).choose(cell, surest_first=True).example_ids[0]
    assert explorer.example_id == worst
    row = errors.texts.loc[worst, "text"]
    assert row in text_of(explorer._panel.text.value)
    assert explorer._buttons.buttons[cell].layout.border_top.startswith("3px")


def test_pressing_a_number_lists_its_examples(tmp_path: Path) -> None:
    errors = make_errors(300, 4, accuracy=0.6)
    explorer = explore(tmp_path, errors)
    button = explorer._buttons.buttons[2, 1]
    assert button.description == str(errors.confusion[2, 1])
    assert button.tooltip.startswith("class 2 predicted as class 1: ")
    button.click()
    assert tuple(axis.value for axis in explorer._axes) == (2, 1)
    assert f"{button.description} texts" in text_of(explorer._list.title.value)
    ids = [example_id for _, example_id in explorer._list.lines.options]
    assert 1 <= len(ids) <= 10
    rows = errors.predictions.loc[ids]
    assert set(zip(rows["label"], rows["predicted"], strict=True)) == {(2, 1)}
    assert errors.texts.loc[ids[0], "text"][:30] in explorer._list.lines.options[0][0]
    framed = [cell for cell, own in explorer._buttons.buttons.items() if own.layout.border_top]
    assert framed == [(2, 1)]


def test_dropdowns_reach_what_the_matrix_does_not_show(tmp_path: Path) -> None:
    errors = make_errors(4000, 150, accuracy=0.7)
    explorer = explore(tmp_path, errors)
    shown = {cell for cell in explorer._buttons.buttons}
    assert len({k for cell in shown for k in cell}) == 20
    assert "20 classes confused most, of 150" in explorer._buttons.caption
    hidden = next(k for k in range(150) if (k, k) not in shown)
    true, predicted = explorer._axes
    assert len(true.options) == 151
    true.value, predicted.value = hidden, -1
    n = int((errors.test["label"] == hidden).sum())
    assert f"any class: {n} texts" in text_of(explorer._list.title.value)
    assert "as class" in explorer._list.lines.options[0][0]
    true.value = -1
    assert "all texts: 4,000 texts" in text_of(explorer._list.title.value)
    assert explorer._list.said.value == "page 1 of 400"


def test_pages_turn_and_stop_at_both_ends(tmp_path: Path) -> None:
    explorer = explore(tmp_path, errors_of(np.zeros(23), np.ones(23), n_classes=2))
    explorer.choose("class 0", "class 1")
    seen = []
    for _ in range(3):
        seen += [example_id for _, example_id in explorer._list.lines.options]
        explorer._list.next.click()
    assert sorted(seen) == list(range(23))
    assert explorer._list.said.value == "page 3 of 3"
    assert (explorer._list.previous.disabled, explorer._list.next.disabled) == (False, True)
    explorer._list.previous.click()
    assert explorer._list.said.value == "page 2 of 3"
    explorer.page(-5)
    assert explorer._list.previous.disabled


def test_order_turns_round(tmp_path: Path) -> None:
    errors = make_errors(300, 3, accuracy=0.5)
    explorer = explore(tmp_path, errors)
    explorer.choose(None, None)
    surest = explorer.example_id
    explorer._order.value = False
    listed = find_cells(errors).choose((None, None), surest_first=False)
    assert explorer.example_id == listed.example_ids[0]
    explorer.sort(surest_first=True)
    assert explorer.example_id == surest
    assert explorer._order.value is True


def test_choosing_a_line_reads_its_example(tmp_path: Path) -> None:
    errors = make_errors(300, 3, accuracy=0.5)
    explorer = explore(tmp_path, errors)
    explorer._list.lines.index = 3
    _, example_id = explorer._list.lines.options[3]
    assert explorer.example_id == example_id
    shown = text_of(explorer._panel.text.value)
    row = errors.predictions.loc[example_id]
    assert errors.texts.loc[example_id, "text"] in shown
    assert f"example_id {example_id}" in shown
    assert f"{100 * row[f'prob_class {row.predicted}']:.1f}\u00a0%" in shown
    last = find_cells(errors).choose(explorer._cell, surest_first=True).example_ids[-1]
    explorer.select(last)
    assert explorer.example_id == explorer._list.lines.value == last
    with pytest.raises(DataError, match="example -3: expected one of"):
        explorer.select(-3)


def test_unknown_class_is_refused_in_one_line(tmp_path: Path) -> None:
    explorer = explore(tmp_path, make_errors(50, 3))
    with pytest.raises(DataError, match="true: there is no 'class 9' here; did you mean"):
        explorer.choose("class 9")


def test_cell_without_a_text_shows_none(tmp_path: Path) -> None:
    explorer = explore(tmp_path, errors_of([0, 1, 0], [0, 1, 1], n_classes=3))
    assert (0, 2) not in explorer._buttons.buttons
    explorer.choose("class 0", "class 2")
    assert explorer.example_id is None
    assert explorer._list.lines.options == ()
    panel = explorer._panel
    assert panel.marks.disabled
    assert panel.why.disabled
    with pytest.raises(DataError, match="choose one of the list first"):
        explorer.mark("ambiguous")


def test_mark_is_saved_shown_and_counted(tmp_path: Path) -> None:
    errors = make_errors(300, 3, accuracy=0.5)
    explorer = explore(tmp_path, errors)
    first = explorer.example_id
    explorer._panel.marks.value = "ambiguous"
    table = pd.read_csv(tmp_path / "marks.csv")
    assert table[["example_id", "mark"]].to_numpy().tolist() == [[first, "ambiguous"]]
    assert "[ambiguous]" in explorer._list.lines.options[0][0]
    assert explorer._list.lines.value == first
    assert "1 marked so far, in marks.csv: 0 mislabelled, 1 ambiguous" in text_of(
        explorer._panel.count.value
    )
    explorer._list.lines.index = 1
    assert explorer._panel.marks.value == "none"
    explorer._list.lines.index = 0
    assert explorer._panel.marks.value == "ambiguous"
    explorer._panel.marks.value = "none"
    assert pd.read_csv(tmp_path / "marks.csv").empty
    assert "[" not in explorer._list.lines.options[0][0]


def test_marks_are_continued_by_the_next_explorer(tmp_path: Path) -> None:
    errors = make_errors(300, 3, accuracy=0.5)
    explorer = explore(tmp_path, errors)
    assert "table of all mistakes" in repr(explorer)
    explorer.mark("model's fault")
    again = explore(tmp_path, errors)
    assert again._panel.marks.value == "model's fault"
    assert "1 marked so far" in repr(again)
    assert "1 model" in again.twin._repr_html_()


def test_mark_of_what_an_older_model_said_is_shown_as_such(tmp_path: Path) -> None:
    explore(tmp_path, errors_of([0, 1, 1], [0, 0, 0], n_classes=2)).mark("model's fault")
    marked = int(pd.read_csv(tmp_path / "marks.csv")["example_id"][0])
    explorer = explore(tmp_path, errors_of([0, 1, 1], [0, 1, 1], n_classes=2))
    explorer.choose("class 1", "class 1")
    explorer.select(marked)
    panel = explorer._panel
    said = "model's fault, made when the model said class 0"
    assert panel.marks.value == "none"
    assert f"Marked {said}." in text_of(panel.earlier.value)
    (line,) = [line for line, known in explorer._list.lines.options if known == marked]
    assert f"[{said}]" in line.translate(dict.fromkeys(map(ord, ISOLATES)))
    assert "0 marked so far" in repr(explorer)
    assert "1 more is kept, made when model or label said otherwise" in repr(explorer)
    panel.marks.value = "ambiguous"
    assert panel.earlier.value == ""
    assert "1 marked so far" in repr(explorer)
    assert "more" not in repr(explorer)


def test_file_of_other_data_is_refused_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("a,b\n1,2\n")
    explorer = explore(tmp_path, make_errors(100, 3))
    assert "No mark can be saved." in text_of(explorer._panel.count.value)
    assert "expected the column" in repr(explorer)
    explorer._panel.marks.value = "ambiguous"
    assert "Not done." in message_of(explorer)
    assert explorer._panel.marks.value == "none"
    assert path.read_text() == "a,b\n1,2\n"
    path.unlink()
    explorer._panel.marks.value = "ambiguous"
    assert message_of(explorer) == ""
    assert "1 marked so far" in text_of(explorer._panel.count.value)


def test_outcomes_of_several_labels_are_buttons_too(tmp_path: Path) -> None:
    errors = make_label_errors(300, 5)
    explorer = explore(tmp_path, errors)
    outcomes = errors.outcomes()
    for (label, place), button in explorer._buttons.buttons.items():
        assert button.description == str(outcomes[("missed", "spurious", "right")[place]][label])
    explorer._buttons.buttons[3, 0].click()
    assert "topic 3 missed" in text_of(explorer._list.title.value)
    explorer.choose("topic 1", "given rightly")
    ids = [example_id for _, example_id in explorer._list.lines.options]
    assert all(1 in errors.predictions.loc[k, "label"] for k in ids)
    assert all(1 in errors.predictions.loc[k, "predicted"] for k in ids)


def test_words_that_decided_are_those_of_the_report(
    finished_reviews: Finished, tmp_path: Path
) -> None:
    report = explain_mistakes(finished_reviews.model, examples=1)
    row = report.texts.iloc[0]
    explorer = explore_finished(tmp_path, finished_reviews)
    explorer.choose(row["label"], row["predicted"])
    assert explorer.example_id == row["example_id"]
    explorer._panel.why.click()
    assert message_of(explorer) == ""
    shown = text_of(explorer._panel.words.value)
    most, _ = report.top_words(row["example_id"])
    assert f"{most.index[0]} {most.iloc[0]:+.2g}" in shown
    assert row["output"] in shown
    assert "completeness error" in shown
    explorer.select(explorer._listed.example_ids[-1])
    assert explorer._panel.words.value == ""


def test_right_prediction_and_missed_label_are_explained(
    finished_reviews: Finished, finished_topics: Finished, tmp_path: Path
) -> None:
    explorer = explore_finished(tmp_path, finished_reviews)
    explorer.choose("pos", "pos")
    explorer.explain()
    assert "logit of \u201cpos\u201d minus logit of \u201cneg\u201d" in explorer._panel.words.value
    errors = finished_topics.errors
    name = str(errors.outcomes().sort_values("missed")["label"].iloc[-1])
    explorer = explore_finished(tmp_path / "topics", finished_topics)
    explorer.choose(name, "missed")
    explorer.explain()
    assert f"minus logit of \u201c{name}\u201d" in explorer._panel.words.value


def test_nearest_training_texts_are_those_of_the_report(
    finished_reviews: Finished, tmp_path: Path
) -> None:
    report = find_neighbours(finished_reviews.model, finished_reviews.data, examples=1, seed=0)
    row = report.texts.iloc[0]
    explorer = explore_finished(tmp_path, finished_reviews)
    explorer.choose(row["label"], row["predicted"])
    explorer._panel.who.click()
    assert message_of(explorer) == ""
    shown = BeautifulSoup(explorer._panel.near.value, "html.parser")
    assert "80 of 80 were searched" in shown.get_text()
    items = [item.get_text() for item in shown.select("li")]
    for item, near in zip(items, report.near.to_dict("records"), strict=True):
        assert item.startswith(near["label"])
        assert f"example {near['neighbour_id']}" in item


def test_missing_model_and_missing_training_texts_are_told_below(tmp_path: Path) -> None:
    explorer = explore(tmp_path, make_errors(50, 3))
    explorer._panel.why.click()
    assert "expected a model that nbutils has fine-tuned" in message_of(explorer)
    explorer._panel.who.click()
    assert "There is no training split at hand." in message_of(explorer)


def test_widget_is_shown_with_its_twin(tmp_path: Path) -> None:
    explorer = explore(tmp_path, make_errors(50, 3))
    bundle = explorer._repr_mimebundle_()
    assert WIDGET_MIME in bundle
    assert len(bundle["text/html"]) < 2000
    assert "click" not in bundle["text/html"]


def walk(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def hostile(n_classes: int = 2) -> Any:
    errors = errors_of([0, 1], [1, 1], n_classes=n_classes)
    nasty = '<img src=x onerror="alert(1)">\u202e\x1b[1m'
    names = [f"{nasty}{k}" for k in range(n_classes)]
    columns = dict(zip(errors.predictions.filter(like="prob_"), names, strict=True))
    predictions = errors.predictions.rename(
        columns={old: f"prob_{new}" for old, new in columns.items()}
    )
    return find_errors(predictions, errors.texts.assign(text=nasty), label_names=names)


def test_hostile_text_and_names_add_no_element(tmp_path: Path) -> None:
    explorer = explore(tmp_path, hostile())
    values = [own.value for own in walk(explorer.view) if type(own).__name__ == "HTML"]
    assert any("onerror" in value for value in values)
    for value in values:
        assert not BeautifulSoup(value, "html.parser").select("img")
        assert "\u202e" not in value
        assert "\x1b" not in value
    plain = [*explorer._list.lines._options_labels, *explorer._axes[0]._options_labels]
    assert not any("\u202e" in line or "\x1b" in line for line in plain)
    assert all("\u202e" not in b.tooltip for b in explorer._buttons.buttons.values())


def test_colours_of_a_number_are_ink_and_ground() -> None:
    grid = lay_out(find_cells(make_errors(300, 3)).found)
    for row in grid.rows:
        for cell in row:
            assert (cell.colours is None) == (cell.count == 0)
            assert cell.colours is None or len(set(cell.colours)) == 2
