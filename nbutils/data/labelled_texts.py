"""Labelled text as one frame, with what was read and decided."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from nbutils.data.columns import Columns
from nbutils.described import Described, name_some
from nbutils.errors import DataError
from nbutils.label_sets import Task, flatten_labels

FRAME_COLUMNS = ("example_id", "text", "text_pair", "label", "split")
METADATA = "meta_"  # begins the name of a column that is neither text nor label
SPLIT_ORDER = ("train", "validation", "test", "")


def metadata_columns(names: Iterable[Hashable]) -> list[str]:
    """Return those of the column names that are of metadata."""
    return [name for name in map(str, names) if name.startswith(METADATA)]


@dataclass(frozen=True, repr=False)
class LabelledTexts(Described):
    """Labelled text, ready to be checked and split.

    Attributes
    ----------
    frame
        One row per example: `example_id` (int64, running index over the raw input), `text`,
        `text_pair` where there are pairs, `label` (int64, or sorted tuples of ids for the task
        ``"multi_label"``), and `split`: ``"train"``, ``"validation"``, ``"test"``, or ``""`` where
        it is still to be decided. Metadata columns follow, as numbers or strings: `meta_<name>`.
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

    _title = "Labelled texts"

    def _facts(self) -> dict[str, Any]:
        splits = {split or "to be split": n for split, n in self.split_sizes().items()}
        pair = [] if self.columns.text_pair is None else [self.columns.text_pair]
        return {
            "source": self.source,
            "texts": len(self.frame),
            "labels per text": "any number" if self.task == "multi_label" else "one",
            "classes": f"{len(self.label_names)}: {name_some(self.label_names)}",
            **splits,
            "columns read": [self.columns.text, *pair, self.columns.label],
            "dropped as empty": self.counts.get("dropped_empty", 0),
        }

    def with_frame(self, frame: pd.DataFrame, *, max_examples: int | None = None) -> LabelledTexts:
        """Return the same texts with another frame: fewer rows, or splits filled in.

        Parameters
        ----------
        frame
            Of these texts.
        max_examples
            How many of these texts were drawn, before copies were dropped; None: all.

        Raises
        ------
        DataError
            A class is left without examples, or without training ones, as they were dropped with
            the copies, or stand with copies in another split.
        """
        left = _labels_in(frame)
        _refuse_lost_classes(self, left, max_examples)
        if not (frame["split"] == "").any():
            _refuse_untrained_classes(self, left - _labels_in(frame[frame["split"] == "train"]))
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


def _refuse_lost_classes(texts: LabelledTexts, left: set[int], max_examples: int | None) -> None:
    lost = sorted(_labels_in(texts.frame) - left)
    if not lost:
        return
    more = f" (and {len(lost) - 1} more classes like it)" if len(lost) > 1 else ""
    some, mend = "all of them", ""
    if max_examples is not None and max_examples < len(texts.frame):
        some = f"all of those among the {max_examples} that max_examples left"
        mend = "raise max_examples, "
    raise DataError(
        f"{texts.source}: class {texts.label_names[lost[0]]!r} is left without examples"
        f"{more}: {some} were dropped as copies of texts with other labels; {mend}give "
        "copies the same label, add examples, or set deduplicate to false"
    )


def _refuse_untrained_classes(texts: LabelledTexts, untrained: set[int]) -> None:
    if untrained:
        raise DataError(
            f"{texts.source}: class {texts.label_names[min(untrained)]!r} is left without training "
            "examples: all of them stand in another split, or are copies of texts there; add "
            "examples, or set deduplicate to false"
        )


def _labels_in(frame: pd.DataFrame) -> set[int]:
    return set(np.unique(flatten_labels(frame["label"])[1]).tolist())
