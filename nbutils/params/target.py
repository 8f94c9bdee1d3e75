"""A published score that a study sets out to reproduce."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from nbutils.errors import suggest
from nbutils.params.base import Parameters

Metric = Literal["accuracy", "macro_f1", "micro_f1"]
METRICS: tuple[str, ...] = get_args(Metric)


class Target(Parameters):
    """The published score beside which the report puts the study's own; it trains nothing."""

    metric: Metric = Field(description="published test score: accuracy, macro_f1 or micro_f1")
    value: float = Field(ge=0, le=1, description="the published score as a share: 0.978, not 97.8")
    source: str = Field(max_length=500, description="where it stands: authors, year, table, row")
    protocol: str = Field(
        "", max_length=2000, description="how they got it: split, texts, model, training, runs"
    )
    runs: int | None = Field(
        None, ge=1, description="runs that it is the mean of; none: as far as the protocol says it"
    )

    @field_validator("metric", mode="before")
    @classmethod
    def _know_the_metric(cls, metric: Any) -> Any:
        if metric not in METRICS:
            raise ValueError(f"unknown metric {metric!r}{suggest(str(metric), METRICS)}")
        return metric

    @field_validator("value", mode="before")
    @classmethod
    def _be_a_share(cls, value: Any) -> Any:
        number: float | None = None
        with suppress(TypeError, ValueError):
            number = float(str(value).strip().removesuffix("%"))
        if number is None or (0 <= number <= 1 and not str(value).strip().endswith("%")):
            return value
        mend = f"; write {number / 100:.10g}" if 0 <= number <= 100 else ""
        raise ValueError(f"expected a share between 0 and 1, found {value}{mend}")

    @field_validator("source", "protocol", mode="before")
    @classmethod
    def _without_margins(cls, text: Any) -> Any:
        return " ".join(text.split()) if isinstance(text, str) else text

    @field_validator("source")
    @classmethod
    def _name_the_source(cls, source: str) -> str:
        if not source:
            raise ValueError("expected where the score was published (authors, year, table)")
        return source
