"""What the machine's own matrix products reach: no training can do more per second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from nbutils.benchmark.alternating import Rounds, alternate
from nbutils.benchmark.children import open_children
from nbutils.benchmark.subject import Work
from nbutils.training.machine import choose_precision

if TYPE_CHECKING:
    import pandas as pd

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SIZES = (1024, 2048, 4096)
ROUNDS = Rounds(7, seconds=10)


class MatrixProduct:
    """A square matrix times another, in bf16 or fp32."""

    def __init__(self, variant: str, settings: Mapping[str, Any]) -> None:
        self.dtype = TYPES[variant]
        self.a = self.b = torch.empty(0)

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw two matrices of a size."""
        size = int(point["size"])
        generator = torch.Generator().manual_seed(0)
        self.a, self.b = torch.randn(2, size, size, generator=generator).to(self.dtype)

    def ready(self, number: int) -> Work:
        """Return the product; it tells its floating-point operations."""

        def work() -> dict[str, float]:
            torch.mm(self.a, self.b)
            return {"operations": 2.0 * self.a.size(0) ** 3}

        return work


def precisions() -> list[str]:
    """Return the arithmetics to measure: fp32, and bf16 where the processor has it."""
    return list(dict.fromkeys(("fp32", choose_precision("auto", "cpu"))))


def measure_limit(sizes: tuple[int, ...] = SIZES, rounds: Rounds = ROUNDS) -> pd.DataFrame:
    """Measure square matrix products.

    Returns
    -------
    DataFrame
        One row per product: `size`, `variant` (the arithmetic), `round`, `seconds`, `operations`,
        `rate` (operations per second).
    """
    with open_children("product", precisions(), {}) as children:
        found = alternate(children, [{"size": size} for size in sizes], rounds=rounds)
    return found.assign(rate=found["operations"] / found["seconds"])


def best_rates(products: pd.DataFrame) -> dict[str, float]:
    """Return the best rate of each arithmetic over all sizes and rounds, in operations a second."""
    return {
        str(name): float(rate) for name, rate in products.groupby("variant")["rate"].max().items()
    }
