"""What the machine's own matrix products reach: no training can do more per second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from nbutils.benchmark.alternating import Rounds, alternate, nothing_measured
from nbutils.benchmark.children import open_children
from nbutils.benchmark.device import find_device, precisions
from nbutils.benchmark.subject import Work
from nbutils.params.benchmark import BenchmarkParams

if TYPE_CHECKING:
    import pandas as pd

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
ROUNDS = Rounds(7, seconds=10)


class MatrixProduct:
    """A square matrix times another, in bf16 or fp32, as often as a larger size takes once."""

    def __init__(self, variant: str, settings: Mapping[str, Any]) -> None:
        self.dtype, self.device = TYPES[variant], settings["device"]
        self.a = self.b = torch.empty(0)
        self.times = 1

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Draw two matrices of a size."""
        size, self.times = int(point["size"]), int(point["times"])
        generator = torch.Generator().manual_seed(0)
        factors = torch.randn(2, size, size, generator=generator)
        self.a, self.b = factors.to(self.device, self.dtype)

    def ready(self, number: int) -> Work:
        """Return the product; it tells its floating-point operations."""

        def work() -> dict[str, float]:
            for _ in range(self.times):
                torch.mm(self.a, self.b)
            return {"operations": self.times * 2.0 * self.a.size(0) ** 3}

        return work


def measure_limit(params: BenchmarkParams) -> pd.DataFrame:
    """Measure square matrix products; a measurement does as much work at each size.

    Returns
    -------
    DataFrame
        One row per measurement: `size`, `times` (products), `variant` (the arithmetic), `round`,
        `seconds`, `operations`, `rate` (operations per second); no row without sizes.
    """
    if not params.product_sizes:
        columns = ("size", "times", "variant", "round", "seconds", "operations")
        return nothing_measured(*columns, "rate")
    largest = max(params.product_sizes)
    points = [{"size": n, "times": (largest // n) ** 3} for n in sorted(params.product_sizes)]
    device = find_device(params.device)
    with open_children("product", precisions(device), {"device": device}) as children:
        found = alternate(children, points, rounds=ROUNDS)
    return found.assign(rate=found["operations"] / found["seconds"])


def best_rates(products: pd.DataFrame) -> dict[str, float]:
    """Return the best rate of each arithmetic over all sizes and rounds, in operations a second."""
    return {
        str(name): float(rate) for name, rate in products.groupby("variant")["rate"].max().items()
    }
