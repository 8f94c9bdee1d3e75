"""What is shown of a threshold that somebody moves: its numbers on each split, and its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nbutils.analysis.operating_points import Answering, Given, say_threshold
from nbutils.metrics import Score
from nbutils.tables import Table
from nbutils.views.line_chart import KINDS, Line, LineChart, Point

SETTLED = 0.2  # of the texts: the curve of fewer must not flatten the rest
TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)  # of the axis of errors
SCORES = ("precision", "recall", "f1")
HONEST = {
    "": "There is no test text to test it on.",
    "validation": "A threshold that is chosen by the validation texts is tested by the test texts, "
    "as long as nobody chooses by these.",
    "test": "A threshold that is chosen by looking at the test texts is no longer tested by them: "
    "on new texts expect it to do worse than they say, or keep other texts to test it on.",
}


def chart_answering(splits: Mapping[str, Answering]) -> LineChart:
    """Return the coverage-risk curves of one or two splits.

    Parameters
    ----------
    splits
        By name.
    """
    lines = [
        Line(f"{name} texts", own.curve["coverage"], own.curve["error"], *kind)
        for (name, own), kind in zip(splits.items(), KINDS, strict=False)
    ]
    tops = [
        max(float(own.curve["error"].max()), _settled(own.curve))
        for own in splits.values()
        if len(own)
    ]
    highest = max(tops, default=1.0)
    top = next((top for top in TOPS if top >= highest), 1.0)
    return LineChart(lines, "share of the texts that is answered", "share of answers wrong", top)


def chart_class(splits: Mapping[str, Given]) -> LineChart:
    """Return the precision-recall curves of a class on one or two splits."""
    lines = [
        Line(f"{name} texts", own.curve["recall"], own.curve["precision"], *kind)
        for (name, own), kind in zip(splits.items(), KINDS, strict=False)
    ]
    return LineChart(lines, "recall", "precision")


def point_answering(splits: Mapping[str, Answering], *, threshold: float) -> list[Point]:
    """Return where a threshold lies on each split's curve; nowhere where nothing is answered."""
    points = []
    for (_, own), (colour, dashes) in zip(splits.items(), KINDS, strict=False):
        coverage, error = own.at(threshold)
        if error.n:
            x, y, low, high = coverage.value, error.value, error.low, error.high
            points.append(Point(x, y, low, high, colour, hollow=bool(dashes)))
    return points


def point_class(splits: Mapping[str, Given], *, threshold: float) -> list[Point]:
    """Return where a class's threshold lies on each split's curve; nowhere where it gives none."""
    points = []
    for (_, own), (colour, dashes) in zip(splits.items(), KINDS, strict=False):
        row = own.at(threshold)
        if row["given"]:
            y, low, high = (row[f"precision{end}"] for end in ("", "_low", "_high"))
            points.append(Point(row["recall"], y, low, high, colour, hollow=bool(dashes)))
    return points


def tabulate_answering(splits: Mapping[str, Answering], *, threshold: float) -> Table:
    """Return coverage and error at a threshold, a column for each split."""
    columns = {f"{name} texts": _answering(own.at(threshold)) for name, own in splits.items()}
    return _table(columns, f"Answered from a confidence of {say_threshold(threshold)} on")


def tabulate_class(splits: Mapping[str, Given], *, name: str, threshold: float) -> Table:
    """Return precision, recall and F1 of a class at a threshold, a column for each split."""
    columns = {f"{split} texts": _class(own.at(threshold)) for split, own in splits.items()}
    words = f"{name}, given from a probability of {say_threshold(threshold)} on"
    return _table(columns, words)


def say_answering(splits: Mapping[str, Answering], *, threshold: float) -> str:
    """Return coverage and error at a threshold in words, for who does not see the chart."""
    parts = []
    for name, own in splits.items():
        coverage, error = own.at(threshold)
        wrong = f", {error.value:.1%} of them wrong" if error.n else ""
        parts.append(f"{coverage.value:.1%} of the {name} texts are answered{wrong}")
    return f"At {say_threshold(threshold)} {'; '.join(parts)}."


def say_class(splits: Mapping[str, Given], *, threshold: float) -> str:
    """Return precision and recall of a class at a threshold in words."""
    parts = []
    for name, own in splits.items():
        row = own.at(threshold)
        parts.append(f"precision {row['precision']:.1%}, recall {row['recall']:.1%} on {name}")
    return f"At {say_threshold(threshold)} {'; '.join(parts)}."


def _answering(found: tuple[Score, Score]) -> dict[str, str]:
    coverage, error = found
    wrong = _range(error.value, error.low, error.high) if error.n else "no answer"
    return {
        "texts answered": f"{error.n:,} of {coverage.n:,}",
        "share answered": f"{coverage.value:.1%}",
        "of those answers wrong": wrong,
    }


def _class(row: Mapping[str, Any]) -> dict[str, str]:
    scores = {name: [row[f"{name}{end}"] for end in ("", "_low", "_high")] for name in SCORES}
    return {
        "texts that have it": f"{row['support']:,}",
        "texts that are given it": f"{row['given']:,}",
        **{name.replace("f1", "F1"): _range(*values) for name, values in scores.items()},
    }


def _range(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _table(columns: Mapping[str, Mapping[str, str]], caption: str) -> Table:
    return Table(pd.DataFrame(columns), f"{caption}, with 95 % intervals")


def _settled(curve: pd.DataFrame) -> float:
    return float(curve.loc[curve["coverage"] >= SETTLED, "high"].max())
