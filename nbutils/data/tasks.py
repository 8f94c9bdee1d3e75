"""Whether a text has one label or any number of them, and which labels a cell holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nbutils.data.labels import NamedLabels, is_missing, name_labels
from nbutils.data.lists_in_text import (
    WRITTEN,
    are_lists_in_text,
    looks_like_a_list,
    read_list,
    refuse_broken_list,
    refuse_unreadable_rows,
)
from nbutils.data.raw_texts import RawTexts
from nbutils.errors import DataError
from nbutils.label_sets import Task
from nbutils.params.data_prep import DataPrepParams

USUAL_SEPARATORS = (";", "|")
ONE = (str, int, float, bool)


def find_task(parts: Sequence[RawTexts], params: DataPrepParams) -> Task:
    """Decide whether the texts have one label each or any number.

    Parameters
    ----------
    parts
        Training texts, and the texts of splits that are given.
    params
        `task` and `label_separator`.

    Raises
    ------
    DataError
        The labels are not of the kind that the parameters name, or some rows hold lists and
        others do not.
    """
    if params.task == "single_label":
        return "single_label"
    if params.label_separator is not None:
        _refuse_lists_to_separate(parts, params.label_separator)
        _refuse_unused_separator(parts, params.label_separator)
        return "multi_label"
    if params.task == "auto" and are_lists_in_text(parts):
        refuse_unreadable_rows(parts)
        return "multi_label"
    lists, plain = _first_of_each(parts, in_text=params.task == "multi_label")
    if lists is None and params.task == "multi_label":
        raise DataError(_no_lists(parts))
    if lists is not None and plain is not None and params.task == "auto":
        raise DataError(
            f"{lists} holds a list of labels, {plain} a plain one; set task to multi_label to read "
            "a plain label as a list of one, or make all rows alike"
        )
    return "single_label" if lists is None else "multi_label"


def name_label_sets(
    parts: Sequence[RawTexts], params: DataPrepParams, *, class_names: Sequence[str] | None
) -> NamedLabels:
    """Give every label of texts with several an id that does not depend on the order of the rows.

    Parameters
    ----------
    parts
        As for `find_task`.
    params
        `label_separator`.
    class_names
        As for `name_labels`.

    Returns
    -------
    NamedLabels
        `ids` holds a sorted tuple of ids per row, empty where a text has none of the labels, and
        None where nothing is said about its labels.

    Raises
    ------
    DataError
        A label is missing within a list, a list cannot be read, or the lists are indicators
        instead of labels.
    """
    sets = [list(_read_sets(part, params.label_separator)) for part in parts]
    _refuse_indicators([labels for part in sets for labels in part if labels], parts[0])
    flat = [[label for labels in part for label in labels or ()] for part in sets]
    named = name_labels(flat, class_names=class_names, where=parts[0].where)
    ids: list[list[Any]] = []
    for part, found in zip(sets, named.ids, strict=True):
        rest = iter(found)
        ids.append([None if labels is None else _take(rest, len(labels)) for labels in part])
    return replace(named, ids=ids, notes=(*named.notes, *_notes(sets, ids)))


def hint_at_separator(label_names: Sequence[str]) -> list[str]:
    """Return a sentence where single labels look like lists, or have a sign between them."""
    known = set(label_names)
    for sign in USUAL_SEPARATORS:
        joined = [name for name in label_names if sign in name]
        if any(all(word.strip() in known for word in name.split(sign)) for name in joined):
            return [
                f"Labels such as {joined[0]!r} were read as classes of their own. If {sign!r} "
                f"stands between the labels of one text, set label_separator to {sign!r}."
            ]
    if lists := [name for name in label_names if looks_like_a_list(name)]:
        return [
            f"Labels such as {lists[0]!r} were read as classes of their own. If they are lists of "
            f"labels, write one in each row, like {WRITTEN}."
        ]
    return []


def refuse_unlike_sets(named: NamedLabels, *, where: str) -> None:
    """Refuse label sets that cannot be meant: of a single label, or the same for every text.

    Raises
    ------
    DataError
        There are fewer than two labels (a question with yes and no for an answer), or fewer than
        two different sets of them.
    """
    label_names = named.names
    if len(label_names) < 2:
        found = f"only {label_names[0]!r}" if label_names else "none"
        raise DataError(
            f"{where}: expected at least two labels for task multi_label, found {found}; for one "
            "label that a text has or has not, write a column with two classes"
        )
    found_sets = {labels for part in named.ids for labels in part if labels is not None}
    if len(found_sets) < 2:
        raise DataError(
            f"{where}: every example has the labels {', '.join(map(repr, label_names[:5]))}; a "
            "classifier needs texts with different labels: add some, or set label_column"
        )


def _as_list(label: Any) -> list[Any] | None:
    """Return the members of a list or array, or of a list in a string; None: it is none."""
    if isinstance(label, str):
        return read_list(label)
    if isinstance(label, (list, tuple)):
        return list(label)
    return label.tolist() if getattr(label, "ndim", 0) == 1 else None


def _first_of_each(parts: Sequence[RawTexts], *, in_text: bool) -> tuple[str | None, str | None]:
    """Return where the first list of labels stands, and where the first plain label.

    With `in_text`, a list in a string counts as a list.
    """
    lists, plain = None, None
    for part in parts:
        if set(map(type, part.labels)) <= ({*ONE, type(None)} - ({str} if in_text else set())):
            is_list = [False] * len(part.labels)  # most data, told apart quickly
        else:
            is_list = [
                (in_text or not isinstance(label, str)) and _as_list(label) is not None
                for label in part.labels
            ]
        rows = enumerate(zip(is_list, part.labels, strict=True), start=1)
        found = next((row for row, (listed, _) in rows if listed), None)
        rows = enumerate(zip(is_list, part.labels, strict=True), start=1)
        other = next((row for row, (had, x) in rows if not had and not is_missing(x)), None)
        lists = lists or (found and f"{part.where}, row {found}")
        plain = plain or (other and f"{part.where}, row {other}")
    return lists or None, plain or None


def _no_lists(parts: Sequence[RawTexts]) -> str:
    column = parts[0].columns.label
    labels = [label for part in parts for label in part.labels if isinstance(label, str)]
    signs = [sign for sign in USUAL_SEPARATORS if any(sign in label for label in labels)]
    if any(map(looks_like_a_list, labels)):
        mend = f"write each list like {WRITTEN}"
    elif signs:
        mend = f"set label_separator to {signs[0]!r}"
    else:
        mend = "set label_separator to what stands between them, or task to single_label"
    return (
        f"{parts[0].where}: expected lists of labels in column {column!r} for task multi_label, "
        f"found plain ones; {mend}"
    )


def _refuse_lists_to_separate(parts: Sequence[RawTexts], separator: str) -> None:
    in_text = are_lists_in_text(parts)
    for part in parts:
        for row, label in enumerate(part.labels, start=1):
            if (in_text or not isinstance(label, str)) and _as_list(label) is not None:
                raise DataError(
                    f"{part.where}, row {row}: label_separator {separator!r} separates labels in "
                    "text, found a list; leave label_separator out"
                )


def _refuse_unused_separator(parts: Sequence[RawTexts], separator: str) -> None:
    labels = [label for part in parts for label in part.labels if isinstance(label, str)]
    if any(separator in label for label in labels):
        return
    signs = [sign for sign in USUAL_SEPARATORS if any(sign in label for label in labels)]
    mend = f"did you mean {signs[0]!r}?" if signs else "leave it out for one label per text"
    raise DataError(
        f"label_separator {separator!r}: stands in none of the {len(labels)} labels of "
        f"{parts[0].where}, column {parts[0].columns.label!r}; {mend}"
    )


def _read_sets(part: RawTexts, separator: str | None) -> Iterator[list[Any] | None]:
    for row, label in enumerate(part.labels, start=1):
        if separator is not None and (label is None or isinstance(label, str)):
            yield [word for word in (label or "").split(separator) if word.strip()]
            continue
        members = _as_list(label)
        if members is None:
            refuse_broken_list(label, f"{part.where}, row {row}")
            yield None if is_missing(label) else [label]
            continue
        _refuse_odd_members(members, f"{part.where}, row {row}")
        yield members


def _refuse_odd_members(members: list[Any], where: str) -> None:
    for member in members:
        if not isinstance(member, ONE) or is_missing(member):
            shown = "nothing" if member is None else repr(member)
            raise DataError(
                f"{where}: expected a list of labels, strings or whole numbers, found {shown} in "
                "it; take it out (an empty list says that a text has none of the labels)"
            )


def _refuse_indicators(sets: Sequence[list[Any]], part: RawTexts) -> None:
    sizes = {len(labels) for labels in sets}
    if len(sizes) != 1 or max(sizes) < 2:
        return
    if all(label in (0, 1) for labels in sets for label in labels) and any(
        len(set(labels)) < len(labels) for labels in sets
    ):
        raise DataError(
            f"{part.where}: column {part.columns.label!r} holds a 0 or a 1 for each of "
            f"{max(sizes)} labels; list the labels that a text has instead, by name or number"
        )


def _take(ids: Iterator[int | None], count: int) -> tuple[int, ...]:
    taken = {next(ids) for _ in range(count)}
    return tuple(sorted(label for label in taken if label is not None))


def _notes(sets: Sequence[Sequence[list[Any] | None]], ids: Sequence[Sequence[Any]]) -> list[str]:
    none = sum(found == () for part in ids for found in part)
    repeated = sum(
        labels is not None and len(found) < len(labels)
        for part, named in zip(sets, ids, strict=True)
        for labels, found in zip(part, named, strict=True)
    )
    notes = []
    if none:
        notes.append(f"{none:,} texts have none of the labels; they count as such.")
    if repeated:
        notes.append(f"{repeated:,} texts name a label twice; it counts once.")
    return notes
