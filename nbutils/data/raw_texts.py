"""Texts and labels as they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbutils.data.columns import Columns


@dataclass(frozen=True)
class RawTexts:
    """Texts and labels as they were read, row by row."""

    texts: list[Any]
    labels: list[Any]
    pairs: list[Any] | None
    columns: Columns
    where: str
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
