"""Labels that somebody has corrected by hand, in a copy of `label_suspects.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbutils.data.correction_fields import (
    NEEDED,
    PARAMETER,
    Label,
    find_columns,
    read_id,
    read_label,
    refuse_other_text,
    say_label,
)
from nbutils.data.delimited_files import DELIMITERS, find_delimited_columns, read_fields
from nbutils.data.sources import find_source
from nbutils.described import Described
from nbutils.errors import DataError
from nbutils.label_sets import flatten_labels, say_labels, set_column
from nbutils.params.data_prep import DataPrepParams

if TYPE_CHECKING:
    import pandas as pd

    from nbutils.data.duplicates import Cleaned
    from nbutils.data.labelled_texts import LabelledTexts


@dataclass(frozen=True)
class Corrections:
    """Corrected labels, checked against the texts that they are for.

    Attributes
    ----------
    where
        The file.
    labels
        By example id: a label's id, or a tuple of ids; None: the text is left out.
    """

    where: str
    labels: Mapping[int, Label]


@dataclass(frozen=True, repr=False)
class Corrected(Described):
    """Texts with their labels corrected.

    Attributes
    ----------
    texts, cleaned
        As they were, with other labels and without the texts that were left out. Nobody is in
        another split.
    changes
        `example_id, split, text, label, corrected_label`: labels by name, a row for each change.
    """

    texts: LabelledTexts
    cleaned: Cleaned
    changes: pd.DataFrame


def find_corrections(params: DataPrepParams) -> Path | None:
    """Return the file with corrected labels, from its name and header alone; None: there is none.

    Raises
    ------
    DataError
        There is no such file, it is no CSV or TSV file, or it lacks a column.
    """
    if params.label_corrections is None:
        return None
    source = find_source(params.label_corrections, parameter=PARAMETER)
    path = source.path
    if source.kind != "file" or path is None or path.suffix.lower() not in DELIMITERS:
        raise DataError(
            f"{PARAMETER} {params.label_corrections!r}: expected a CSV or TSV file with the "
            f"columns {', '.join(NEEDED)}; fill in a copy of label_suspects.csv"
        )
    find_columns(path)
    return path


def load_corrections(params: DataPrepParams, texts: LabelledTexts) -> Corrections | None:
    """Read the corrected labels, and check that each is of the text that it says.

    Only rows whose `corrected_label` is filled in count. It is a label's name, labels joined by
    a semicolon where texts have several (``(none)`` for none of them), or ``delete``, which leaves
    the text out, unless a label is called so.

    Parameters
    ----------
    params
        Their `label_corrections` is read; none: None is returned.
    texts
        All that were read.

    Raises
    ------
    DataError
        A row is of no text, or of another one than its example id says, or its label is unknown.
    """
    path = find_corrections(params)
    if path is None:
        return None
    own = texts.frame.set_index("example_id")
    found: dict[int, Label] = {}
    for row, fields in _filled_in(path, with_pairs="text_pair" in own):
        where = f"{path}, row {row}"
        example_id = read_id(fields[0], where=where)
        if example_id not in own.index:
            raise DataError(
                f"{where}: there is no example {example_id} in {texts.source}; the file is of "
                "other data, or of other parameters of data_prep"
            )
        _refuse_other_texts(own.loc[[example_id]].iloc[0], fields, where)
        label = read_label(fields[-1], texts, where=where)
        if found.get(example_id, label) != label:
            raise DataError(
                f"{where}: example {example_id} has another corrected_label in a row above; "
                "keep one of them"
            )
        found[example_id] = label
    return Corrections(str(path), found)


def correct_labels(
    texts: LabelledTexts, cleaned: Cleaned, corrections: Corrections | None
) -> Corrected:
    """Put corrected labels in the place of the given ones.

    The splits must be made: they depend on the labels as they were read, so that a correction
    moves nobody from one to another.

    Parameters
    ----------
    texts
        With a split in every row.
    cleaned
        What the rows came from.
    corrections
        From `load_corrections`; None: nothing is changed.

    Raises
    ------
    DataError
        A class is left without training examples, or a split without texts.
    """
    old = texts.frame
    if corrections is None:
        return Corrected(texts, cleaned, _tell_changes(old.iloc[:0], [], texts.label_names))
    before, ids = old["label"].tolist(), old["example_id"].tolist()
    after = [corrections.labels.get(e, own) for e, own in zip(ids, before, strict=True)]
    changed = [own != label for own, label in zip(before, after, strict=True)]
    stays = [label is not None for label in after]
    kept = [label for label in after if label is not None]
    column = set_column(kept) if texts.task == "multi_label" else kept
    frame = old[stays].reset_index(drop=True).assign(label=column)
    _refuse_gaps(old, frame, texts.label_names, corrections.where)
    new_labels = [label for label, is_new in zip(after, changed, strict=True) if is_new]
    changes = _tell_changes(old[changed], new_labels, texts.label_names)
    counts = _count(corrections, changes, known=set(ids))
    return Corrected(
        texts=replace(texts, frame=frame, corrections=counts),
        cleaned=_keep(cleaned, stays),
        changes=changes,
    )


def describe_corrections(counts: Mapping[str, Any] | None) -> dict[str, str | int]:
    """Return the `corrections` of texts or of a data card as facts by name; none without any."""
    if not counts:
        return {}
    by_split = [f"{n:,} in {split}" for split, n in counts["by_split"].items()]
    return {
        "labels corrected by hand": counts["corrected"],
        "labels confirmed by hand": counts["confirmed"],
        "texts left out by hand": counts["left_out"],
        "changes by split": ", ".join(by_split) or "none",
    }


def _filled_in(path: Path, *, with_pairs: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each row that is filled in; the first one is 1."""
    pair = ("text_pair",) if with_pairs and "text_pair" in find_delimited_columns(path) else ()
    columns = read_fields(path, (*NEEDED[:-1], *pair, NEEDED[-1]))
    for row, fields in enumerate(zip(*columns, strict=True), start=1):
        if fields[-1].strip():
            yield row, list(fields)


