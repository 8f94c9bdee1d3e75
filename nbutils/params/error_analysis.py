"""Parameters of `03_error_analysis.ipynb`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator

from nbutils.errors import suggest
from nbutils.params.base import StageParameters

SECTIONS = (
    "scores", "confusion", "mistakes", "suspects", "slices", "truncation", "leakage",
    "calibration", "abstention", "perturbations", "dynamics", "shift", "saliency", "neighbours",
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
    calibration_bins: int = Field(
        10, ge=2, le=100, description="bins of as many predictions each in the calibration curve"
    )
    target_error: float = Field(
        0.02, gt=0, lt=1, description="share of its answers that may be wrong where it may abstain"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="seed of the bootstrap")

    @field_validator("skip", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Read ``a, b`` of a command line, and ``none`` or nothing as none of them."""
        if value is None:
            return []
        if not isinstance(value, str):
            return value
        return [name for part in value.strip("[] ").split(",") if (name := part.strip(" '\""))]

    @field_validator("skip")
    @classmethod
    def _know(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in SECTIONS:
                raise ValueError(f"{name!r} is no section{suggest(name, SECTIONS)}")
        return names
