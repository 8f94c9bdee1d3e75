"""What is shown of slices, truncation, leakage and shift, also where nothing was found."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from nbutils import plots
from nbutils.analysis.leakage import Leakage
from nbutils.analysis.rereading import Reread
from nbutils.analysis.shift import Shift
from nbutils.analysis.slices import Slices
from nbutils.analysis.truncation import Truncation
from nbutils.metrics import Score
from nbutils.params.cutting import Cutting
from nbutils.views.leakage import say_leakage, show_copies, tabulate_leakage
from nbutils.views.shift import say_shift, tabulate_shift, tabulate_shift_words, tabulate_splits
from nbutils.views.slices import show_slice_mistakes, tabulate_class_slices, tabulate_slices
from nbutils.views.truncation import show_rereading, summarize_truncation

HOSTILE = "<script>alert(1)</script>"


def make_slices(n: int, **changes: Any) -> Slices:
    rows = [
        {
            "family": "word", "slice": f"with the word “{HOSTILE}{k}”", "n": 50, "mistakes": 20,
            "rate": 0.4, "low": 0.28, "high": 0.54, "rest_rate": 0.05, "p": 1e-9, "q": 1e-7,
            "expected": 0.06, "worth": 0.01, "also": tuple(f"other {j}" for j in range(k)),
        }
        for k in range(n)
    ]  # fmt: skip
    columns = ["slice", "rate", "low", "high", "rest_rate", "n", "also", "expected", "q", "family"]
    table = pd.DataFrame(rows) if n else pd.DataFrame(columns=columns)
    examples = pd.DataFrame({"slice": ["one"] * n, "text": [HOSTILE] * n})
    found = {"tried": 300, "texts": 1000, "mistakes": 70, "smallest": 20, "detectable": 0.18}
    return Slices(table, examples, **(found | changes))


def make_truncation(reread: Reread | None, why: str = "") -> Truncation:
    shares = pd.DataFrame(
        {
            "cut": ["whole", "up to 25 %"],
            "value": [0.9, 0.5],
            "low": [0.8, 0.3],
            "high": [1, 0.7],
            "n": [90, 10],
        }
    )
    return Truncation(Cutting(128), shares, 0.1, 0.04, 200, reread=reread, why=why)


def make_leakage(kinds: list[str], *, compared: int = 5000) -> Leakage:
    n = len(kinds)
    copies = pd.DataFrame(
        {
            "example_id": range(n), "train_id": range(n), "kind": pd.Series(kinds, dtype=object),
            "same_label": pd.Series([False] * n, dtype=bool), "right": True, "similarity": 0.9,
            "text": HOSTILE, "train_text": "its copy",
        }
    )  # fmt: skip
    names = ["all", "without exact copies", "without copies"]
    scores = pd.DataFrame({"test_texts": names, "value": 0.9, "low": 0.8, "high": 0.95, "n": 100})
    return Leakage(scores, copies, 3, (-0.0001, -0.001, 0.02), compared, 5000)


def make_shift(auc: Score, words: list[str]) -> Shift:
    effects = pd.DataFrame(
        {
            "of": ["words"], "measure": ["distance"], "value": [0.2], "chance": [0.1], "p": [0.005],
            "beyond": [True],
        }
    )  # fmt: skip
    shares = {"word": words, "train": 0.1, "test": 0.3, "q": 0.001}
    sides = pd.DataFrame(
        {
            "split": ["train"], "texts": [9], "sampled": [9], "median_words": [5.0],
            "new_words": [0.1],
        }
    )  # fmt: skip
    return Shift(effects, pd.DataFrame(shares), sides, auc)


def test_slices_are_tabulated_with_what_goes_with_them() -> None:
    html = tabulate_slices(make_slices(5))._repr_html_()
    assert "5 %" in html.replace("\N{NO-BREAK SPACE}", " ")
    assert "other 0; other 1 and 2 more" in html
    assert "of 300 tried" in html
    assert HOSTILE not in html
    assert "of a sample of 1,000 texts" in repr(tabulate_slices(make_slices(1, sampled=True)))
    several = make_slices(2)
    several.table["expected"] = float("nan")
    assert "of their classes" not in tabulate_slices(several)._repr_html_()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "told from an error rate of 18"),
        ({"detectable": None, "mistakes": 2}, "With 2 mistakes in 1,000 texts no slice of a tenth"),
        ({"detectable": None, "mistakes": 0}, "None of the 300 slices"),
    ],
)
def test_no_slice_says_what_would_have_been_seen(changes: dict[str, Any], said: str) -> None:
    shown = repr(tabulate_slices(make_slices(0, **changes)))
    assert said in shown
    assert shown.startswith("Good: None of the 300 slices of at least 20 texts")


def test_slices_are_drawn_as_far_as_they_can_be_read() -> None:
    ax = plots.plot_slices(make_slices(40))
    assert ax is not None
    assert len(ax.get_yticks()) == 15
    assert "40.0 % against 6.0 %" in plots.alt_text(ax.figure).replace("\N{NO-BREAK SPACE}", " ")
    assert HOSTILE not in plots.to_svg(ax.figure)
    assert plots.plot_slices(make_slices(0)) is None


def test_classes_that_fail_more_have_a_table_of_their_own() -> None:
    assert "No class" in repr(tabulate_class_slices(make_slices(1)))
    classes = make_slices(2).table.assign(expected=float("nan"), slice=["labelled a", HOSTILE])
    html = tabulate_class_slices(make_slices(0, classes=classes))._repr_html_()
    assert "labelled a" in html
    assert HOSTILE not in html
    assert "told with it" not in html


def test_mistakes_of_slices_are_shown_where_there_are_any() -> None:
    assert HOSTILE not in show_slice_mistakes(make_slices(2))._repr_html_()
    assert show_slice_mistakes(make_slices(0)) is None


def test_truncation_is_summed_up_and_drawn() -> None:
    table = pd.DataFrame({"label": [1, 1], "predicted": [0, 1], "tail": [1, 0], "both": [1, 1]})
    found = make_truncation(Reread(table, 10, 20, (0.02, 0.01, 0.03)))
    assert "4.0" in repr(summarize_truncation(found))
    shown = repr(show_rereading(found))
    assert "2 of the 30 test texts that are cut" in shown
    assert "the end alone, no longer right: 1 of 1 right predictions" in shown
    assert "+2.0 points (+1.0 to +3.0)" in shown
    alt = plots.alt_text(plots.plot_accuracy_by_cut(found).figure)
    assert "up to 25 % (10 texts)" in alt
    assert repr(show_rereading(make_truncation(None, "Pairs are not."))) == "Note: Pairs are not."


def test_copies_are_said_counted_and_shown() -> None:
    found = make_leakage([*["exact"] * 9, *["near"] * 4], compared=4000)
    said = repr(say_leakage(found))
    assert "9 test texts have an exact copy and 4 more a near one" in said
    assert "13 of them carry another label than their copy" in said
    assert "a sample of 4,000" in said
    assert "+0.0 points (95 % interval -0.1 to +2.0)" in said
    assert "3 suspect labels" in repr(tabulate_leakage(found))
    shown = show_copies(found, most=5)
    assert shown is not None
    assert shown.frame["kind"].tolist() == ["exact"] * 3 + ["near"] * 2
    assert HOSTILE not in shown._repr_html_()


def test_no_copies_are_good_news() -> None:
    found = make_leakage([])
    assert repr(say_leakage(found)).startswith("Good: No test text has an exact copy or a near one")
    assert show_copies(found) is None


def test_shift_is_said_in_words() -> None:
    apart = make_shift(Score(0.8, 0.7, 0.9, 100), ["zebra"])
    assert "Caution: A classifier tells test texts" in repr(say_shift(apart))
    assert "zebra" in repr(tabulate_shift_words(apart))
    assert "by chance, up to" in tabulate_shift(apart)._repr_html_()
    assert "words unknown to training" in tabulate_splits(apart)._repr_html_()
    alike = make_shift(Score(0.5, 0.4, 0.6, 100), [])
    assert "Good: A classifier cannot tell" in repr(say_shift(alike))
    assert "No word is more frequent" in repr(tabulate_shift_words(alike))
