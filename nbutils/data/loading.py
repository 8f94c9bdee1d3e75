"""Labelled text of any source as one frame with stable ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.bundled import read_bundled
from nbutils.data.hub import load_dataset_parts
from nbutils.data.labelled_texts import FRAME_COLUMNS, METADATA, LabelledTexts, metadata_columns
from nbutils.data.labels import NamedLabels, name_labels, refuse_unlike_labels
from nbutils.data.metadata import tidy_values
from nbutils.data.raw_texts import RawTexts
from nbutils.data.readers import read_file
from nbutils.data.sources import Source, find_given_split, find_source
from nbutils.data.tasks import find_task, hint_at_separator, name_label_sets, refuse_unlike_sets
from nbutils.data.text_files import read_folder
from nbutils.errors import DataError
from nbutils.escaping import writable_text
from nbutils.label_sets import Task, flatten_labels, set_column
from nbutils.params.data_prep import DataPrepParams

LEAST_EXAMPLES = 10
SHOWN_ROWS = 5


def load_labelled_texts(params: DataPrepParams) -> LabelledTexts:
    """Read the dataset that the parameters name.

    Parameters
    ----------
    params
        Source, columns and given splits.

    Returns
    -------
    LabelledTexts
        Without empty texts, labels mapped to ids.

    Raises
    ------
    ParameterError
        A named column or split does not exist.
    DataError
        The source cannot be read, a label is missing or was never seen in training, or there is
        too little to split.
    """
    source = find_source(params.dataset)
    given = {split: find_given_split(params, split) for split in ("validation", "test")}
    files = {split: place for split, place in given.items() if isinstance(place, Source)}
    notes: list[str] = []
    if source.kind in ("hub", "saved"):
        parts, notes = load_dataset_parts(source, params, from_files=files)
    else:
        parts = {"": _read_place(source, params)}
    parts |= {split: _read_place(place, params) for split, place in files.items()}
    return _assemble(parts, params, notes=notes)


def _read_place(source: Source, params: DataPrepParams) -> RawTexts:
    if source.kind == "bundled":
        return read_bundled(source.name)
    if source.kind == "folder":
        return read_folder(source.place)
    return read_file(source.place, params)


def _assemble(
    parts: Mapping[str, RawTexts], params: DataPrepParams, *, notes: Sequence[str]
) -> LabelledTexts:
    ordered = {split: parts[split] for split in ("", "validation", "test") if split in parts}
    task = find_task(list(ordered.values()), params)
    named = _name(list(ordered.values()), params, task)
    frames = [_frame(part, split) for split, part in ordered.items()]
    for frame, ids in zip(frames, named.ids, strict=True):
        one_each = task == "single_label"
        frame["label"] = pd.array(ids, dtype="Int64") if one_each else set_column(ids)
    rows_read = sum(len(frame) for frame in frames)
    frame = _join(frames, list(ordered.values()), task)
    if {"validation", "test"} <= set(parts):
        frame["split"] = frame["split"].where(frame["split"] != "", "train")
    _check(frame, named.names, ordered)
    return LabelledTexts(
        frame=frame[[name for name in FRAME_COLUMNS if name in frame] + metadata_columns(frame)],
        label_names=named.names,
        source=params.dataset,
        columns=ordered[""].columns,
        counts={"rows_read": rows_read, "dropped_empty": rows_read - len(frame)},
        notes=(*notes, *(note for part in ordered.values() for note in part.notes), *named.notes),
        task=task,
    )


def _join(frames: Sequence[pd.DataFrame], parts: Sequence[RawTexts], task: Task) -> pd.DataFrame:
    """Return the rows that hold text as one frame, each with its place among all that were read."""
    kept = [frame[~frame.pop("empty")] for frame in frames]
    for frame, part in zip(kept, parts, strict=True):
        _refuse_missing_labels(frame, part)
    joined = pd.concat(kept)
    for name in metadata_columns(joined):
        joined[name] = tidy_values(joined[name]).to_numpy()  # in all parts the same
    joined.insert(0, "example_id", _running_index(frames, kept))
    whole = {"example_id": "int64"} | ({"label": "int64"} if task == "single_label" else {})
    return joined.reset_index(drop=True).astype(whole)


def _name(parts: Sequence[RawTexts], params: DataPrepParams, task: Task) -> NamedLabels:
    class_names = next((part.class_names for part in parts if part.class_names), None)
    if task == "multi_label":
        named = name_label_sets(parts, params, class_names=class_names)
        refuse_unlike_sets(named, where=parts[0].where)
        return named
    named = name_labels(
        [_without_minus_one(part) for part in parts], class_names=class_names, where=parts[0].where
    )
    hints = hint_at_separator(named.names) if params.task == "auto" else []
    return replace(named, notes=(*named.notes, *hints))


def _frame(part: RawTexts, split: str) -> pd.DataFrame:
    columns = {"text": _clean(part.texts, part)}
    if part.pairs is not None:
        columns["text_pair"] = _clean(part.pairs, part)
    empty = np.zeros(len(part.texts), dtype=bool)
    for texts in columns.values():
        empty |= np.fromiter((not t or t.isspace() for t in texts), dtype=bool, count=len(texts))
    metadata = {
        METADATA + name: pd.Series(values, dtype=object) for name, values in part.metadata.items()
    }
    return pd.DataFrame({**columns, "split": split, "empty": empty, **metadata})


def _clean(texts: Sequence[Any], part: RawTexts) -> list[str]:
    """Return every text as a string that can be written as UTF-8, null as the empty string."""
    return [
        text if type(text) is str and text.isascii() else _as_utf8(text, row, part)
        for row, text in enumerate(texts, start=1)
    ]


def _as_utf8(text: Any, row: int, part: RawTexts) -> str:
    if isinstance(text, (list, dict, bytes)):
        raise DataError(
            f"{part.where}, row {row}: expected text in column {part.columns.text!r}, found "
            f"{type(text).__name__}; join it to a string, or set text_column"
        )
    return "" if text is None or text != text else writable_text(str(text))


def _without_minus_one(part: RawTexts) -> list[Any]:
    if part.class_names is None:
        return part.labels
    return [None if label == -1 else label for label in part.labels]


def _running_index(
    frames: Sequence[pd.DataFrame], kept: Sequence[pd.DataFrame]
) -> npt.NDArray[np.int64]:
    starts = [sum(len(frame) for frame in frames[:place]) for place in range(len(frames))]
    rows = [start + part.index.to_numpy() for start, part in zip(starts, kept, strict=True)]
    return np.concatenate(rows)


def _refuse_missing_labels(frame: pd.DataFrame, part: RawTexts) -> None:
    rows = [int(row) + 1 for row in frame.index[frame["label"].isna()]]
    if rows:
        more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
        raise DataError(
            f"{part.where}: no label in column {part.columns.label!r} in row "
            f"{', '.join(map(str, rows[:SHOWN_ROWS]))}{more} (the first row after a header is 1); "
            "fill the labels in, or remove these rows"
        )


def _check(frame: pd.DataFrame, names: tuple[str, ...], parts: Mapping[str, RawTexts]) -> None:
    main = parts[""]
    training = frame.loc[frame["split"].isin(["", "train"]), "label"]
    found = np.bincount(flatten_labels(training)[1], minlength=len(names)).tolist()
    counts = {name: n for name, n in zip(names, found, strict=True) if n}
    if len(training) < LEAST_EXAMPLES:
        raise DataError(
            f"{main.where}: expected at least {LEAST_EXAMPLES} texts that are not empty, "
            f"found {len(training)}; training, validation and test need examples of their own"
        )
    refuse_unlike_labels(counts, where=main.where, column=main.columns.label)
    _refuse_unseen(frame, names, counts, parts)
    needed = 1 + sum(split not in parts for split in ("validation", "test"))
    rare = {name: n for name, n in counts.items() if n < needed}
    if rare:
        name, n = next(iter(rare.items()))
        more = f" (and {len(rare) - 1} more classes like it)" if len(rare) > 1 else ""
        raise DataError(
            f"{main.where}: class {name!r} has {n} example{'s' * (n != 1)}{more}; it needs at "
            f"least {needed}, one for each split: add examples, or merge or remove the class"
        )


def _refuse_unseen(
    frame: pd.DataFrame,
    names: tuple[str, ...],
    known: Mapping[str, int],
    parts: Mapping[str, RawTexts],
) -> None:
    for split in ("validation", "test"):
        own = frame.loc[frame["split"] == split, "label"]
        labels = {names[label] for label in np.unique(flatten_labels(own)[1])}
        if split in parts and own.empty:
            raise DataError(f"{parts[split].where}: the {split} split holds no text")
        if unseen := sorted(labels - set(known)):
            raise DataError(
                f"{parts[split].where}: label {unseen[0]!r} of the {split} split never occurs in "
                f"training, which has {', '.join(list(known)[:10])}; correct the label, or add "
                "training examples of it"
            )
