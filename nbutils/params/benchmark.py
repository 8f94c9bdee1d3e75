"""Parameters of `benchmark.ipynb`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from nbutils.params.base import Parameters, StageParameters
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams

LISTS = ("datasets", "product_sizes", "step_lengths", "batch_sizes", "row_counts", "seeds")
LEAST = {"product_sizes": 8, "step_lengths": 8, "batch_sizes": 1, "row_counts": 1, "seeds": 0}


class BenchmarkParams(StageParameters):
    """How speed is measured, against transformers' Trainer and the machine's own limit."""

    section: ClassVar[str] = "benchmark"

    model: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="a bundled name (all-MiniLM-L6-v2), a folder, or a hub id",
    )
    datasets: list[str] = Field(
        ["bbc-news"],
        min_length=1,
        description="labelled texts to train on, each as data_prep.dataset; texts of very "
        "different lengths show what padding costs",
    )
    text_column: str | None = Field(None, description="column with the text; none: found by name")
    label_column: str | None = Field(None, description="column with the label; none: found by name")
    product_sizes: list[int] = Field(
        [1024, 2048, 4096], min_length=1, description="rows of square matrices, for the limit"
    )
    step_lengths: list[int] = Field(
        [32, 128, 256], min_length=1, description="tokens per text for single optimiser steps"
    )
    step_batch: int = Field(16, ge=1, le=4096, description="texts per single step")
    batch_sizes: list[int] = Field(
        [4, 16, 64], min_length=1, description="texts per step, for growth with the batch"
    )
    batch_length: int = Field(
        64, ge=8, le=8192, description="tokens per text, for growth with the batch"
    )
    rounds: int = Field(5, ge=3, le=1000, description="measurements of each variant of a step")
    seconds_per_point: float = Field(
        15, gt=0, description="once a point took this long, three measurements of it are enough"
    )
    max_length: int = Field(
        256, ge=8, le=8192, description="tokens a real text may have before it is cut"
    )
    training_steps: int = Field(
        3, ge=1, le=10_000, description="optimiser steps on real texts in one measurement"
    )
    training_rounds: int = Field(
        3, ge=3, le=1000, description="measurements of each training on real texts"
    )
    row_counts: list[int] = Field(
        [32, 64, 128], min_length=1, description="texts to predict, for growth with the rows"
    )
    prediction_rounds: int = Field(3, ge=3, le=1000, description="measurements of each prediction")
    seeds: list[int] = Field(
        [0, 1, 2],
        description="trainings whose accuracy is compared, one per seed; none: not compared",
    )
    accuracy_texts: int = Field(
        160, ge=10, description="training texts of each of them; as many others are predicted"
    )
    accuracy_length: int = Field(64, ge=8, le=8192, description="max_length of each of them")
    accuracy_epochs: int = Field(3, ge=1, le=100, description="epochs of each of them")
    seed: int = Field(42, ge=0, lt=2**32, description="seed of token ids and of the texts drawn")

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _read_commas(cls, given: Any) -> Any:
        if given is None:  # a heading with nothing below it
            return []
        # on a command line: 24,32,64
        return [part for part in given.split(",") if part] if isinstance(given, str) else given

    @field_validator(*LEAST)
    @classmethod
    def _refuse_too_small(cls, given: list[int], info: ValidationInfo) -> list[int]:
        least = LEAST[str(info.field_name)]
        if given and min(given) < least:
            raise ValueError(f"expected numbers from {least} on, found {min(given)}")
        return given

    def sources(self) -> tuple[DataPrepParams, ...]:
        """Return what to read, one dataset each."""
        shared = {
            "text_column": self.text_column,
            "label_column": self.label_column,
            "tokenizer": self.model,
            "max_length": self.longest,
        }
        return tuple(DataPrepParams.of({**shared, "dataset": name}) for name in self.datasets)

    @property
    def longest(self) -> int:
        """The most tokens of a text in any measurement."""
        return max(*self.step_lengths, self.batch_length, self.max_length, self.accuracy_length)

    def as_sections(self) -> dict[str, Parameters]:
        """Return the dataset and the model as the sections of an ordinary study name them."""
        return {
            "data_prep": self.sources()[0],
            "fine_tune": FineTuneParams.of({"model": self.model, "max_length": self.longest}),
        }
