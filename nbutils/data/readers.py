"""Files of labelled text, read by their suffix.

Kept free of pandas so that a wrong file or column is refused at once.
"""

from __future__ import annotations

from pathlib import Path

from nbutils.data.columns import choose_columns
from nbutils.data.delimited_files import DELIMITERS, find_delimited_columns, read_delimited
from nbutils.data.json_files import JSON_SUFFIXES, find_json_columns, read_json
from nbutils.data.parquet_files import find_parquet_columns, read_parquet
from nbutils.data.raw_texts import RawTexts
from nbutils.data.text_files import refuse_empty, refuse_other_encodings
from nbutils.errors import NbutilsError
from nbutils.params.data_prep import DataPrepParams

FILE_SUFFIXES = (*DELIMITERS, *JSON_SUFFIXES, ".parquet")


def read_file(path: Path, params: DataPrepParams) -> RawTexts:
    """Read a CSV, TSV, JSON Lines or Parquet file.

    Raises
    ------
    DataError
        The file is empty, not UTF-8, or broken; the message names the line and the mend.
    """
    refuse_empty(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return read_parquet(path, params)
    if suffix in JSON_SUFFIXES:
        return read_json(path, params)
    return read_delimited(path, params)


def check_columns(path: Path, params: DataPrepParams, *, where: str) -> None:
    """Refuse a file that lacks a wanted column, from its header or first rows if they say enough.

    Parameters
    ----------
    path
        An existing file of a kind that is read.
    params
        Those of `choose_columns`.
    where
        File that errors name.

    Raises
    ------
    ParameterError
        A named column does not exist.
    DataError
        The file is empty, its head cannot be read, or it has no usual column.
    """
    try:
        choose_columns(_read_columns(path, whole=False), params, where=where)
    except NbutilsError:  # a key of JSON Lines may first occur in a later row
        choose_columns(_read_columns(path, whole=True), params, where=where)


def _read_columns(path: Path, *, whole: bool) -> list[str]:
    refuse_empty(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return find_parquet_columns(path)
    refuse_other_encodings(path)
    if suffix in JSON_SUFFIXES:
        return find_json_columns(path, whole=whole)
    return find_delimited_columns(path)
