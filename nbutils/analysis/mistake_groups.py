"""The section on mistakes: all of them to be read, by the cell of the confusion they stand in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.confused_classes import (
    ConfusedClasses,
    ConfusedLabels,
    find_confusions,
)
from nbutils.analysis.errors import Errors
from nbutils.analysis.mistakes import probabilities
from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.described import Described
from nbutils.label_sets import holds_sets, say_labels, to_indicators

MOST_MISTAKES = 1000  # that are shown; the file has all
RIGHT_PER_CLASS = 3  # right predictions shown of each class
CONFIDENT = 0.9  # from this probability on a mistake is a confident one
CLOSE = 0.1  # the true class was nearer than that
OUTCOMES = {"missed": "missed", "spurious": "given wrongly", "right": "given rightly"}
TAIL = 0.1  # share of the test texts that are short, and that are long


@dataclass(frozen=True, repr=False)
class MistakeGroups(Described):
    """Mistakes with the groups that they are read in, and what speaks for a cause.

    Parameters
    ----------
    mistakes
        The chosen ones, those of a group together: the columns of `Errors.mistakes`, `tags` and
        `groups`, tuples of words each.
    n_mistakes
        How many there are in all.
    right
        Right predictions that the model was least sure of, same columns.
    sizes
        Examples in each group, the largest first, by its key.
    titles
        What a group is, in words, by its key.
    tags
        `tag, mistakes`: how many of all mistakes have it.
    """

    mistakes: pd.DataFrame
    n_mistakes: int
    right: pd.DataFrame
    sizes: Mapping[str, int]
    titles: Mapping[str, str]
    tags: pd.DataFrame

    @property
    def left_out(self) -> int:
        """How many mistakes were not chosen."""
        return self.n_mistakes - len(self.mistakes)

    def findings(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        return {"mistakes": self.n_mistakes, "tags": self.tags.to_dict("records")}

    def advice(self) -> Sequence[Advice]:
        """Return nothing: the list is for reading."""
        return ()


def group_mistakes(
    errors: Errors,
    *,
    tags: Mapping[str, Collection[Any]] | None = None,
    most: int = MOST_MISTAKES,
) -> MistakeGroups:
    """Return the mistakes on the test split as they are read: by what was taken for what.

    Parameters
    ----------
    errors
        Of either kind.
    tags
        Ids of the examples that have a tag, by its name, beside the tags ``confident``, ``close
        call``, ``short`` and ``long``, which need no more than `errors`.
    most
        Mistakes at the most. Of each group the most confident ones are chosen, as many of a small
        group as of a large one as far as it goes: who clicks a cell shall find its examples.
    """
    mistakes = errors.mistakes()
    told = find_confusions(errors)
    titles = _titles(told)
    members = _members(errors, mistakes)
    tagged = mistakes.assign(tags=_tag(mistakes, errors, tags or {}))
    counts = pd.Series([tag for row in tagged["tags"] for tag in row], dtype=object).value_counts()
    right = _find_right(errors, told)
    return MistakeGroups(
        mistakes=_choose(tagged, members, linked=set(titles), most=most),
        n_mistakes=len(mistakes),
        right=right.assign(tags=_tag(right, errors, tags or {})),
        sizes={str(group): n for group, n in members["group"].value_counts().items()},
        titles=titles,
        tags=counts.rename_axis("tag").rename("mistakes").reset_index(),
    )


def class_cell(true: int, predicted: int) -> str:
    """Return the key of a cell of the confusion matrix."""
    return f"{true}-{predicted}"


def say_cell(true: str, predicted: str) -> str:
    """Return what a cell of the confusion matrix is, in words."""
    if true == predicted:
        return f"{true} predicted rightly"
    return f"{true} predicted as {predicted}"


def label_cell(outcome: str, label: int) -> str:
    """Return the key of what became of a label: ``right``, ``missed`` or ``spurious``."""
    return f"{outcome}-{label}"


def _members(errors: Errors, mistakes: pd.DataFrame) -> pd.DataFrame:
    """Return `row, group` for each group of each row of the mistakes."""
    if isinstance(errors, MultiLabelErrors):
        return _label_members(errors, mistakes)
    ids = {name: k for k, name in enumerate(errors.label_names)}
    cells = zip(mistakes["label"].map(ids), mistakes["predicted"].map(ids), strict=True)
    groups = [class_cell(*cell) for cell in cells]
    return pd.DataFrame({"row": range(len(groups)), "group": np.array(groups, dtype=object)})


def _label_members(errors: MultiLabelErrors, mistakes: pd.DataFrame) -> pd.DataFrame:
    labels, predicted = _indicators(errors, mistakes)
    found = []
    for outcome, cells in (("missed", labels & ~predicted), ("spurious", ~labels & predicted)):
        rows, which = np.nonzero(cells)
        groups = np.array([label_cell(outcome, int(k)) for k in which], dtype=object)
        found.append(pd.DataFrame({"row": rows, "group": groups}))
    return pd.concat(found, ignore_index=True)


def _indicators(
    errors: MultiLabelErrors, rows: pd.DataFrame
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    kept = errors.test.set_index("example_id").loc[rows["example_id"]]
    n_labels = len(errors.label_names)
    return (
        to_indicators(kept["label"], n_labels=n_labels),
        to_indicators(kept["predicted"], n_labels=n_labels),
    )


def _choose(
    mistakes: pd.DataFrame, members: pd.DataFrame, *, linked: Collection[str], most: int
) -> pd.DataFrame:
    """Return the mistakes that are shown, the largest group first, and their groups."""
    sizes = members["group"].value_counts()
    members = members.sort_values("row", kind="stable").assign(
        size=members["group"].map(sizes), unlinked=~members["group"].isin(linked)
    )
    members["rank"] = members.groupby("group").cumcount()
    order = ["rank", "unlinked", "size", "group", "row"]
    ascending = [True, True, False, True, True]
    first = members.sort_values(order, ascending=ascending).drop_duplicates("row")
    kept = members[members["row"].isin(first["row"].head(most))]
    read = kept.sort_values(["size", "group", "row"], ascending=[False, True, True])
    groups = read.groupby("row")["group"].agg(tuple)
    rows = read["row"].drop_duplicates()
    return mistakes.loc[rows].assign(groups=groups.loc[rows]).reset_index(drop=True)


def _tag(rows: pd.DataFrame, errors: Errors, tags: Mapping[str, Collection[Any]]) -> pd.Series[Any]:
    lengths = _lengths(errors.texts)
    low, high = lengths.loc[errors.test["example_id"]].quantile([TAIL, 1 - TAIL])
    own = rows["example_id"].map(lengths)
    wrong = rows["predicted"] != rows["label"]
    several = isinstance(errors, MultiLabelErrors)
    other = 1 - rows["confidence"] if several else rows["prob_label"]
    flags = {
        "confident": wrong & (rows["confidence"] >= CONFIDENT),
        "close call": wrong & (rows["confidence"] - other < CLOSE),
        "short": own < low,
        "long": own > high,
        **{tag: rows["example_id"].isin(list(ids)) for tag, ids in tags.items()},
    }
    names, found = list(flags), np.column_stack([flag.to_numpy(bool) for flag in flags.values()])
    told = [tuple(names[k] for k in np.flatnonzero(row)) for row in found]
    return pd.Series(told, index=rows.index, dtype=object)


def _lengths(texts: pd.DataFrame) -> pd.Series[Any]:
    """Return the characters of each example's text, by its id."""
    columns = [name for name in ("text", "text_pair") if name in texts.columns]
    lengths = pd.concat([texts[name].str.len() for name in columns], axis=1).sum(axis=1)
    return lengths.set_axis(texts["example_id"])


