"""The study that a report's manifest describes, on this machine's data and checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbutils.data.readers import FILE_SUFFIXES
from nbutils.errors import DataError, ParameterError
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import Study


def rebuild_study(
    manifest: Mapping[str, Any], *, data: str | None = None, model: str | None = None
) -> Study:
    """Return the study of a manifest.

    Parameters
    ----------
    manifest
        As a page carries it.
    data
        Stands in for the recorded `dataset`. Given splits that are not where they were are looked
        for beside it; of a folder, the files of the recorded names are taken.
    model
        Stands in for the recorded checkpoint, and for its tokenizer.

    Raises
    ------
    DataError
        The manifest is not that of a study.
    ParameterError
        This version of nbutils refuses its parameters.
    """
    values = manifest.get("parameters")
    if not isinstance(values, Mapping):
        raise DataError("expected the manifest of a study, found one without parameters")
    try:
        study = Study.of(values)
    except ParameterError as error:
        raise ParameterError(f"parameters of the report: {error}") from None
    update: dict[str, Any] = {}
    if data is not None:
        update["data_prep"] = study.data_prep.model_copy(update=_found_at(data, study.data_prep))
    if model is not None:
        prep = update.get("data_prep", study.data_prep)
        update |= _with_model(model, prep, study.fine_tune)
    return study.model_copy(update=update)


def _found_at(data: str, recorded: DataPrepParams) -> dict[str, str]:
    place = Path(data).expanduser()
    if place.is_dir() and _is_file(recorded.dataset):
        inside = place / _last_part(recorded.dataset)
        place, dataset = (place, str(inside)) if inside.is_file() else (place, data)
    else:
        place, dataset = place.parent, data
    found = {"dataset": dataset}
    for parameter in ("test_dataset", "validation_dataset", "label_corrections"):
        name = getattr(recorded, parameter)
        if name is None or not _is_file(name) or Path(name).expanduser().is_file():
            continue
        if (place / _last_part(name)).is_file():
            found[parameter] = str(place / _last_part(name))
    return found


def _is_file(name: str) -> bool:
    return Path(name).suffix.lower() in FILE_SUFFIXES


def _last_part(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _with_model(model: str, prep: DataPrepParams, tune: FineTuneParams) -> dict[str, Any]:
    shared = prep.tokenizer == tune.model
    return {
        "data_prep": prep.model_copy(update={"tokenizer": model}) if shared else prep,
        "fine_tune": tune.model_copy(update={"model": model}),
    }
