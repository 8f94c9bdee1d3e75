"""Parameters of `01_data_prep.ipynb`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from nbutils.params.base import StageParameters, split_names
from nbutils.params.cutting import MAX_CHUNKS, Cutting, Truncation


class DataPrepParams(StageParameters):
    """How labelled text is read, cleaned, checked for leakage and split."""

    section: ClassVar[str] = "data_prep"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Most often changed": (
            "dataset", "text_column", "label_column", "max_examples", "test_size", "max_length",
        ),
        "How the data is read": (
            "dataset_config", "dataset_revision", "text_pair_column", "metadata_columns", "task",
            "label_separator", "label_corrections",
        ),
        "Splits": ("test_dataset", "validation_dataset", "validation_size", "split_seed"),
        "Copies, and the baseline": ("deduplicate", "near_duplicate_threshold", "baseline"),
        "What the model will read": (
            "tokenizer", "tokenizer_revision", "truncation", "max_chunks",
        ),
    }  # fmt: skip

    dataset: str = Field(
        "bbc-news",
        min_length=1,
        description="a bundled name (bbc-news), a CSV, TSV, JSONL or Parquet file, a folder with "
        "one sub-folder per class, a saved `datasets` folder, or a hub id",
    )
    dataset_config: str | None = Field(
        None, description="configuration of a hub dataset (GLUE's sst2, say)"
    )
    dataset_revision: str | None = Field(None, description="branch, tag or commit of a hub dataset")
    text_column: str | None = Field(None, description="column with the text; none: found by name")
    text_pair_column: str | None = Field(
        None, description="column with the second text of a pair (premise and hypothesis, say)"
    )
    label_column: str | None = Field(None, description="column with the label; none: found by name")
    metadata_columns: list[str] = Field(
        [],
        description="further columns to keep (source, author, year ...): the error analysis looks "
        "for values of them at which the model fails more",
    )
    task: Literal["auto", "single_label", "multi_label"] = Field(
        "auto",
        description="one label per text, or any number; auto: multi_label where the label column "
        "holds lists or label_separator is set",
    )
    label_separator: str | None = Field(
        None,
        min_length=1,
        max_length=10,
        description="what stands between the labels of one text in a CSV or TSV file (; or |, "
        "say); none: one label, or a JSON list",
    )
    test_dataset: str | None = Field(
        None,
        description="test split: a file, or a split name of the dataset; none: the dataset's own, "
        "where it has one with labels, else cut from it by test_size",
    )
    validation_dataset: str | None = Field(
        None,
        description="validation split: a file, or a split name; none: the dataset's own, else cut "
        "from training by validation_size",
    )
    label_corrections: str | None = Field(
        None,
        description="a filled-in copy of label_suspects.csv: labels to put in the place of those "
        "that were read, or the word delete; nobody moves to another split",
    )
    test_size: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of the examples that becomes the test split, where none is given",
    )
    validation_size: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of the examples that becomes the validation split, where none is given",
    )
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the split alone, so that training seeds share it"
    )
    max_examples: int | None = Field(
        None, ge=10, description="keep at most this many examples, drawn by class share; none: all"
    )
    deduplicate: bool = Field(
        True, description="drop exact copies, and keep near copies of test texts out of training"
    )
    near_duplicate_threshold: float = Field(
        0.7,
        ge=0.4,
        le=1,
        description="word-pair Jaccard similarity from which two texts are near copies",
    )
    tokenizer: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="checkpoint whose tokenizer measures lengths; in a study, the model's own",
    )
    tokenizer_revision: str | None = Field(
        None, description="branch, tag or commit of a hub tokenizer; in a study, the model's own"
    )
    max_length: int = Field(
        128,
        ge=8,
        le=8192,
        description="tokens a text may have, specials included, to count what is cut; in a study, "
        "as in fine_tune",
    )
    truncation: Truncation = Field(
        "head",
        description="what will be read of a longer text, to count what is not; in a study, as in "
        "fine_tune",
    )
    max_chunks: int = Field(
        MAX_CHUNKS,
        ge=2,
        le=256,
        description="chunks read of one text, with truncation chunks; in a study, as in fine_tune",
    )
    baseline: bool = Field(
        True, description="score TF-IDF with logistic regression, the score that BERT has to beat"
    )

    @field_validator("metadata_columns", mode="before")
    @classmethod
    def _split_columns(cls, value: Any) -> Any:
        return split_names(value)

    @property
    def cutting(self) -> Cutting:
        """What is read of a long text."""
        return Cutting(self.max_length, self.truncation, self.max_chunks)

    @model_validator(mode="after")
    def _read_pairs_at_once(self) -> Self:
        if self.text_pair_column is not None and self.truncation == "chunks":
            raise ValueError(
                "truncation: expected head or head_tail for pairs of texts, found chunks"
            )
        return self

    @model_validator(mode="after")
    def _separate_only_sets(self) -> Self:
        if self.task == "single_label" and self.label_separator is not None:
            raise ValueError(
                f"label_separator: expected none with task single_label, found "
                f"{self.label_separator!r}; leave it out, or set task to multi_label"
            )
        return self

    @model_validator(mode="after")
    def _leave_room_for_training(self) -> Self:
        taken = self.test_size + self.validation_size
        if self.test_dataset is None and self.validation_dataset is None and taken >= 0.9:
            raise ValueError(
                f"test_size + validation_size: expected below 0.9, so that training has examples, "
                f"found {self.test_size} + {self.validation_size} = {taken:.2f}"
            )
        return self
