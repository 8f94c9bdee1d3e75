"""Labelled text as one frame, with what was read and decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from nbutils.data.columns import Columns
from nbutils.label_sets import Task, flatten_labels

FRAME_COLUMNS = ("example_id", "text", "text_pair", "label", "split")
SPLIT_ORDER = ("train", "validation", "test", "")


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled text, ready to be checked and split.

    Attributes
    ----------
    frame
        One row per example: `example_id` (int64, running index over the raw input), `text`,
        `text_pair` where there are pairs, `label` (int64, or sorted tuples of ids for the task
        ``"multi_label"``), and `split`: ``"train"``, ``"validation"``, ``"test"``, or ``""`` where
        it is still to be decided.
    label_names
        Names of the classes, of shape (K,); the index is the label.
    source
        The dataset as the parameters name it.
    columns
        Columns that were read.
    counts
        `rows_read` and `dropped_empty`.
    notes
        Sentences on what was decided while reading.
    task
        ``"single_label"`` or ``"multi_label"``.
    corrections
        What became of `label_corrections`: `file, corrected, left_out, confirmed, unused,
        by_split`; empty without any.
    """

    frame: pd.DataFrame
    label_names: tuple[str, ...]
    source: str
    columns: Columns
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    task: Task = "single_label"
    corrections: Mapping[str, Any] = field(default_factory=dict)

    def with_frame(self, frame: pd.DataFrame) -> LabelledTexts:
        """Return the same texts with another frame: fewer rows, or splits filled in."""
        return replace(self, frame=frame)

    def split_sizes(self) -> dict[str, int]:
        """Return examples per split, in the order of training, validation, test."""
        sizes = self.frame["split"].value_counts()
        return {split: int(sizes[split]) for split in SPLIT_ORDER if split in sizes}

    def class_counts(self) -> pd.DataFrame:
        """Return examples per class, of shape (K, splits): a row per class, a column per split."""
        order = [split for split in SPLIT_ORDER if (self.frame["split"] == split).any()]
        rows, ids = flatten_labels(self.frame["label"])
        splits = self.frame["split"].to_numpy()[rows]
        counts = {
            split or "to be split": np.bincount(
                ids[splits == split], minlength=len(self.label_names)
            )
            for split in order
        }
        table = pd.DataFrame(counts, index=pd.Index(self.label_names, name="class"))
        return table.rename_axis(columns="split")
