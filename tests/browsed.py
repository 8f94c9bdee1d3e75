"""Labelled texts as data prep leaves them, small or made up, for what browses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nbutils.data.columns import Columns
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.label_sets import set_column


def make_texts(
    texts: Sequence[str],
    labels: Sequence[Any] | None = None,
    *,
    label_names: Sequence[str] = ("neg", "pos"),
    **columns: Sequence[Any],
) -> LabelledTexts:
    """Return texts with ids 10, 11, ... and a split each; tuples are sets of labels."""
    labels = [k % 2 for k in range(len(texts))] if labels is None else labels
    several = isinstance(labels[0], tuple)
    frame = pd.DataFrame(
        {
            "example_id": range(10, 10 + len(texts)),
            "text": pd.Series(texts, dtype=str),
            "label": set_column(labels) if several else labels,
            "split": [("train", "train", "test")[k % 3] for k in range(len(texts))],
            **columns,
        }
    )
    return LabelledTexts(
        frame,
        tuple(label_names),
        "made/up.csv",
        Columns("text", "label"),
        task="multi_label" if several else "single_label",
    )
