"""What happened during a training, step by step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.described import Described


@dataclass(frozen=True)
class StepRecord:
    """One optimiser step. `loss` is the mean over its examples, in nats."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class ValidationRecord:
    """One look at the validation split, after `step` optimiser steps.

    The last three are None where a text may have several labels: there they are not defined.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float
    macro_f1: float
    balanced_accuracy: float | None = None
    mcc: float | None = None
    weighted_f1: float | None = None


@dataclass(repr=False)
class History(Described):
    """The records of a training and how it ended.

    `label_entropy` is the loss, in nats, of a model that has learnt the class shares of the
    training split and nothing else, `least_loss` that of one that knows each label (0 unless
    labels are smoothed). `informed_belief` is the mean probability of right answers halfway from
    the first of the two to the second, where texts have several labels. `batch_tokens` is how many
    tokens, padding included, a forward pass had at most at the end, `notes` what happened on the
    way that a reader should know.
    `dynamics` is the probability of the given label, shape (epochs, training texts); see
    `nbutils.training.dynamics`.
    """

    steps: list[StepRecord] = field(default_factory=list)
    validations: list[ValidationRecord] = field(default_factory=list)
    best_step: int | None = None
    stopped: str = "all epochs done"
    total_steps: int = 0
    label_entropy: float = 0.0
    least_loss: float = 0.0
    informed_belief: float | None = None
    seconds: float = 0.0
    device: str = "cpu"
    precision: str = "fp32"
    batch_tokens: int = 0
    notes: list[str] = field(default_factory=list)
    peak_memory_mib: float = 0.0
    dynamics: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    _title = "Training history"

    def _facts(self) -> dict[str, Any]:
        seen = {}
        if self.steps:
            seen["training loss"] = f"{self.steps[-1].loss:.3f} nats, at the end"
        if self.validations:
            seen["validation accuracy"] = f"{self.validations[-1].accuracy:.1%}, at the end"
        return {
            "steps": f"{len(self.steps):,} of {self.total_steps:,}, epoch {self.epochs:.3g}",
            "ended": self.stopped,
            **seen,
            "best step": "none" if self.best_step is None else self.best_step,
            "time": f"{self.seconds:.0f} s, {self.tokens_per_second:,.0f} tokens/s",
            "computed": f"{self.device}, {self.precision}",
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    @property
    def losses(self) -> list[float]:
        """Training loss of each optimiser step, in nats."""
        return [record.loss for record in self.steps]

    @property
    def train(self) -> pd.DataFrame:
        """One row per optimiser step; the columns are the fields of `StepRecord`."""
        return pd.DataFrame([asdict(record) for record in self.steps], columns=_names(StepRecord))

    @property
    def validation(self) -> pd.DataFrame:
        """One row per validation; the columns are the fields of `ValidationRecord` that it has."""
        rows = [asdict(record) for record in self.validations]
        known = [name for name in _names(ValidationRecord) if not rows or rows[0][name] is not None]
        return pd.DataFrame(rows, columns=known)

    @property
    def tokens_per_second(self) -> float:
        """Real tokens (padding not counted) that the optimiser steps read per second."""
        seconds = sum(record.seconds for record in self.steps)
        return sum(record.tokens for record in self.steps) / seconds if seconds else 0.0

    @property
    def epochs(self) -> float:
        """Epochs trained, 0 when no step was made."""
        return self.steps[-1].epoch if self.steps else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the history as `history.json` holds it: all but the dynamics."""
        values = asdict(replace(self, dynamics=None))
        del values["dynamics"]
        return values


def _names(record: type[StepRecord] | type[ValidationRecord]) -> list[str]:
    return list(record.__dataclass_fields__)
