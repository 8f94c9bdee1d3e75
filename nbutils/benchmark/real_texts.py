"""Whole trainings of a few steps on real texts: `transformers.Trainer` and ours, end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbutils.batching import Encoded, encode_texts
from nbutils.benchmark.alternating import Rounds, alternate, nothing_measured
from nbutils.benchmark.children import open_children
from nbutils.benchmark.device import find_device, precisions
from nbutils.benchmark.subject import Subject, Work
from nbutils.benchmark.trainer import TrainerRecipe, build_trainer, rows_of
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.data.loading import load_labelled_texts
from nbutils.described import Described
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.cutting import Cutting
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.api import train_model
from nbutils.training.examples import LabelledBatches

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

PADDED = "Trainer, padded (official example)"  # every text to max_length
DYNAMIC = "Trainer, dynamic padding, fp32"
DYNAMIC_BF16 = "Trainer, dynamic padding, bf16"
OURS = "nbutils"
RATE = 5e-5


@dataclass(frozen=True, repr=False)
class RealTexts(Described):
    """Texts of a dataset with label ids (N,), and the names of the K classes."""

    texts: list[str]
    labels: NDArray[np.int64]
    label_names: tuple[str, ...]

    def take(self, rows: Sequence[int] | NDArray[Any]) -> RealTexts:
        """Return the texts of some rows, in their order."""
        texts = [self.texts[row] for row in rows]
        return RealTexts(texts, self.labels[np.asarray(rows, np.int64)], self.label_names)


def read_parts(source: Mapping[str, Any]) -> tuple[RealTexts, RealTexts | None]:
    """Read a dataset as `DataPrepParams` names it, and its test file; no text is left out.

    Returns
    -------
    tuple
        Its own texts, and those of the test file; None where it names none.
    """
    found = load_labelled_texts(DataPrepParams.of(source))
    labels = found.frame["label"].to_numpy(np.int64)
    whole = RealTexts(found.frame["text"].tolist(), labels, found.label_names)
    is_test = (found.frame["split"] == "test").to_numpy(bool)
    test = whole.take(np.flatnonzero(is_test)) if is_test.any() else None
    return whole.take(np.flatnonzero(~is_test)), test


def draw_rows(seed: int, number: int, *, count: int, total: int) -> NDArray[np.int64]:
    """Return the rows of a round, the same for every variant."""
    random = np.random.default_rng([seed, number + 1])
    return random.choice(total, min(count, total), replace=False)


def training_variants(device: str) -> list[str]:
    """Return the names of the variants that a device can run."""
    bf16 = [DYNAMIC_BF16] if "bf16" in precisions(device) else []
    return [PADDED, DYNAMIC, *bf16, OURS]


def build_training(variant: str, settings: Mapping[str, Any]) -> Subject:
    """Return the subject of one of `training_variants`."""
    return OurTraining(settings) if variant == OURS else TrainerTraining(variant, settings)


class _Texts:
    """What both ways of training share: tokenized texts, and a model with a head for them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.tokenizer = load_tokenizer(settings["model"])
        self.model: Any = None
        self.data = LabelledBatches(Encoded([], None, 0), np.empty(0, np.int64))

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Read and tokenize a dataset, and load the model."""
        found, _ = read_parts(self.settings["sources"][point["dataset"]])
        cutting = Cutting(self.settings["max_length"])
        encoded = encode_texts(found.texts, self.tokenizer, cutting=cutting)
        self.data = LabelledBatches(encoded, found.labels)
        torch.manual_seed(self.settings["seed"])
        model = load_classifier(self.settings["model"], label_names=found.label_names)
        self.model = model.to(self.settings["device"])

    def draw(self, number: int) -> LabelledBatches:
        """Return the texts of a round."""
        count = self.settings["steps"] * self.settings["batch"]
        total = len(self.data.encoded)
        rows = draw_rows(self.settings["seed"], number, count=count, total=total)
        ids = [self.data.encoded.input_ids[row] for row in rows]
        pad = self.data.encoded.pad_token_id
        return LabelledBatches(Encoded(ids, None, pad), self.data.labels[rows])


class OurTraining(_Texts):
    """One epoch by `train_model`."""

    def ready(self, number: int) -> Work:
        """Return a training on the texts of a round."""
        drawn = self.draw(number)
        params = FineTuneParams.of(
            {
                "epochs": 1,
                "batch_size": self.settings["batch"],
                "max_length": self.settings["max_length"],
                "learning_rate": RATE,
                "seed": self.settings["seed"],
            }
        )

        def work() -> dict[str, float]:
            history = train_model(self.model, drawn, validation=None, params=params)
            return _numbers(drawn, len(history.steps), history.steps[-1].loss)

        return work


class TrainerTraining(_Texts):
    """One epoch by `transformers.Trainer`, padded to `max_length` or to the longest of a batch."""

    def __init__(self, variant: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.pad_to = settings["max_length"] if variant == PADDED else None
        self.bf16 = variant == DYNAMIC_BF16

    def ready(self, number: int) -> Work:
        """Return a training on the texts of a round."""
        drawn = self.draw(number)
        recipe = TrainerRecipe(
            epochs=1,
            batch_size=self.settings["batch"],
            learning_rate=RATE,
            seed=self.settings["seed"],
            bf16=self.bf16,
            device=self.settings["device"],
        )
        rows = rows_of(drawn, pad_to=self.pad_to)
        trainer = build_trainer(self.model, rows, self.tokenizer, recipe)

        def work() -> dict[str, float]:
            result = trainer.train()
            trainer.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
            return _numbers(drawn, result.global_step, result.training_loss)

        return work


def _numbers(drawn: LabelledBatches, steps: int, loss: float) -> dict[str, float]:
    return {"tokens": int(drawn.encoded.lengths.sum()), "steps": steps, "loss": float(loss)}


def measure_training(params: BenchmarkParams) -> pd.DataFrame:
    """Measure trainings of `training_steps` steps on each dataset.

    Returns
    -------
    DataFrame
        `dataset`, `variant`, `round`, `seconds`, `tokens` (real ones, without padding), `steps`,
        `tokens_per_second`; no row without `training_rounds`.
    """
    if not params.training_rounds:
        columns = ("dataset", "variant", "round", "seconds", "tokens", "steps")
        return nothing_measured(*columns, "tokens_per_second")
    sources = params.dataset_sources()
    device = find_device(params.device)
    settings = {
        "device": device,
        "model": params.model,
        "sources": {name: source.model_dump(mode="json") for name, source in sources.items()},
        "max_length": params.max_length,
        "steps": params.training_steps,
        "batch": params.step_batch,
        "seed": params.seed,
    }
    points = [{"dataset": name} for name in sources]
    rounds = Rounds(params.training_rounds)
    with open_children("training", training_variants(device), settings) as children:
        found = alternate(children, points, rounds=rounds)
    return found.assign(tokens_per_second=found["tokens"] / found["seconds"])
