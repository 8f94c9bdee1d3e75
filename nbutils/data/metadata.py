"""What is known of texts beside their labels: numbers or categories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from nbutils.escaping import writable_text


def tidy_values(values: Iterable[Any]) -> pd.Series[Any]:
    """Return a column as floating-point numbers if all its values are numbers, else as strings.

    Parameters
    ----------
    values
        N values of any kind; null, not-a-number and the empty string are missing. Truth values are
        strings.

    Returns
    -------
    Series
        Of type float64, or of strings; what is missing is null.
    """
    given = pd.Series(list(values), dtype=object)
    given = given.map(_show)
    present = given.notna() & (given != "")
    numbers = pd.to_numeric(given.where(present), errors="coerce").astype(np.float64)
    if present.any() and np.isfinite(numbers[present]).all():
        return numbers
    return given.where(present).map(str, na_action="ignore")


def _show(value: Any) -> Any:
    if isinstance(value, str):
        return writable_text(value)
    return str(value) if isinstance(value, (bool, list, dict)) else value
