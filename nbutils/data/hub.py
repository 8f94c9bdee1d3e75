"""Splits of a Hugging Face dataset, from the hub or a saved folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nbutils.commits import find_commit
from nbutils.data.columns import Columns, choose_columns
from nbutils.data.labels import is_missing
from nbutils.data.raw_texts import RawTexts
from nbutils.data.sources import GIVEN_SPLITS, Source
from nbutils.errors import DataError, ParameterError, suggest
from nbutils.params.data_prep import DataPrepParams

USUAL_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def load_dataset_parts(
    source: Source, params: DataPrepParams, *, from_files: Collection[str] = ()
) -> tuple[dict[str, RawTexts], list[str]]:
    """Read a hub dataset or a saved `datasets` folder.

    Parameters
    ----------
    source
        A source of kind ``"hub"`` or ``"saved"``.
    params
        Columns, and names of splits in `test_dataset` and `validation_dataset`.
    from_files
        ``"test"`` or ``"validation"`` where a file serves, whatever splits the dataset has.

    Returns
    -------
    parts, notes
        Raw texts under ``""`` (training, or all that there is), ``"validation"`` and ``"test"``
        where the dataset has them; sentences on what was decided.

    Raises
    ------
    DataError
        The dataset cannot be read; for a hub id the message says what the hub answered.
    """
    import datasets

    try:
        if source.kind == "saved":
            dataset = datasets.load_from_disk(str(source.place))
        else:
            revision = params.dataset_revision
            commit = find_commit(source.name, revision=revision, kind="dataset") or revision
            dataset = datasets.load_dataset(source.name, params.dataset_config, revision=commit)
    except Exception as error:  # the hub's client raises a dozen kinds, none of them shared
        raise DataError(_explain(source, params, error)) from error
    return _sort_splits(dataset, params, where=source.name, from_files=from_files)


def _sort_splits(
    dataset: Any, params: DataPrepParams, *, where: str, from_files: Collection[str]
) -> tuple[dict[str, RawTexts], list[str]]:
    """Sort the splits of a dataset into training, validation and test.

    Splits of a usual name are used without being asked. A test split without labels is left out,
    as GLUE's are: the validation split then serves as test, and validation is cut from training.
    """
    splits = dict(dataset) if isinstance(dataset, Mapping) else {"": dataset}
    chosen = _choose_splits(splits, params, where, from_files)
    parts = {role: _raw(splits[name], params, where, name) for role, name in chosen.items()}
    notes = _drop_unlabelled(parts, chosen, params)
    ignored = sorted(set(splits) - set(chosen.values()))
    if ignored:
        notes.append(f"Splits that are not used: {', '.join(ignored)}.")
    return parts, notes


def _choose_splits(
    splits: Mapping[str, Any], params: DataPrepParams, where: str, from_files: Collection[str]
) -> dict[str, str]:
    """Return which split plays which role; training, or all that there is, plays ``""``."""
    chosen = {}
    for role, parameter in GIVEN_SPLITS.items():
        wanted = None if role in from_files else getattr(params, parameter)
        if wanted in splits:
            chosen[role] = str(wanted)
        elif wanted is not None:
            known = suggest(wanted, splits) if any(splits) else "; the dataset has no named splits"
            raise ParameterError(f"{parameter}: no split {wanted!r} in {where}{known}")
    for role, usual in USUAL_SPLITS.items():
        free = [name for name in usual if name in splits and name not in chosen.values()]
        if free and role not in chosen and role not in from_files:
            chosen[role] = free[0]
    if "train" in chosen:
        return {"": chosen.pop("train"), **chosen}
    if (
        len(splits) == 1 and params.test_dataset not in splits
    ):  # whatever its name, it is all that there is
        return {"": next(iter(splits))}
    raise DataError(
        f"{where}: no split is called 'train'; found {', '.join(sorted(splits))}; load it with "
        "`datasets`, call the one to train on 'train', save it with save_to_disk, and give that "
        "folder as dataset"
    )


def _raw(split: Any, params: DataPrepParams, where: str, name: str) -> RawTexts:
    where = f"{where} ({name})" if name else where
    columns = choose_columns(list(split.column_names), params, where=where)
    values = split.with_format(None).select_columns(columns.wanted)[:]
    return RawTexts.of(values, columns, where=where, class_names=_class_names(split, columns))


def _class_names(split: Any, columns: Columns) -> tuple[str, ...] | None:
    feature = split.features[columns.label]
    names = getattr(getattr(feature, "feature", feature), "names", None)  # of a list's members
    return tuple(names) if names else None


def _drop_unlabelled(
    parts: dict[str, RawTexts], chosen: Mapping[str, str], params: DataPrepParams
) -> list[str]:
    """Take out given splits whose labels are withheld; return why, in sentences."""
    notes = []
    for role, parameter in GIVEN_SPLITS.items():
        if role not in parts or not _unlabelled(parts[role]):
            continue
        if getattr(params, parameter) is not None:
            raise DataError(
                f"{parameter}: split {chosen[role]!r} of {params.dataset} has no labels (they are "
                "withheld, as in GLUE); name another split, or leave it out"
            )
        del parts[role]
        notes.append(f"The split {chosen[role]!r} has no labels and is not used.")
        if role == "test" and "validation" in parts and params.validation_dataset is None:
            parts["test"] = parts.pop("validation")
            notes.append(
                f"The split {chosen['validation']!r} serves as the test split instead, and "
                "validation is cut from training."
            )
    return notes


def _unlabelled(part: RawTexts) -> bool:
    return all(is_missing(label) or label == -1 for label in part.labels)


def _explain(source: Source, params: DataPrepParams, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = reason if len(reason) <= 300 else f"{reason[:300]}..."
    if source.kind == "saved":
        return f"{source.name}: not a readable saved `datasets` folder ({reason})"
    named = f"{source.name}/{params.dataset_config}" if params.dataset_config else source.name
    return (
        f"hub dataset {named!r} could not be loaded ({type(error).__name__}: {reason}); check the "
        "spelling, dataset_config and the network, or give a local file"
    )
