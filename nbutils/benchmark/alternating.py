"""Variants measured in turn, and what their times say about each other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_ROUNDS = 3
QUARTERED = 5  # rounds from which a range is that of the quartiles
PAUSE = 0.02  # seconds, in which the threads of the last one fall asleep
WARM_UP = -1
GROWTH = ["variant", "from", "to", "times more", "times longer", "power"]


class Measured(Protocol):
    """Something that gets ready, and works once when asked."""

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Get ready for a point."""

    def run(self, number: int) -> dict[str, float]:
        """Work once and return numbers, `seconds` among them."""


@dataclass(frozen=True)
class Rounds:
    """How often each variant is measured.

    Attributes
    ----------
    most
        Rounds, if time allows.
    seconds
        After that long at one point, `LEAST_ROUNDS` are enough; None: always `most`.
    """

    most: int
    seconds: float | None = None


def alternate(
    variants: Mapping[str, Measured],
    points: Iterable[Mapping[str, Any]],
    *,
    rounds: Rounds,
    warm_up: int = 1,
) -> pd.DataFrame:
    """Measure the variants in turn at each point: A B C, A B C, and so on.

    Parameters
    ----------
    variants
        What is compared, by name.
    points
        Where: the columns that tell the points from each other.
    rounds
        How often.
    warm_up
        How often each works before it counts.

    Returns
    -------
    DataFrame
        One row per measurement, in the order in which they were made: the point's columns,
        `variant`, `round`, `seconds`, and what else was measured.
    """
    records: list[dict[str, Any]] = []
    for point in points:
        for measured in variants.values():
            measured.prepare(point)
            for _ in range(warm_up):
                measured.run(WARM_UP)
        begin = time.perf_counter()
        for number in range(rounds.most):
            for name, measured in variants.items():
                time.sleep(PAUSE)
                records.append({**point, "variant": name, "round": number, **measured.run(number)})
            if _is_enough(number + 1, time.perf_counter() - begin, rounds):
                break
    return pd.DataFrame(records)


def nothing_measured(*columns: str) -> pd.DataFrame:
    """Return a table without rows, for what a run leaves out."""
    return pd.DataFrame({name: pd.Series(dtype=float) for name in columns})


def _is_enough(done: int, seconds: float, rounds: Rounds) -> bool:
    return rounds.seconds is not None and done >= LEAST_ROUNDS and seconds > rounds.seconds


def summarise(
    measurements: pd.DataFrame, by: Sequence[str], value: str = "seconds"
) -> pd.DataFrame:
    """Return median, quartiles and extremes of each point and variant.

    Parameters
    ----------
    measurements
        As `alternate` returns them.
    by
        The columns that tell the points from each other.
    value
        The column that is looked at.

    Returns
    -------
    DataFrame
        The columns of `by`, `variant`, `median`, `low` and `high` (quartiles), `least`, `most`,
        `n`, in the order of the measurements.
    """
    groups = measurements.groupby([*by, "variant"], sort=False)[value]
    table = pd.DataFrame(
        {
            "median": groups.median(),
            "low": groups.quantile(0.25),
            "high": groups.quantile(0.75),
            "least": groups.min(),
            "most": groups.max(),
            "n": groups.size(),
        }
    )
    return table.reset_index()


def compare(
    measurements: pd.DataFrame, by: Sequence[str], *, baseline: str, variant: str
) -> pd.DataFrame:
    """Return how many times as fast one variant is as another, at each point.

    Parameters
    ----------
    measurements
        As `alternate` returns them.
    by
        The columns that tell the points from each other.
    baseline, variant
        Names of variants that were measured in the same rounds.

    Returns
    -------
    DataFrame
        The columns of `by`, `baseline`, `variant`, `ratio` (the median of the ratios of single
        rounds, in which both meet the same minute of the machine), `low` and `high` (their
        quartiles, or extremes where there are fewer than `QUARTERED` rounds), `n` rounds.
    """
    rows = []
    for point, group in measurements.groupby(list(by), sort=False):
        times = group.pivot(index="round", columns="variant", values="seconds")
        of_rounds = times[baseline] / times[variant]
        sides = [0.25, 0.75] if len(of_rounds) >= QUARTERED else [0, 1]
        ratio, low, high = of_rounds.quantile([0.5, *sides])
        named = dict(zip(by, point, strict=True))
        names = {"baseline": baseline, "variant": variant}
        numbers = {"ratio": ratio, "low": low, "high": high, "n": len(of_rounds)}
        rows.append({**named, **names, **numbers})
    columns = [*by, "baseline", "variant", "ratio", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def growth(summary: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the power of `column` that the time grows with, from each point to the next.

    A power of 1: twice as much takes twice as long. Below 1: a part of the time is fixed.

    Returns
    -------
    DataFrame
        `variant`, `from`, `to`, `times more` (of the column), `times longer`, `power`.
    """
    import numpy as np

    rows: list[dict[str, Any]] = []
    for variant, group in summary.groupby("variant", sort=False):
        ordered = group.sort_values(column)
        sizes: NDArray[Any] = ordered[column].to_numpy(float)
        more, longer = sizes[1:] / sizes[:-1], ordered["median"].to_numpy(float)
        longer = longer[1:] / longer[:-1]
        powers = np.log(longer) / np.log(more)
        for place in range(len(more)):
            sides = {"from": int(sizes[place]), "to": int(sizes[place + 1])}
            grown = {"times more": more[place], "times longer": longer[place]}
            rows.append({"variant": variant, **sides, **grown, "power": powers[place]})
    return pd.DataFrame(rows, columns=GROWTH)
