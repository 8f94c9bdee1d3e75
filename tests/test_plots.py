from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import made_up
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from predicting import draw_classes, make_errors

from nbutils import plots
from nbutils.analysis.abstention import find_abstention
from nbutils.analysis.calibration import calibrate
from nbutils.analysis.confused_classes import find_confusions
from nbutils.analysis.scores import score_model
from nbutils.plots.names import shorten, shorten_all
from nbutils.plots.palette import ON_HIGH, ON_LOW, PALETTE, RIGHT, WRONG

STEPS = np.arange(1, 301)
TRAIN = pd.DataFrame(
    {
        "step": STEPS,
        "loss": 1.5 * np.exp(-STEPS / 50) + 0.05,
        "learning_rate": 1e-4 * (1 - STEPS / 301),
        "gradient_norm": 0.5 + STEPS % 7,
    }
)
VALIDATION = pd.DataFrame(
    {
        "step": [100, 200, 300],
        "epoch": [1.0, 2.0, 3.0],
        "loss": [0.4, 0.2, 0.25],
        "accuracy": [0.9, 0.97, 0.96],
        "macro_f1": [0.89, 0.96, 0.95],
        "mcc": [-0.1, 0.91, 0.93],
    }
)
RANGE = pd.DataFrame(
    {
        "learning_rate": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2],
        "loss": [1.6, 1.5, 1.2, 0.6, 5.0],
        "smoothed": [1.6, 1.5, 1.2, 0.7, 3.0],
    }
)
ERRORS = make_errors(*draw_classes(400, temperature=2.0), n_validation=200)
SCORES = pd.DataFrame(
    {"name": ["a", "b"], "value": [0.9, 0.8], "low": [0.8, 0.7], "high": [1, 0.9]}
)
MATRIX = np.array([[9, 1, 0], [3, 7, 0], [0, 0, 10]])
NAMES = ["sport", "tech", "politics"]
OUTCOMES = pd.DataFrame(
    {"label": NAMES, "right": [9, 2, 6], "missed": [1, 4, 0], "spurious": [3, 1, 0]}
)
TOGETHER = np.array([[20, 6, 1], [6, 10, 0], [1, 0, 5]])
CURVE = pd.DataFrame(
    {
        "threshold": [0.3, 0.5, 0.7],
        "precision": [0.67, 0.8, 0.9],
        "recall": [0.86, 0.62, 0.3],
        "f1": [0.75, 0.70, 0.45],
    }
)
DRAWN = {
    "class_balance": lambda **more: plots.plot_class_balance(
        pd.DataFrame({"train": [5, 3], "test": [2, 1]}, index=["tech", "sport"]), **more
    ),
    "token_lengths": lambda **more: plots.plot_token_lengths(
        np.array([10, 20, 300, 129]), max_length=128, **more
    ),
    "bars": lambda **more: plots.plot_bars(
        pd.Series({"copies": 98}), title="Left out", x_label="texts", alt="98 copies.", **more
    ),
    "score_intervals": lambda **more: plots.plot_score_intervals(SCORES, **more),
    "loss": lambda **more: plots.plot_loss_curves(
        TRAIN, VALIDATION, best_step=200, epoch_ends=[150, 300], **more
    ),
    "validation": lambda **more: plots.plot_validation_scores(
        VALIDATION, baseline=0.95, selected_by="accuracy", best_step=200, **more
    ),
    "learning_rate": lambda **more: plots.plot_learning_rate(TRAIN, **more),
    "gradient_norm": lambda **more: plots.plot_gradient_norm(TRAIN, max_grad_norm=1.0, **more),
    "range_test": lambda **more: plots.plot_range_test(RANGE, proposed=1e-4, **more),
    "confusion": lambda **more: plots.plot_confusion(
        MATRIX, label_names=NAMES, normalised=False, **more
    ),
    "calibration": lambda **more: plots.plot_calibration(calibrate(ERRORS), **more),
    "confidence": lambda **more: plots.plot_confidence_histogram(calibrate(ERRORS), **more),
    "coverage_risk": lambda **more: plots.plot_coverage_risk(
        find_abstention(ERRORS, target_error=0.2), **more
    ),
    "class_scores": lambda **more: plots.plot_class_scores(
        score_model(ERRORS, baseline=None, train_labels=pd.Series([0])), **more
    ),
    "label_outcomes": lambda **more: plots.plot_label_outcomes(OUTCOMES, normalised=False, **more),
    "outcome_shares": lambda **more: plots.plot_label_outcomes(OUTCOMES, normalised=True, **more),
    "co_occurrence": lambda **more: plots.plot_co_occurrence(TOGETHER, label_names=NAMES, **more),
    "threshold_curve": lambda **more: plots.plot_threshold_curve(
        CURVE, thresholds=[0.3, 0.5], **more
    ),
}
MESSAGES = {
    "class_balance": "2 classes: from 7 (tech) down to 4 (sport)",
    "token_lengths": "50.0 % are longer than 128 tokens",
    "bars": "98 copies.",
    "score_intervals": "a 90.0 % (80.0 % to 100.0 %)",
    "loss": "Validation loss is lowest, 0.2, at step 200 and ends at 0.25",
    "validation": "Best accuracy 97.0 % at step 200",
    "learning_rate": "its peak is 9.97e-05 at step 1",
    "gradient_norm": "the largest norm is 6.5",
    "range_test": "lowest, 0.7, at 0.001; 0.0001 is proposed",
    "confusion": "26 of 30 predictions are right (86.7 %). The most frequent mistake: "
    "tech predicted as sport, 3 times",
    "calibration": "On average the model is 16.7 % more sure than it is right. Divided by a "
    "temperature of 2.01, the logits give an error of 5.7 %.",
    "confidence": "16 of 64 with at least 90 % confidence",
    "coverage_risk": "Answering every text, 32.0 % are wrong. At a threshold of 0.9989, 12.0 % are "
    "answered and 4.2 % of those answers are wrong.",
    "class_scores": "F1 per class with 95 % intervals: c1 54.3 % (41.4 % to 66.7 %); c2 66.0 %",
    "label_outcomes": "17 labels were given rightly, 5 missed, 4 given wrongly. Most often missed: "
    "tech, 4 times. Most often spurious: sport, 3 times.",
    "outcome_shares": "Most often missed: tech, 4 times.",
    "co_occurrence": "Of the 10 texts with tech, 60.0 % also have sport: the largest share.",
    "threshold_curve": "F1 is 70.0 % at 50.0 % and highest, 75.0 %, at 30.0 %.",
}


