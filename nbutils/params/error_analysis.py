"""Parameters of `03_error_analysis.ipynb`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from nbutils.errors import suggest
from nbutils.params.base import StageParameters, split_names

SECTIONS = (
    "scores", "confusion", "mistakes", "surest", "saliency", "neighbours", "slices", "truncation",
    "leakage", "calibration", "abstention", "suspects", "perturbations", "dynamics", "shift",
)  # fmt: skip


class ErrorAnalysisParams(StageParameters):
    """What is looked at in the fine-tuned model's mistakes."""

    section: ClassVar[str] = "error_analysis"

    model_dir: str | None = Field(
        None,
        description="finished fine_tune folder; none: the newest under runs/",
        json_schema_extra={"plumbing": True},
    )
    data_dir: str | None = Field(
        None,
        description="finished data_prep folder; none: the one that the model was trained on",
        json_schema_extra={"plumbing": True},
    )
    skip: list[str] = Field([], description=f"sections to leave out: any of {', '.join(SECTIONS)}")
    worst_examples: int = Field(
        20, ge=0, le=1000, description="most confident mistakes shown with their texts"
    )
    explain_examples: int = Field(
        10,
        ge=0,
        le=200,
        description="most confident mistakes explained by their words and nearest training texts",
    )
    perturbations: int = Field(
        100, ge=0, le=10_000, description="test texts that are changed a little and predicted again"
    )
    label_issues: Literal["held_out", "cross_validate", "off"] = Field(
        "held_out",
        description="whose labels are checked: those of validation and test, or those of training "
        "too, by cross-validation, which trains label_issue_folds times more",
    )
    label_issue_folds: int = Field(
        3, ge=2, le=20, description="trainings of the cross-validation, with label_issues"
    )
    calibration_bins: int = Field(
        10, ge=2, le=100, description="bins of as many predictions each in the calibration curve"
    )
    target_error: float = Field(
        0.02, gt=0, lt=1, description="share of its answers that may be wrong where it may abstain"
    )
    seed: int = Field(
        42,
        ge=0,
        lt=2**32,
        description="seed of intervals, of texts that are drawn, of perturbations and of the "
        "cross-validation",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_off(cls, values: Any) -> Any:
        """Read a bare ``off`` of YAML, which is false there."""
        if isinstance(values, dict) and values.get("label_issues") is False:
            return {**values, "label_issues": "off"}
        return values

    @field_validator("skip", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_names(value)

    @field_validator("skip")
    @classmethod
    def _know(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in SECTIONS:
                raise ValueError(f"{name!r} is no section{suggest(name, SECTIONS)}")
        return names
