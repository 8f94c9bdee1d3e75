"""Where a running notebook is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a running notebook is.

    Attributes
    ----------
    cell, cells
        Number of the running code cell, from 1, and how many there are.
    heading
        The section that the cell stands in.
    training
        Numbers of a running training (`nbutils.widgets.progress_values`), else empty.
    """

    cell: int
    cells: int
    heading: str
    training: Mapping[str, Any] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]
