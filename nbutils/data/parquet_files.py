"""Parquet files, with the class names that `datasets` notes in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbutils.data.columns import choose_columns
from nbutils.data.raw_texts import RawTexts
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams


def read_parquet(path: Path, params: DataPrepParams) -> RawTexts:
    """Read the wanted columns of a Parquet file.

    Raises
    ------
    ParameterError
        A named column does not exist.
    DataError
        The file is broken.
    """
    import pyarrow
    import pyarrow.parquet

    schema = _parquet_schema(path)
    columns = choose_columns(list(schema.names), params, where=str(path))
    try:
        table = pyarrow.parquet.ParquetFile(path).read(columns=columns.wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable_parquet(path, error) from None
    values = {name: table.column(name).to_pylist() for name in columns.wanted}
    names = _class_names(schema, columns.label)
    return RawTexts.of(values, columns, where=str(path), class_names=names)


def find_parquet_columns(path: Path) -> list[str]:
    """Return the columns that the schema names.

    Raises
    ------
    DataError
        The file is broken.
    """
    return list(_parquet_schema(path).names)


def _parquet_schema(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable_parquet(path, error) from None


def _unreadable_parquet(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: not a readable Parquet file ({reason}); write or copy it again")


def _class_names(schema: Any, column: str) -> tuple[str, ...] | None:
    """Return the names that `datasets` notes in the schema beside integer labels."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
        return tuple(feature.get("feature", feature)["names"])  # of a list's members
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
