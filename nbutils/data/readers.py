"""Files of labelled text, read by their suffix.

Kept free of pandas so that a wrong file or column is refused at once.
"""

from __future__ import annotations

from pathlib import Path

from nbutils.data.delimited_files import DELIMITERS, find_delimited_columns, read_delimited
from nbutils.data.json_files import JSON_SUFFIXES, find_json_columns, read_json
from nbutils.data.parquet_files import find_parquet_columns, read_parquet
from nbutils.data.raw_texts import RawTexts
from nbutils.data.text_files import refuse_empty, refuse_other_encodings
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


def read_columns(path: Path) -> list[str]:
    """Return a file's columns from its header or first rows alone.

    Raises
    ------
    DataError
        The file is empty, or its head cannot be read.
    """
    refuse_empty(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return find_parquet_columns(path)
    refuse_other_encodings(path)
    if suffix in JSON_SUFFIXES:
        return find_json_columns(path)
    return find_delimited_columns(path)
