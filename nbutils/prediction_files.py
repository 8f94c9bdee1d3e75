"""Predictions as files, of held-out texts and during training: read back as they were."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.artifacts import write_bytes
from nbutils.label_sets import holds_sets, set_column

DYNAMICS = "training_dynamics.parquet"
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


def read_baseline(data_dir: Path) -> pd.DataFrame | None:
    """Read the baseline's predictions from a finished data_prep folder; None: it was off."""
    path = data_dir / "baseline.parquet"
    return read_predictions(path) if path.is_file() else None


def write_dynamics(path: Path, given: NDArray[np.float32], *, example_ids: Sequence[int]) -> None:
    """Write training dynamics as a Parquet file, whole or not at all.

    Parameters
    ----------
    path
        Its folder must exist.
    given
        Probability of the given label, shape (E, N), NaN where an epoch did not get to the text.
    example_ids
        Of the N training texts.
    """
    epochs = {f"epoch_{epoch + 1}": row for epoch, row in enumerate(given)}
    table = pd.DataFrame({"example_id": np.asarray(example_ids, np.int64), **epochs})
    write_bytes(path, table.to_parquet(index=False))
