"""Examples in the order in which they are read, cut into pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Listed:
    """Examples in the order in which they are read.

    Attributes
    ----------
    example_ids, confidences
        Of N examples: with which probability that was said which they are listed for.
    """

    example_ids: NDArray[Any]
    confidences: NDArray[np.float64]

    @classmethod
    def of(
        cls, example_ids: NDArray[Any], confidences: NDArray[np.float64], *, surest_first: bool
    ) -> Listed:
        """Put examples in order of their confidence; equal ones stay as they are."""
        order = np.argsort(-confidences if surest_first else confidences, kind="stable")
        return cls(example_ids[order], confidences[order])

    def __len__(self) -> int:
        return len(self.example_ids)

    def pages(self, size: int) -> int:
        """Return how many pages of `size` examples there are, at least one."""
        return max(1, -(-len(self) // size))

    def page(self, number: int, *, size: int) -> Listed:
        """Return the examples of a page; the first is 1."""
        rows = slice((number - 1) * size, number * size)
        return Listed(self.example_ids[rows], self.confidences[rows])

    def place(self, example_id: Any) -> int | None:
        """Return where an example stands, None where it is not among these."""
        found = np.flatnonzero(self.example_ids == example_id)
        return int(found[0]) if len(found) else None
