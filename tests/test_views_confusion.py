"""Tables of what is taken for what, whose numbers are links."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_up import errors_of, make_errors, make_label_errors

from nbutils.analysis.confused_classes import ConfusedClasses, ConfusedLabels, find_confusions
from nbutils.analysis.errors import Errors
from nbutils.analysis.mistake_groups import group_mistakes
from nbutils.plots import plot_confusions
from nbutils.views.confusion import tabulate_confusions, tabulate_pairs
from nbutils.views.confusion_grid import lay_out
from nbutils.views.mistakes import tabulate_mistakes, tabulate_right

EVIL = '"><script>alert(1)</script>\u202e'


def soup_of(shown: object) -> BeautifulSoup:
    return BeautifulSoup(shown._repr_html_(), "html.parser")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "errors",
    [
        make_errors(300, 2),
        make_errors(900, 8),
        make_errors(3000, 50, accuracy=0.7),
        make_errors(30_000, 150, accuracy=0.5),
        make_label_errors(500, 40),
    ],
    ids=["2", "8", "50", "150", "labels"],
)
def test_every_number_leads_to_an_example_on_the_page(errors: object) -> None:
    told, listed = find_confusions(errors), group_mistakes(errors)  # type: ignore[arg-type]
    tables = [soup_of(tabulate_confusions(told)), soup_of(tabulate_pairs(told))]
    lists = [soup_of(tabulate_mistakes(listed)), soup_of(tabulate_right(listed))]
    links = [link["href"] for table in tables for link in table.find_all("a")]
    anchors = {f"#{found['id']}" for one in lists for found in one.select("tr [id]")}
    assert links
    assert set(links) <= anchors
    ids = [found["id"] for one in lists for found in one.select("[id]")]
    assert len(ids) == len(set(ids))


def test_link_says_what_is_counted() -> None:
    labels, predicted = [0, 0, 0, 1, 1], [0, 1, 1, 1, 1]
    table = soup_of(tabulate_confusions(find_confusions(errors_of(labels, predicted, n_classes=2))))
    said = [link["aria-label"] for link in table.find_all("a")]
    assert said == [
        "class 0 predicted rightly: 1, 33.3 %",
        "class 0 predicted as class 1: 2, 66.7 %",
        "class 1 predicted rightly: 2, 100.0 %",
    ]
    (wrong,) = [link for link in table.find_all("a") if "as class 1" in link["aria-label"]]
    assert wrong.get_text(" ") == "2 66.7"
    assert len(table.find_all("td", class_="nb-number")) == 2  # how many texts each class has


@pytest.mark.parametrize("errors", [make_errors(900, 60), make_label_errors(500, 40)])
def test_class_has_one_number_in_all_tables_and_figures(errors: Errors) -> None:
    names = [f"A category that needs many words {k:02d} to be named, as all" for k in range(60)]
    told = renamed(find_confusions(errors), names)
    shown = soup_of(tabulate_confusions(told)).find_all("th", scope="row")
    rows = [row.get_text() for row in shown]
    grid = [name for name in lay_out(told).row_names]
    figure = plot_confusions(told, normalised=False)
    every = {tick.get_text() for tick in figure.get_yticklabels()}
    numbers = [[name.rpartition("(")[2] for name in found] for found in (rows, grid, every)]
    assert numbers[0] == numbers[1] == [f"{k + 1})" for k in ids_of(told)]
    assert set(numbers[0]) <= set(numbers[2])


def renamed(
    found: ConfusedClasses | ConfusedLabels, names: list[str]
) -> ConfusedClasses | ConfusedLabels:
    if isinstance(found, ConfusedClasses):
        return replace(found, label_names=tuple(names))
    return replace(found, outcomes=found.outcomes.assign(label=names[: len(found.outcomes)]))


def ids_of(found: ConfusedClasses | ConfusedLabels) -> list[int]:
    return list(found.block if isinstance(found, ConfusedClasses) else found.worst.index)


def test_many_classes_are_shown_by_those_confused_most_and_a_longer_list() -> None:
    told = find_confusions(make_errors(20_000, 100, accuracy=0.6))
    table = soup_of(tabulate_confusions(told))
    assert len(table.tbody.find_all("tr")) == 20
    assert "the 20 classes confused most, of 100" in table.get_text()
    assert len(soup_of(tabulate_pairs(told)).tbody.find_all("tr")) == 30
    elsewhere = [int(row.find_all("td")[-2].get_text()) for row in table.tbody.find_all("tr")]
    assert sum(elsewhere) > 0
    for row, left in zip(table.tbody.find_all("tr"), elsewhere, strict=True):
        *inside, _, total = (cell.get_text(" ").split(" ")[0] for cell in row.find_all("td"))
        counts = [int(count) for count in inside if count]
        assert sum(counts) + left == int(total.replace(",", ""))


def test_names_of_classes_are_data() -> None:
    told = ConfusedClasses(np.array([[3, 1], [2, 4]]), (EVIL, "x" * 10_000))
    outcomes = pd.DataFrame({"label": [EVIL], "right": [1], "missed": [2], "spurious": [3]})
    pairs = pd.DataFrame({"label": [EVIL]})
    for shown in (
        tabulate_confusions(told),
        tabulate_pairs(told),
        tabulate_confusions(ConfusedLabels(outcomes, pairs)),
    ):
        assert soup_of(shown).script is None
        assert "\u202e" not in shown._repr_html_() + repr(shown)
        assert len(shown._repr_html_()) < 10_000
        assert "<script>al" in repr(shown)


def test_classes_that_differ_in_the_middle_alone_are_told_apart() -> None:
    names = tuple(f"{'so many words ' * 4}{k}{' before and behind it' * 3}" for k in range(2))
    told = ConfusedClasses(np.array([[3, 1], [2, 4]]), names)
    table, pairs = soup_of(tabulate_confusions(told)), soup_of(tabulate_pairs(told))
    assert len({head.get_text() for head in table.select("tbody th")}) == 2
    for row in pairs.select("tbody tr"):
        assert len({name.get_text() for name in row.select("bdi")}) == 2
    assert len(set(tabulate_confusions(told)._frame().columns)) == 2


@pytest.mark.parametrize("errors", [make_errors(900, 8), make_label_errors(500, 40)])
def test_numbers_lead_nowhere_where_the_examples_are_not_listed(errors: object) -> None:
    told = find_confusions(errors)  # type: ignore[arg-type]
    for tabulate in (tabulate_confusions, tabulate_pairs):
        linked, plain = soup_of(tabulate(told)), soup_of(tabulate(told, linked=False))
        assert plain.find_all("a") == []
        assert plain.get_text() == linked.get_text()


def test_perfect_model_has_a_diagonal_and_no_pairs() -> None:
    told = find_confusions(errors_of([0, 1, 2], [0, 1, 2], n_classes=3))
    assert len(soup_of(tabulate_confusions(told)).find_all("a")) == 3
    assert "No mistakes" in repr(tabulate_pairs(told))
