"""What is shown of a model's scores: beside what it has to beat, and class by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from nbutils.analysis.scores import MAJORITY, TFIDF, ModelScores, Rival
from nbutils.metrics import Score
from nbutils.paired import PairedDifference
from nbutils.tables import Note, Table

SAID = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "weighted_f1": "weighted F1",
    "mcc": "Matthews correlation",
    "roc_auc": "ROC-AUC, mean of the classes",
    "average_precision": "average precision, mean of the classes",
    "mean_average_precision": "average precision, mean of the labels",
    "label_ranking_average_precision": "ranking precision of each text",
    "hamming_loss": "Hamming loss (0 is best)",
    "log_loss": "log loss in nats (0 is best)",
}
Kind = Literal["info", "caution", "good"]
PLAIN = {"mcc", "log_loss"}  # no shares
OF_CLASSES = {
    "precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
}  # fmt: skip


def tabulate_scores(found: ModelScores) -> Table:
    """Return the model's scores with their intervals, and beside them those of its rivals."""
    rows = [
        {
            "score": SAID.get(name, name),
            "this model": _value(name, score.value),
            "95 % interval": _interval(name, score),
            **{rival.name: _of(rival, name) for rival in found.rivals},
        }
        for name, score in found.scores.items()
    ]
    n = next(iter(found.scores.values())).n
    return Table(pd.DataFrame(rows), caption=f"Scores on {n:,} test texts")


def compare_with_baseline(found: ModelScores) -> Note:
    """Return whether the model beats the TF-IDF baseline by more than chance.

    The majority class is named where there is no such baseline, or where it is not beaten either.
    """
    rivals = {rival.name: rival for rival in found.rivals}
    named = [name for name in (TFIDF, MAJORITY) if name in rivals]
    named = [name for name in named if name == named[0] or rivals[name].against.low <= 0]
    said = [_compare(rivals[name].against, name=name, compared=found.compared) for name in named]
    if TFIDF not in rivals:
        said.insert(0, "There is no baseline to compare with: data preparation left it out.")
    is_better = [rivals[name].against.low > 0 for name in named]
    kind: Kind = "caution" if not all(is_better) else "good" if TFIDF in rivals else "info"
    return Note(" ".join(said), kind=kind)


def _compare(gain: PairedDifference, *, name: str, compared: str) -> str:
    what = "accuracy" if compared == "accuracy" else "micro F1"
    numbers = (
        f"{what} {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}) "
        f"on the same {gain.n:,} texts, {_chance(gain.p_value)}"
    )
    if gain.low > 0:
        return f"Better than the {name}: {numbers}."
    if gain.high < 0:
        return f"Worse than the {name}: {numbers}."
    return f"Not different from the {name} beyond chance: {numbers}."


def tabulate_classes(found: ModelScores) -> Table:
    """Return the scores of each class with their intervals, in percent."""
    table = found.classes
    columns = {
        said: [_class_score(row, name) for row in table.to_dict("records")]
        for name, said in OF_CLASSES.items()
    }
    frame = pd.DataFrame({"class": table["label"], "test texts": table["support"], **columns})
    return Table(frame, caption="Scores per class in percent, with 95 % intervals")


def _class_score(row: Mapping[Any, Any], name: str) -> str:
    """Return a score of a class; a dash where no test text says anything of it."""
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value != value or (low, high) == (0, 1):
        return "\N{EN DASH}"
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _of(rival: Rival, name: str) -> str:
    score = rival.scores.get(name)
    return "\N{EN DASH}" if score is None else _value(name, score.value)


def _value(name: str, value: float) -> str:
    return f"{value:.3f}" if name in PLAIN else f"{100 * value:.1f} %"


def _interval(name: str, score: Score) -> str:
    if score.low == score.high:  # a single text, or texts that are all alike
        return "\N{EN DASH}"
    low, high = _value(name, score.low).removesuffix(" %"), _value(name, score.high)
    return f"{low} to {high}"


def _chance(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
