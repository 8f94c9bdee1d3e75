"""Test predictions as a page carries them: enough to compare another run with, one by one."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbutils.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = ("example_id", "label", "predicted", "confidence")
TYPES = {"example_id": "int64", "label": "int64", "predicted": "int64", "confidence": "float64"}
SETS = ("label", "predicted")  # tuples where texts have several labels
DECIMALS = 6  # of the confidence
MOST_ROWS = 20_000  # about 120 kB in a page
FORM = "base64 of zlib of JSON: one list per column"
LARGEST = 10_000_000  # bytes once unpacked: a page from a stranger must not fill the memory


def read_test_rows(predictions: Path) -> pd.DataFrame:
    """Return the test rows of a predictions file.

    Returns
    -------
    DataFrame
        `example_id, label, predicted, confidence`, by `example_id`; the confidence is the
        probability of the predicted label, in [0, 1]. Where texts have several labels, those are
        tuples, and the confidence is the mean probability of each label's answer, yes or no.
    """
    from nbutils.label_sets import holds_sets
    from nbutils.prediction_files import read_predictions

    table = read_predictions(predictions)
    table = table[table["split"] == "test"].sort_values("example_id", kind="stable")
    probabilities = [name for name in table.columns if name.startswith("prob_")]
    rows = table.assign(confidence=table[probabilities].max(axis=1).astype("float64"))
    if holds_sets(table["label"]):
        pred_probs = table[probabilities].to_numpy()
        rows = table.assign(confidence=_mean_confidence(table["predicted"], pred_probs))
    return rows[list(COLUMNS)].reset_index(drop=True)


def _mean_confidence(predicted: pd.Series[Any], pred_probs: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    from nbutils.label_sets import to_indicators

    given = to_indicators(predicted, n_labels=pred_probs.shape[1])
    return np.asarray(np.abs(pred_probs - ~given).mean(axis=1), np.float64)


def carry_predictions(predictions: Path, *, limit: int = MOST_ROWS) -> dict[str, Any] | None:
    """Return the test rows of a predictions file, packed for a manifest.

    Parameters
    ----------
    predictions
        A `predictions.parquet`.
    limit
        None is returned for more rows than that.
    """
    rows = read_test_rows(predictions)
    if len(rows) > limit:
        return None
    columns = {name: rows[name].tolist() for name in COLUMNS}
    columns["confidence"] = [round(value, DECIMALS) for value in columns["confidence"]]
    text = json.dumps(columns, separators=(",", ":")).encode()
    packed = base64.b64encode(zlib.compress(text, 9)).decode("ascii")
    return {"split": "test", "rows": len(rows), "form": FORM, "columns": packed}


def unpack_predictions(manifest: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the test rows that a manifest carries, as `read_test_rows` does; None: it has none.

    Raises
    ------
    DataError
        They were damaged.
    """
    carried = manifest.get("predictions")
    if carried is None:
        return None
    try:
        packed = base64.b64decode(carried["columns"], validate=True)
        unpacking = zlib.decompressobj()
        columns = json.loads(unpacking.decompress(packed, LARGEST))
        rows = _as_table({name: columns[name] for name in COLUMNS})
    except (LookupError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise DataError(f"predictions carried by the report: cannot be read; {error}") from None
    if len(rows) != carried.get("rows") or not rows["example_id"].is_unique:
        raise DataError(
            f"predictions carried by the report: expected {carried.get('rows')} rows with an "
            f"example_id each, found {len(rows)} with {rows['example_id'].nunique()}"
        )
    return rows


def _as_table(columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from nbutils.label_sets import set_column

    several = any(isinstance(value, list) for name in SETS for value in columns[name])
    if not several:
        return pd.DataFrame(columns).astype(TYPES)
    sets = {name: set_column(columns[name]) for name in SETS}
    plain = {name: kind for name, kind in TYPES.items() if name not in SETS}
    return pd.DataFrame({**columns, **sets}).astype(plain)
