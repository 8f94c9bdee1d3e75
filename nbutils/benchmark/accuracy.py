"""The same result: accuracy after a training by Trainer in fp32 and after one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbutils.batching import encode_texts
from nbutils.benchmark.alternating import Rounds, alternate
from nbutils.benchmark.children import open_children
from nbutils.benchmark.real_texts import DYNAMIC, OURS, draw_rows, read_texts
from nbutils.benchmark.subject import Subject, Work
from nbutils.benchmark.trainer import TrainerRecipe, build_trainer, rows_of
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.cutting import Cutting
from nbutils.training.api import fine_tune
from nbutils.training.examples import LabelledBatches

if TYPE_CHECKING:
    import pandas as pd

RATE = 1e-4
ACCURACY_VARIANTS = (DYNAMIC, OURS)


def build_accuracy(variant: str, settings: Mapping[str, Any]) -> Subject:
    """Return the subject of one of `ACCURACY_VARIANTS`."""
    return OurResult(settings) if variant == OURS else TrainerResult(settings)


class _Split:
    """Texts to train on and texts to predict, the same for every seed and both variants."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings, self.seed = settings, 0
        found = read_texts(settings["source"])
        count = min(2 * settings["texts"], len(found.texts))
        rows = draw_rows(settings["seed"], 0, count=count, total=len(found.texts))
        self.names = found.label_names
        half = count // 2
        self.train_texts, self.test_texts = (
            [found.texts[row] for row in part] for part in (rows[:half], rows[half:])
        )
        self.train_labels, self.test_labels = (
            found.labels[part] for part in (rows[:half], rows[half:])
        )

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Take the seed of the next training."""
        self.seed = int(point["seed"])

    def numbers(self, predicted: Any) -> dict[str, float]:
        """Return the accuracy of predicted label ids."""
        return {"accuracy": float(np.mean(np.asarray(predicted) == self.test_labels))}


class OurResult(_Split):
    """`nbutils.fine_tune` and its prediction."""

    def ready(self, number: int) -> Work:
        """Return a training with a prediction."""
        settings = self.settings

        def work() -> dict[str, float]:
            classifier = fine_tune(
                self.train_texts,
                self.train_labels.tolist(),
                model=settings["model"],
                max_length=settings["max_length"],
                epochs=settings["epochs"],
                batch_size=settings["batch"],
                learning_rate=RATE,
                seed=self.seed,
            )
            return self.numbers(classifier.predict(self.test_texts).labels)

        return work


class TrainerResult(_Split):
    """`transformers.Trainer` in fp32 with dynamic padding, and its prediction."""

    def ready(self, number: int) -> Work:
        """Return a training with a prediction."""
        settings = self.settings
        tokenizer = load_tokenizer(settings["model"])
        cutting = Cutting(settings["max_length"])
        train, test = (
            LabelledBatches(encode_texts(texts, tokenizer, cutting=cutting), ids)
            for texts, ids in (
                (self.train_texts, self.train_labels),
                (self.test_texts, self.test_labels),
            )
        )
        torch.manual_seed(self.seed)
        model = load_classifier(settings["model"], label_names=self.names)
        recipe = TrainerRecipe(settings["epochs"], settings["batch"], RATE, self.seed)
        trainer = build_trainer(model, rows_of(train), tokenizer, recipe)

        def work() -> dict[str, float]:
            trainer.train()
            return self.numbers(trainer.predict(rows_of(test)).predictions.argmax(1))

        return work


def measure_accuracy(params: BenchmarkParams) -> pd.DataFrame:
    """Train both ways with each seed, in turn.

    Returns
    -------
    DataFrame
        `seed`, `variant`, `seconds`, `accuracy`; empty where `seeds` is.
    """
    import pandas as pd

    if not params.seeds:
        return pd.DataFrame(columns=["seed", "variant", "round", "seconds", "accuracy"])
    settings = {
        "model": params.model,
        "source": params.sources()[0].model_dump(mode="json"),
        "max_length": params.accuracy_length,
        "texts": params.accuracy_texts,
        "epochs": params.accuracy_epochs,
        "batch": params.step_batch,
        "seed": params.seed,
    }
    points = [{"seed": seed} for seed in params.seeds]
    with open_children("accuracy", ACCURACY_VARIANTS, settings) as children:
        return alternate(children, points, rounds=Rounds(1), warm_up=False)


def compare_accuracy(measurements: pd.DataFrame) -> dict[str, float] | None:
    """Return the mean difference of the accuracies, ours minus Trainer's, over seeds.

    The 95 % interval is Student's for paired differences; of a single seed it is unknown (NaN).

    Returns
    -------
    dict or None
        `difference`, `low`, `high`, `seeds`, `stock`, `nbutils`; None: nothing was measured.
    """
    from scipy import stats

    if measurements.empty:
        return None
    scores = measurements.pivot(index="seed", columns="variant", values="accuracy")
    differences = (scores[OURS] - scores[DYNAMIC]).to_numpy(float)
    n, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) / n**0.5 if n > 1 else float("nan")
    half = float(stats.t.ppf(0.975, n - 1)) * spread if n > 1 else float("nan")
    return {
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "seeds": n,
        "stock": float(scores[DYNAMIC].mean()),
        "nbutils": float(scores[OURS].mean()),
    }
