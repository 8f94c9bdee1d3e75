"""Parameters of `benchmark.ipynb`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from nbutils.params.base import Parameters, StageParameters
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams

LISTS = ("datasets", "product_sizes", "step_lengths", "batch_sizes", "row_counts", "seeds")
LEAST = {"product_sizes": 8, "step_lengths": 8, "batch_sizes": 1, "row_counts": 1, "seeds": 0}
LEAST_ROUNDS = 3  # below, there are no quartiles to speak of
FILE_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


class BenchmarkParams(StageParameters):
    """How speed is measured, against transformers' Trainer and the machine's own limit."""

    section: ClassVar[str] = "benchmark"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Most often changed": ("model", "datasets", "test_datasets", "device", "rounds", "seeds"),
        "Columns and seed": ("text_column", "label_column", "seed"),
        "Products and single steps": (
            "product_sizes", "step_lengths", "step_batch", "batch_sizes", "batch_length",
            "seconds_per_point",
        ),
        "Training on real texts": ("max_length", "training_steps", "training_rounds"),
        "Prediction": ("row_counts", "prediction_dataset", "prediction_rounds"),
        "Accuracy": (
            "accuracy_texts", "accuracy_test_texts", "accuracy_length", "accuracy_epochs",
            "accuracy_batch", "accuracy_rate",
        ),
    }  # fmt: skip

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
    test_datasets: list[str | None] = Field(
        [],
        description="test files, one for each of datasets, in their order; none: texts of the "
        "dataset itself are held out; an empty list: so for all",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="what is measured: the fastest device that torch finds, or one by name"
    )
    text_column: str | None = Field(None, description="column with the text; none: found by name")
    label_column: str | None = Field(None, description="column with the label; none: found by name")
    product_sizes: list[int] = Field(
        [1024, 2048, 4096],
        description="rows of square matrices, for the limit; an empty list: not measured",
    )
    step_lengths: list[int] = Field(
        [32, 128, 256],
        description="tokens per text for single optimiser steps; an empty list: not measured",
    )
    step_batch: int = Field(16, ge=1, le=4096, description="texts per step")
    batch_sizes: list[int] = Field(
        [4, 16, 64],
        description="texts per step, for growth with the batch; an empty list: not measured",
    )
    batch_length: int = Field(
        64, ge=8, le=8192, description="tokens per text, for growth with the batch"
    )
    rounds: int = Field(
        5, ge=LEAST_ROUNDS, le=1000, description="measurements of each variant of a step"
    )
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
        3,
        ge=0,
        le=1000,
        description="measurements of each training on real texts, at least 3; 0: not measured",
    )
    row_counts: list[int] = Field(
        [32, 64, 128],
        description="texts to predict, for growth with the rows; an empty list: not measured",
    )
    prediction_dataset: str | None = Field(
        None,
        description="labelled texts to predict; none: the first of test_datasets, or the first of "
        "datasets where there is none",
    )
    prediction_rounds: int = Field(
        3, ge=LEAST_ROUNDS, le=1000, description="measurements of each prediction"
    )
    seeds: list[int] = Field(
        [0, 1, 2],
        description="trainings whose accuracy is compared on each of datasets, one per seed; an "
        "empty list: not compared",
    )
    accuracy_texts: int = Field(160, ge=10, description="training texts of each of them")
    accuracy_test_texts: int = Field(
        160, ge=10, description="texts that each of them predicts; all, if there are fewer"
    )
    accuracy_length: int = Field(64, ge=8, le=8192, description="max_length of each of them")
    accuracy_epochs: int = Field(3, ge=1, le=100, description="epochs of each of them")
    accuracy_batch: int = Field(16, ge=1, le=4096, description="texts per step of each of them")
    accuracy_rate: float = Field(
        1e-4, gt=0, le=1e-2, description="peak learning rate of each of them"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="seed of token ids and of the texts drawn")

    @field_validator(*LISTS, "test_datasets", mode="before")
    @classmethod
    def _read_commas(cls, given: Any, info: ValidationInfo) -> Any:
        if given is None:  # a heading with nothing below it
            return []
        if not isinstance(given, str):
            return given
        # on a command line: 24,32,64 or [24,32,64]
        parts = [part.strip() for part in given.strip().strip("[]").split(",")]
        if info.field_name == "test_datasets":
            named = [None if part.lower() in {"", "none", "null"} else part for part in parts]
            return named if any(named) else []
        return [part for part in parts if part]

    @field_validator(*LEAST)
    @classmethod
    def _refuse_too_small(cls, given: list[int], info: ValidationInfo) -> list[int]:
        least = LEAST[str(info.field_name)]
        if given and min(given) < least:
            raise ValueError(f"expected numbers from {least} on, found {min(given)}")
        if len(set(given)) < len(given):
            raise ValueError(f"expected each number once, found {given}")
        return given

    @field_validator("datasets")
    @classmethod
    def _refuse_the_same_twice(cls, given: list[str]) -> list[str]:
        if len(set(given)) < len(given):
            raise ValueError(f"expected each dataset once, found {', '.join(given)}")
        return given

    @field_validator("training_rounds")
    @classmethod
    def _refuse_too_few(cls, given: int) -> int:
        if 0 < given < LEAST_ROUNDS:
            raise ValueError(f"expected 0, or at least {LEAST_ROUNDS}, found {given}")
        return given

    @model_validator(mode="after")
    def _refuse_what_does_not_fit(self) -> Self:
        if self.test_datasets and len(self.test_datasets) != len(self.datasets):
            raise ValueError(
                f"test_datasets: expected one for each of the {len(self.datasets)} datasets, or "
                f"none at all, found {len(self.test_datasets)}; write none where there is no file"
            )
        sized = (self.product_sizes, self.step_lengths, self.batch_sizes)
        if not any((*sized, self.training_rounds, self.row_counts, self.seeds)):
            raise ValueError(
                "seeds: expected something to measure, found that product_sizes, step_lengths, "
                "batch_sizes, training_rounds, row_counts and seeds are all empty or 0"
            )
        return self

    @property
    def longest(self) -> int:
        """The most tokens of a text in any measurement."""
        return max(*self.step_lengths, self.batch_length, self.max_length, self.accuracy_length)

    def dataset_sources(self) -> dict[str, DataPrepParams]:
        """Return what to train on, with its test file, by the name that tables show."""
        files = self.test_datasets or [None] * len(self.datasets)
        short = [_short_name(dataset) for dataset in self.datasets]
        names = short if len(set(short)) == len(short) else self.datasets
        found = zip(names, self.datasets, files, strict=True)
        return {name: self._source(dataset, file) for name, dataset, file in found}

    def prediction_source(self) -> DataPrepParams:
        """Return what to predict."""
        first = next(iter(self.dataset_sources().values()))
        return self._source(self.prediction_dataset) if self.prediction_dataset else first

    def sources(self) -> tuple[DataPrepParams, ...]:
        """Return all that is read."""
        found = [*self.dataset_sources().values(), self.prediction_source()]
        return tuple(source for at, source in enumerate(found) if source not in found[:at])

    def as_sections(self) -> dict[str, Parameters]:
        """Return the dataset and the model as the sections of an ordinary study name them."""
        return {
            "data_prep": self.sources()[0],
            "fine_tune": FineTuneParams.of({"model": self.model, "max_length": self.longest}),
        }

    def _source(self, dataset: str, test_dataset: str | None = None) -> DataPrepParams:
        return DataPrepParams.of(
            {
                "dataset": dataset,
                "test_dataset": test_dataset,
                "text_column": self.text_column,
                "label_column": self.label_column,
                "task": "single_label",
                "tokenizer": self.model,
                "max_length": self.longest,
            }
        )


def _short_name(dataset: str) -> str:
    """Return a file's name without folder and ending; other names as they are."""
    path = PurePath(dataset)
    return path.stem if path.suffix.lower() in FILE_ENDINGS else dataset
