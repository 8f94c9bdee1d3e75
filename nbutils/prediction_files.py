"""The predictions of held-out texts as a file: written with its types, read back as it was."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from nbutils.artifacts import write_bytes
from nbutils.label_sets import holds_sets, set_column

LABEL_COLUMNS = ("label", "predicted")


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write predictions as a Parquet file, whole or not at all.

    Parameters
    ----------
    path
        Its folder must exist.
    predictions
        `example_id, split, label, predicted`, and any columns of numbers. Sets of labels become
        lists of 64-bit integers, also where all of them are empty.
    """
    if not holds_sets(predictions["label"]):
        write_bytes(path, predictions.to_parquet(index=False))
        return
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(predictions, preserve_index=False)
    for name in LABEL_COLUMNS:
        sets = pyarrow.array(map(list, predictions[name]), pyarrow.list_(pyarrow.int64()))
        table = table.set_column(table.column_names.index(name), name, sets)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    write_bytes(path, buffer.getvalue())


def read_predictions(path: Path) -> pd.DataFrame:
    """Read what `write_predictions` wrote: sets of labels come back as sorted tuples."""
    predictions = pd.read_parquet(path)
    if holds_sets(predictions["label"]):
        for name in LABEL_COLUMNS:
            predictions[name] = set_column(predictions[name])
    return predictions