def text_of(svg: str) -> list[str]:
    return [
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg).iter()
        if "text" in node.tag
    ]


@pytest.mark.parametrize("name", DRAWN)
def test_alt_text_says_the_message_with_its_numbers(name):
    alt = plots.alt_text(DRAWN[name]().figure).replace("\N{NO-BREAK SPACE}", " ")
    assert MESSAGES[name] in alt


@pytest.mark.parametrize("name", DRAWN)
def test_same_data_gives_the_same_compact_svg(name):
    first, second = (plots.to_svg(DRAWN[name]().figure) for _ in range(2))
    assert first == second
    assert first.startswith("<svg ")
    assert len(first) < 40_000
    for clutter in ("<metadata", "<style", "<!--", "<?xml", "DOCTYPE", "mathdefault"):
        assert clutter not in first


@pytest.mark.parametrize("name", DRAWN)
def test_plots_draw_on_given_axes(name):
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert DRAWN[name](ax=left) is left
    assert DRAWN[name](ax=right) is right
    assert plots.alt_text(figure).count(plots.alt_text(DRAWN[name]().figure)) == 2


def test_plots_leave_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    plots.to_svg(DRAWN["loss"]().figure)
    assert dict(mpl.rcParams) == before


def test_import_is_lean_and_makes_no_pyplot():
    check = (
        "import sys; import nbutils.plots, nbutils.tables, nbutils.report; "
        "print([m for m in ('matplotlib', 'pandas', 'nbconvert', 'jinja2', 'IPython') "
        "if m in sys.modules]); import nbutils.plots as p, numpy as n; "
        "p.to_svg(p.plot_confusion(n.eye(2), label_names='ab', normalised=True).figure); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Very long category 17", "Very long…ory 17"),
        ("漢字" * 20, "漢字漢字…字漢字"),
        ("a" * 16, "a" * 16),
        ("x" * 10**6 + "1", "x" * 9 + "…" + "x" * 5 + "1"),
        (" \n ", "(empty)"),
    ],
)
def test_name_that_does_not_fit_keeps_its_beginning_and_its_end(name: str, shown: str) -> None:
    assert shorten(name, width=16) == shown


