"""Objects that show themselves: as a few facts in a notebook, as one line elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

from nbutils.escaping import visible_text
from nbutils.numerals import format_alone
from nbutils.tables import Facts

LONGEST_VALUE = 120  # characters in the one line
MOST_NAMES = 8  # columns, keys or items that are named


class Described:
    """Base of classes that show what they hold, and never whole tables or arrays.

    A dataclass that derives from it says `repr=False`, or keeps the `repr` of its fields.
    """

    _title: ClassVar[str] = ""  # above its facts; "": the name of its class

    def _facts(self) -> Mapping[str, Any]:
        """Return what there is to know, by name; the fields of a dataclass, summed up."""
        if not is_dataclass(self):
            return {}
        shown = [field.name for field in fields(self) if field.repr]
        return {name: summarise(getattr(self, name)) for name in shown}

    def __repr__(self) -> str:
        """Return the facts as one line of plain text."""
        said = "; ".join(f"{name}: {_short(value)}" for name, value in self._facts().items())
        return f"{type(self).__name__}({visible_text(said)})"

    def _repr_html_(self) -> str:
        return Facts(self._facts(), caption=self._title or type(self).__name__)._repr_html_()


def summarise(value: Any) -> str:
    """Return a value in a few words: of tables and arrays their shape, of many items the first.

    Parameters
    ----------
    value
        Of any kind.
    """
    if hasattr(value, "columns") and hasattr(value, "index"):
        return f"{len(value):,} rows: {name_some(value.columns)}"
    if hasattr(value, "dtype") and getattr(value, "shape", None):
        return f"{' x '.join(f'{size:,}' for size in value.shape)}, {value.dtype}"
    if isinstance(value, Mapping):
        return name_some(value)
    if isinstance(value, Collection) and not isinstance(value, (str, bytes)):
        return _count_items(value)
    if isinstance(value, Described) or is_dataclass(value):
        return _cut(repr(value))
    return _cut(format_alone(value))


def name_some(names: Collection[Any], *, most: int = MOST_NAMES) -> str:
    """Return names as a list of words, of many the first and how many more there are.

    Parameters
    ----------
    names
        Of anything.
    most
        Names that are said.
    """
    said = [_cut(str(name)) for name, _ in zip(names, range(most), strict=False)]
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return ", ".join([*said, *more]) or "none"


def _count_items(items: Collection[Any]) -> str:
    plain = all(isinstance(item, (str, int, float)) for item in items)
    if plain or not items:
        return name_some(items)
    kinds = sorted({type(item).__name__ for item in items})
    return f"{len(items):,} {' or '.join(kinds)}"


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return name_some(value)
    return _cut(format_alone(value))


def _cut(text: str) -> str:
    line = " ".join(text[: 2 * LONGEST_VALUE].split())
    return line if len(line) <= LONGEST_VALUE else f"{line[: LONGEST_VALUE - 1]}…"