def _find_right(errors: Errors, told: ConfusedClasses | ConfusedLabels) -> pd.DataFrame:
    """Return of each class that is shown the right predictions that the model was least sure of."""
    test = errors.test.reset_index(drop=True)
    pred_probs = probabilities(test, errors.label_names)
    found = []
    for key, k in _right_cells(told).items():
        rows = np.flatnonzero(_has(test["label"], k) & _has(test["predicted"], k))
        rows = rows[np.argsort(pred_probs[rows, k], kind="stable")][:RIGHT_PER_CLASS]
        chosen = test.loc[rows, ["example_id", "split"]].assign(confidence=pred_probs[rows, k])
        for name in ("label", "predicted"):
            chosen[name] = say_labels(test.loc[rows, name], errors.label_names)
        groups = pd.Series([(key,)] * len(rows), index=chosen.index, dtype=object)
        found.append(chosen.assign(prob_label=chosen["confidence"], groups=groups))
    columns = [name for name in ("text", "text_pair") if name in errors.texts.columns]
    texts = errors.texts[["example_id", *columns]]
    return pd.concat(found, ignore_index=True).merge(texts, on="example_id", how="left")


def _right_cells(told: ConfusedClasses | ConfusedLabels) -> dict[str, int]:
    if isinstance(told, ConfusedClasses):
        return {class_cell(k, k): k for k in told.block}
    return {label_cell("right", k): k for k in told.worst.index.tolist()}


def _has(labels: pd.Series[Any], label: int) -> NDArray[np.bool_]:
    if not holds_sets(labels):
        return np.asarray(labels == label, bool)
    return np.fromiter((label in ids for ids in labels), dtype=bool, count=len(labels))


def _titles(told: ConfusedClasses | ConfusedLabels) -> dict[str, str]:
    """Return what the groups are that links lead to, in words, by key."""
    if isinstance(told, ConfusedLabels):
        return {
            label_cell(outcome, k): f"{name} {words}"
            for k, name in zip(told.worst.index.tolist(), told.worst["label"], strict=True)
            for outcome, words in OUTCOMES.items()
        }
    names = told.label_names
    ids = {name: k for k, name in enumerate(names)}
    cells = set(product(told.block, repeat=2))
    cells |= {(ids[one], ids[two]) for one, two in told.pairs[["label", "predicted"]].to_numpy()}
    return {class_cell(*cell): say_cell(names[cell[0]], names[cell[1]]) for cell in sorted(cells)}