def _refuse_other_texts(own: pd.Series[Any], fields: Sequence[str], where: str) -> None:
    columns = ("text", "text_pair")[: len(fields) - 2]
    for name, field in zip(columns, fields[1:-1], strict=True):
        refuse_other_text(
            field, str(own[name]), where=f"{where}: expected the {name} of example {fields[0]}"
        )


def _keep(cleaned: Cleaned, stays: Sequence[bool]) -> Cleaned:
    rows = [place for place, stay in enumerate(stays) if stay]
    frame = cleaned.frame.iloc[rows].reset_index(drop=True)
    return replace(cleaned, frame=frame, groups=cleaned.groups[rows])


def _tell_changes(
    rows: pd.DataFrame, new_labels: Sequence[Label], label_names: Sequence[str]
) -> pd.DataFrame:
    told: pd.DataFrame = rows[["example_id", "split", "text"]].assign(
        label=say_labels(rows["label"], label_names),
        corrected_label=[say_label(label, label_names) for label in new_labels],
    )
    return told.reset_index(drop=True)


def _count(corrections: Corrections, changes: pd.DataFrame, *, known: set[int]) -> dict[str, Any]:
    used = known & set(corrections.labels)
    left_out = sum(corrections.labels[example] is None for example in used)
    by_split = changes["split"].value_counts()
    return {
        "file": Path(corrections.where).name,
        "corrected": len(changes) - left_out,
        "left_out": left_out,
        "confirmed": len(used) - len(changes),
        "unused": len(corrections.labels) - len(used),
        "by_split": {str(name): int(n) for name, n in by_split.sort_index().items()},
    }


def _refuse_gaps(old: pd.DataFrame, new: pd.DataFrame, names: Sequence[str], where: str) -> None:
    for split in old["split"].unique():
        if not (new["split"] == split).any():
            raise DataError(
                f"{where}: all texts of the {split} split are left out; keep some of them"
            )
    before, after = (
        {int(k) for k in flatten_labels(frame.loc[frame["split"] == "train", "label"])[1]}
        for frame in (old, new)
    )
    if lost := sorted(before - after):
        raise DataError(
            f"{where}: the corrections leave class {names[lost[0]]!r} without training examples; "
            "keep some, or take the class out of the data"
        )