def test_different_names_stay_different_where_they_are_cut() -> None:
    names = [
        "Category of texts number 2 of all",
        "Category of texts number 1 of all",
        "a b",
        "a\nb",
    ]
    shown = shorten_all([*names, names[0], "c"], width=16)
    assert shown[:2] == ["Categor…all (2)", "Categor…all (1)"]
    assert set(shown[2:4]) == {"a b (1)", "a b (2)"}
    assert shown[4:] == [shown[0], "c"]


@pytest.mark.parametrize("width", [8, 16, 20, 26])
def test_numbered_names_fit_and_are_none_that_is_real(width: int) -> None:
    names = [f"Category of texts, of which each has a number: {k} of all" for k in range(40)]
    names += ["a b", "a\nb", "a b (1)", "漢字" * 20, "漢字" * 21]
    shown = shorten_all(names, width=width)
    assert len(set(shown)) == len(names)
    assert shown[names.index("a b (1)")] == "a b (1)"
    assert max(len(name) + len(re.findall("[漢字]", name)) for name in shown) <= width


def test_name_has_one_number_at_any_width() -> None:
    names = [
        f"Category {kind} of texts, {k} of them, as all others" for kind in "AB" for k in "123"
    ]
    narrow, wide = (shorten_all(names, width=width) for width in (16, 26))
    assert [name[-4:] for name in narrow] == [f" ({k})" for k in range(1, 7)]
    assert [name.split("…")[0][:10] for name in wide] == ["Category A"] * 3 + ["Category B"] * 3
    assert [name[-4:] for name in wide] == [f" ({k})" for k in range(1, 7)]


def in_words(ax: Axes) -> str:
    return plots.alt_text(ax.get_figure(root=True)).replace("\N{NO-BREAK SPACE}", " ")


def test_alt_text_names_what_is_drawn_as_it_is_drawn() -> None:
    names = [f"A category that needs many words {k:02d} to be named" for k in range(61)]
    counts = pd.DataFrame({"train": range(61, 0, -1)}, index=names)
    drawn = plots.plot_class_balance(counts)
    assert drawn.get_yticklabels()[0].get_text() == "A category th…be named (1)"
    assert (
        "from 61 (A category th…be named (1)) down to 1 (A category t…be named (61))"
        in in_words(drawn)
    )
    scores = pd.DataFrame({"name": names[:14], "value": 0.5, "low": 0.4, "high": 0.6})
    scores.loc[13, "name"] = "A category that needs more words to be named"
    drawn = plots.plot_score_intervals(scores.sort_index(ascending=False))
    shown = [tick.get_text() for tick in drawn.get_yticklabels()]
    assert len(set(shown)) == 14
    assert all(f"{name} 50.0 % (40.0 % to 60.0 %)" in in_words(drawn) for name in shown[:12])
    outcomes = pd.DataFrame({"label": names, "right": 1, "missed": range(61), "spurious": 1})
    drawn = plots.plot_label_outcomes(outcomes, normalised=False)
    worst = drawn.get_yticklabels()[0].get_text()
    assert worst == "A category t…be named (61)"
    assert f"Most often missed: {worst}, 60 times" in in_words(drawn)
    assert drawn.get_yticklabels()[-1].get_text() == "A category th…be named (2)"


def test_bar_has_the_number_that_its_name_has_among_all() -> None:
    names = [f"A category that needs many words {k:02d} to be named" for k in range(61)]
    values = pd.Series(1.0, index=names[::-1])
    drawn = plots.plot_bars(values, title="t", x_label="x", alt="a")
    assert drawn.get_yticklabels()[0].get_text() == "A category t…be named (61)"


@pytest.mark.parametrize("name", ["class_balance", "confusion", "score_intervals", "bars"])
def test_no_two_classes_have_one_name_in_a_figure(name: str) -> None:
    names = [f"A category that needs many words {k} to be named" for k in range(3)]
    drawn: dict[str, Callable[[], Axes]] = {
        "class_balance": lambda: plots.plot_class_balance(pd.DataFrame({"train": 1}, index=names)),
        "confusion": lambda: plots.plot_confusion(
            np.eye(3, dtype=int), label_names=names, normalised=False
        ),
        "score_intervals": lambda: plots.plot_score_intervals(
            pd.DataFrame({"name": names, "value": 0.5, "low": 0.4, "high": 0.6})
        ),
        "bars": lambda: plots.plot_bars(
            pd.Series(1.0, index=names), title="t", x_label="x", alt="a"
        ),
    }
    assert len({tick.get_text() for tick in drawn[name]().get_yticklabels()}) == 3


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$x$", "$x$"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("\U0001f600 漢字", "\U0001f600 漢字"),
        ("\x1b[31mred\u202e", "[ESC][31mre…+202E]"),
        ("very " * 50, "very very v…y very"),
        ("\\frac{1}{2}", "\\frac{1}{2}"),
        ("", "(empty)"),
        (7, "7"),
    ],
)
def test_label_names_are_data(name, shown):
    svg = plots.to_svg(
        plots.plot_confusion(np.eye(2, dtype=int), label_names=[name, "b"], normalised=True).figure
    )
    assert any(text.startswith(shown) for text in text_of(svg))
    assert plots.to_svg(plots.plot_class_balance(pd.DataFrame({"train": [1]}, index=[name])).figure)


