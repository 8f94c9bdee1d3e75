"""Parameters of `02_fine_tune.ipynb`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from nbutils.params.base import StageParameters
from nbutils.params.cutting import MAX_CHUNKS, Cutting, Truncation

LEAST_WEIGHT, MOST_WEIGHT = 1e-20, 1e20  # of a class: losses of both fit into a float32
NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
HIGHEST_USUAL_RATE = 1e-4
HIGHEST_LORA_RATE = 1e-3  # the pretrained weights stay as they are
MOST_USUAL_EPOCHS = 8
MOST_EPOCHS = 100


class FineTuneParams(StageParameters):
    """How the pretrained model is fine-tuned, and how its best state is chosen."""

    section: ClassVar[str] = "fine_tune"
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Most often changed": (
            "model", "max_length", "epochs", "learning_rate", "batch_size", "class_weights",
        ),
        "Model and long texts": ("revision", "trust_remote_code", "truncation", "max_chunks"),
        "Stopping, selection, seed": (
            "max_steps", "time_limit_minutes", "eval_steps", "early_stopping_patience",
            "selection_metric", "seed",
        ),
        "Optimiser and loss": (
            "gradient_accumulation", "weight_decay", "warmup_fraction", "layerwise_decay",
            "max_grad_norm", "label_smoothing", "attention_dropout",
        ),
        "Fewer weights, less memory": (
            "freeze_layers", "lora_rank", "precision", "batch_tokens", "gradient_checkpointing",
        ),
    }  # fmt: skip

    data_dir: str | None = Field(
        None,
        description="finished data_prep folder; none: the newest under runs/",
        json_schema_extra={"plumbing": True},
    )
    keep_states: bool = Field(
        False,
        description="leave the states of the training to the runner, which removes them",
        json_schema_extra={"plumbing": True},
    )
    model: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="a bundled name (all-MiniLM-L6-v2), a folder, or a hub id (bert-base-uncased)",
    )
    revision: str | None = Field(None, description="branch, tag or commit of a hub model")
    trust_remote_code: bool = Field(
        False, description="run Python code that comes with the model; false: refuse to need any"
    )
    max_length: int = Field(
        128, ge=8, le=8192, description="tokens a text may have before it is cut, specials included"
    )
    truncation: Truncation = Field(
        "head",
        description="what is read of a longer text: its first tokens (head), the first and the "
        "last (head_tail), or all of it in chunks whose logits are averaged (chunks)",
    )
    max_chunks: int = Field(
        MAX_CHUNKS, ge=2, le=256, description="chunks read of one text, with truncation chunks"
    )
    epochs: int = Field(3, ge=1, le=MOST_EPOCHS, description="passes over the training split")
    max_steps: int | None = Field(
        None, ge=1, description="optimiser steps after which it ends; none: after all epochs"
    )
    time_limit_minutes: float | None = Field(
        None, gt=0, description="training time after which it ends in order; none: no limit"
    )
    learning_rate: float = Field(
        5e-5,
        gt=0,
        le=1e-2,
        description="peak of the schedule; 2e-5 to 1e-4 is usual for BERT, 1e-4 to 1e-3 with "
        "lora_rank",
    )
    batch_size: int = Field(16, ge=1, le=4096, description="examples per forward pass at most")
    gradient_accumulation: int = Field(1, ge=1, le=1024, description="batches per optimiser step")
    batch_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens per forward pass at most, padding included; a longer batch takes "
        "several, to the same step (dropout draws anew); none: what suits the device",
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="AdamW decay, not applied to biases and LayerNorm"
    )
    warmup_fraction: float = Field(
        0.1, ge=0, le=1, description="share of the steps in which the learning rate rises"
    )
    layerwise_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="factor of the learning rate per layer downwards from the top; none: 1",
    )
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this L2 norm")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="probability mass spread over all classes in the target"
    )
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none",
        description="balanced: rare classes weigh more, by inverse frequency; or weights by label "
        "name, {spam: 2.0} say, those left out being 1",
    )
    freeze_layers: int | None = Field(
        None,
        ge=0,
        description="encoder layers that stay as pretrained, and the embeddings; 0: those alone; "
        "none: all train",
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="rank of low-rank updates that train beside the head, needs the extra lora; "
        "none: all weights train",
    )
    attention_dropout: float | None = Field(
        None,
        ge=0,
        le=0.9,
        description="dropout of attention weights, to the nearest 1/128 where the masks are ours "
        "(on a CPU); none: the checkpoint's own",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="arithmetic of matrix products; auto: bf16 where the device has it"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, slower"
    )
    eval_steps: int | None = Field(
        None, ge=1, description="optimiser steps between validations; none: once per epoch"
    )
    early_stopping_patience: int | None = Field(
        None, ge=1, description="validations without a better score before stopping; none: never"
    )
    selection_metric: Literal[
        "accuracy", "macro_f1", "loss", "balanced_accuracy", "mcc", "weighted_f1"
    ] = Field(
        "accuracy",
        description="validation score by which the best checkpoint is chosen; accuracy of several "
        "labels per text counts the texts whose labels are all right",
    )
    seed: int = Field(
        42, ge=0, lt=2**32, description="seed of head initialisation, example order and dropout"
    )

    @property
    def cutting(self) -> Cutting:
        """What is read of a long text."""
        return Cutting(self.max_length, self.truncation, self.max_chunks)

    @property
    def highest_usual_rate(self) -> float:
        """The learning rate above which a training usually fails."""
        return HIGHEST_USUAL_RATE if self.lora_rank is None else HIGHEST_LORA_RATE

    @field_validator("class_weights", mode="before")
    @classmethod
    def _read_weights(cls, value: Any) -> Any:
        weights = _as_mapping(value)
        if weights is None:
            if value in ("none", "balanced"):
                return value
            raise ValueError(
                f"should be 'none' or 'balanced', or weights by label like {{spam: 2.0}}, found "
                f"{value!r}"
            )
        found: dict[str, float] = {}
        for name, weight in weights.items():
            number = _read_number(weight)
            if number is None or not LEAST_WEIGHT <= number <= MOST_WEIGHT:
                raise ValueError(
                    f"weight of {name!r}: expected a number from {LEAST_WEIGHT:g} to "
                    f"{MOST_WEIGHT:g}, found {weight!r}"
                )
            if str(name) in found:
                raise ValueError(
                    f"weight of {name!r}: expected one, found two; a number and its text are the "
                    "same label"
                )
            found[str(name)] = float(number)
        return found

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if self.lora_rank is not None and self.freeze_layers is not None:
            raise ValueError(
                f"lora_rank: expected no freeze_layers beside it, found {self.freeze_layers}; "
                "low-rank updates leave all pretrained weights as they are: drop one of the two"
            )
        return self

    def cautions(self, *, few_texts: bool = False) -> list[str]:
        """Return one sentence for each value that is allowed and usually a mistake.

        Parameters
        ----------
        few_texts
            Whether the training texts are known to be few: then many epochs are no mistake.
        """
        found = []
        if self.trust_remote_code:
            found.append(
                f"trust_remote_code is true: Python code that comes with {self.model} runs with "
                "all the rights of whoever starts the training; read it before you run it again"
            )
        highest = self.highest_usual_rate
        if self.learning_rate > highest:
            found.append(
                f"learning_rate {self.learning_rate:g} is above {highest:g}: {self._rate_risk()}"
            )
        if self.epochs > MOST_USUAL_EPOCHS and not few_texts and self.max_steps is None:
            found.append(
                f"epochs {self.epochs} is above {MOST_USUAL_EPOCHS}: unless texts are few, BERT "
                "needs 2 to 4 and then learns the training texts by heart; watch the validation "
                "loss, or set early_stopping_patience"
            )
        return found

    def _rate_risk(self) -> str:
        if self.lora_rank is not None:
            return "the loss often diverges; 1e-4 to 1e-3 is usual for low-rank updates"
        where = "" if self.freeze_layers is None else " in the layers that are not frozen"
        usual = "2e-5 to 1e-4 is usual for BERT"
        if self.freeze_layers is not None:
            usual += ", and more where all its layers are frozen"
        return (
            f"steps this large overwrite what pretraining learnt{where}, and the loss often "
            f"diverges; {usual}"
        )


def _as_mapping(value: Any) -> dict[Any, Any] | None:
    """Return a mapping, or the one that a string from the command line holds; None: it is none."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        from nbutils.params.strict_yaml import parse_value

        value = parse_value(value)
    return value if isinstance(value, dict) else None


def _read_number(value: Any) -> float | None:
    """Return a number, also one that YAML takes for text, such as 1e-3; None: it is none."""
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
