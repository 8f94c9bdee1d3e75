"""Values of any kind as a reader wants to see them: digits that matter, signs, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def below_all(share: float) -> float:
    """Return a share for showing with one decimal of a percent: what rounds to all is not all."""
    return share if share >= 1 else min(share, 0.999)


def is_number(value: object) -> bool:
    """Return whether a value is a real number; a truth value is none."""
    return not isinstance(value, (bool, str, complex)) and hasattr(value, "__float__")


def is_missing(value: object) -> bool:
    """Return whether a value stands for none: null, or not a number."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, float) and math.isnan(value)


def count_decimals(numbers: Sequence[Any]) -> int:
    """Return the decimals that show four digits of the column's largest number, 0 for integers."""
    floats = [abs(float(value)) for value in numbers]
    finite = [value for value in floats if math.isfinite(value)]
    if all(value.is_integer() for value in finite):
        return 0
    whole = len(str(int(max(finite, default=0.0))))
    return max(1, 4 - whole)


def format_value(value: Any, *, percent: bool, digits: int) -> str:
    """Return a value as text; what is missing is a dash.

    Parameters
    ----------
    value
        Of any kind.
    percent
        Show a number as percent, with one decimal.
    digits
        Decimals otherwise; a number too small for them keeps two digits.
    """
    if is_missing(value):
        return "\N{EN DASH}"
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if not is_number(value):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    if percent:
        return f"{100 * number:.1f}\N{NO-BREAK SPACE}%"
    if digits and 0 < abs(number) < 10**-digits:
        return f"{number:.2g}"
    return f"{number:,.{digits}f}" if digits or isinstance(value, float) else f"{int(value):,}"


def format_alone(value: Any) -> str:
    """Return a value as text with the decimals that it needs by itself."""
    return format_value(
        value, percent=False, digits=count_decimals([value]) if is_number(value) else 0
    )