@pytest.mark.parametrize("classes", [1, 2, 7, 20, 41, 100])
def test_confusion_stays_readable_from_few_to_many_classes(classes):
    matrix = 3 * np.eye(classes, dtype=int) + np.eye(classes, k=1, dtype=int)
    names = [f"class {at}" for at in range(classes)]
    svg = plots.to_svg(plots.plot_confusion(matrix, label_names=names, normalised=False).figure)
    texts = text_of(svg)
    assert texts.count(names[-1]) == 2
    assert ("3" in texts) == (classes <= 41)
    assert len(svg) < 100_000


@pytest.mark.parametrize("normalised", [True, False])
def test_empty_confusion_is_drawn(normalised):
    ax = plots.plot_confusion(np.zeros((2, 2), int), label_names="ab", normalised=normalised)
    assert "No predictions" in plots.alt_text(ax.figure)


def test_empty_and_broken_histories_are_drawn():
    none = pd.DataFrame({"step": [], "loss": [], "accuracy": [], "macro_f1": []})
    broken = pd.DataFrame({"step": [1, 2, 3], "loss": [1.0, np.nan, np.inf]})
    ax = plots.plot_loss_curves(broken, none, best_step=None)
    assert "2 training losses are not finite" in plots.alt_text(ax.figure)
    assert plots.to_svg(ax.figure)
    assert plots.to_svg(plots.plot_loss_curves(none, none, best_step=3).figure)
    for metric in ("accuracy", "mcc", "loss"):
        ax = plots.plot_validation_scores(none, baseline=None, selected_by=metric, best_step=None)
        assert plots.to_svg(ax.figure)
    assert plots.to_svg(plots.plot_gradient_norm(none, max_grad_norm=1.0).figure)
    assert plots.to_svg(plots.plot_token_lengths(np.array([], int), max_length=128).figure)
    unknown = SCORES.assign(value=np.nan, low=np.nan, high=np.nan)
    assert "a unknown" in plots.alt_text(plots.plot_score_intervals(unknown).figure)
    assert plots.to_svg(plots.plot_score_intervals(SCORES.head(0)).figure)


@pytest.mark.parametrize(
    ("metric", "best_step", "alt", "legend"),
    [
        (
            "accuracy",
            200,
            "Kept, selected by accuracy (97.0 %), is the state of epoch 2, step 200.",
            ["accuracy (selects)", "kept (epoch 2)", "macro F1", "baseline"],
        ),
        (
            "macro_f1",
            200,
            "Kept, selected by macro F1 (96.0 %), is the state of epoch 2, step 200.",
            ["accuracy", "macro F1 (selects)", "kept (epoch 2)", "baseline"],
        ),
        (
            "mcc",
            300,
            "Kept, selected by MCC (0.93), is the state of epoch 3, step 300.",
            ["accuracy", "macro F1", "MCC (selects)", "kept (epoch 3)", "baseline"],
        ),
        (
            "loss",
            200,
            "Kept, selected by loss (0.2), is the state of epoch 2, step 200.",
            ["accuracy", "macro F1", "loss (selects)", "kept (epoch 2)", "baseline"],
        ),
        (
            "loss",
            None,
            "The state is selected by loss.",
            ["accuracy", "macro F1", "loss (selects)", "baseline"],
        ),
    ],
)
def test_selection_metric_is_drawn_and_marked_where_it_chose(metric, best_step, alt, legend):
    ax = plots.plot_validation_scores(
        VALIDATION, baseline=0.95, selected_by=metric, best_step=best_step
    )
    assert alt in plots.alt_text(ax.figure).replace("\N{NO-BREAK SPACE}", " ")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == legend
    drawn = [line.get_xydata().tolist() for side in ax.figure.axes for line in side.lines]
    whole = VALIDATION[["step", metric]].to_numpy(float).tolist()
    assert whole in drawn
    kept = VALIDATION.loc[VALIDATION["step"] == best_step, ["step", metric]].to_numpy(float)
    assert not len(kept) or kept.tolist() in drawn
    assert not ax.get_title()  # it is the figure's, above the legend, also with a second axis
    assert len(ax.figure.axes) == (2 if metric == "loss" else 1)


def luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_cells_have_enough_contrast(theme):
    for ramp in (RIGHT, WRONG):
        for level, cell in enumerate(ramp, 1):
            text = ON_LOW if level <= len(ramp) // 2 else ON_HIGH
            low, high = sorted(luminance(getattr(colour, theme)) for colour in (cell, text))
            assert (high + 0.05) / (low + 0.05) >= 4.5, cell


def test_each_colour_is_found_by_its_light_value():
    assert len({colour.light for colour in PALETTE}) == len(PALETTE)
    svg = "".join(plots.to_svg(draw().figure) for draw in DRAWN.values())
    known = {colour.light for colour in PALETTE}
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= known


def test_show_displays_svg_with_its_words(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append((bundle, raw)))
    assert plots.show(DRAWN["confusion"]()) is None
    (bundle, raw), *others = shown
    assert raw
    assert not others
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["text/plain"].startswith("Confusion matrix, counts.")


def test_labels_that_never_meet_are_drawn():
    ax = plots.plot_co_occurrence(np.diag([3, 0, 2]), label_names=NAMES)
    assert "No two labels stand on the same text." in plots.alt_text(ax.figure)


def test_many_labels_are_cut_to_the_most_frequent():
    together = np.diag(np.arange(1, 81)) + 1
    ax = plots.plot_co_occurrence(together, label_names=[f"l{k}" for k in range(80)])
    assert len(ax.get_xticks()) == 30
    assert ax.get_xticklabels()[-1].get_text() == "l79"


def test_confusions_of_either_kind_are_drawn():
    classes = find_confusions(made_up.make_errors(200, 5))
    ax = plots.plot_confusions(classes, normalised=True)
    assert len(ax.get_xticks()) == 5
    labels = find_confusions(made_up.make_label_errors(200, 5))
    assert "missed" in plots.alt_text(plots.plot_confusions(labels, normalised=True).figure)


def test_label_without_any_outcome_is_drawn():
    nothing = pd.DataFrame({"label": ["a"], "right": [0], "missed": [0], "spurious": [0]})
    ax = plots.plot_label_outcomes(nothing, normalised=True)
    assert "0 labels were given rightly, 0 missed, 0 given wrongly." in plots.alt_text(ax.figure)


def test_of_many_classes_the_lowest_are_drawn():
    labels, pred_probs = draw_classes(3000, n_classes=60)
    scores = score_model(
        make_errors(labels, pred_probs), baseline=None, train_labels=pd.Series([0])
    )
    ax = plots.plot_class_scores(scores)
    lowest = scores.classes.sort_values("f1")["label"].iloc[:40]
    assert {tick.get_text() for tick in ax.get_yticklabels()} == set(lowest)
    named = [f"A category that needs many words {k:02d} to be named" for k in range(60)]
    ax = plots.plot_class_scores(replace(scores, classes=scores.classes.assign(label=named)))
    numbers = {int(tick.get_text().split("(")[1][:-1]) for tick in ax.get_yticklabels()}
    assert numbers == {k + 1 for k in scores.classes.sort_values("f1").index[:40]}
    assert "F1 of the 40 lowest of 60 classes" in plots.alt_text(ax.figure)


@pytest.mark.parametrize("kind", ["never right", "always right", "always sure"])
def test_extreme_confidence_is_drawn(kind):
    labels = np.arange(90) % 3
    pred_probs = {
        "never right": np.eye(3)[(labels + 1) % 3],
        "always right": np.eye(3)[labels],
        "always sure": np.eye(3)[np.zeros(90, int)],
    }[kind]
    errors = make_errors(labels, pred_probs, n_validation=30)
    found = calibrate(errors)
    assert plots.to_svg(plots.plot_calibration(found).figure)
    assert plots.to_svg(plots.plot_confidence_histogram(found).figure)
    assert plots.to_svg(plots.plot_coverage_risk(find_abstention(errors)).figure)
