"""The same result: accuracy after a training by Trainer in fp32 and after one of ours."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from nbutils.batching import encode_texts
from nbutils.benchmark import worker
from nbutils.benchmark.alternating import nothing_measured
from nbutils.benchmark.children import Child, open_children
from nbutils.benchmark.device import find_device
from nbutils.benchmark.kept import KeptResults
from nbutils.benchmark.real_texts import DYNAMIC, OURS, read_parts
from nbutils.benchmark.splits import draw_split
from nbutils.benchmark.subject import Subject, Work
from nbutils.benchmark.trainer import TrainerRecipe, build_trainer, rows_of
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.code_fingerprints import library_fingerprint
from nbutils.data.fingerprints import fingerprint_source
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.cutting import Cutting
from nbutils.processor import describe_processor
from nbutils.training.api import fine_tune
from nbutils.training.examples import LabelledBatches

if TYPE_CHECKING:
    import pandas as pd

ACCURACY_VARIANTS = (DYNAMIC, OURS)
COLUMNS = ("dataset", "seed", "variant", "round", "seconds", "accuracy", "training_texts")
DECISIVE = ("nbutils", "torch", "transformers", "accelerate", "tokenizers", "numpy")


class Watcher(Protocol):
    """Somebody who looks on."""

    def on_piece(self, done: int, total: int, doing: str) -> None:
        """Be told what is begun, and how many pieces of work are done; at the end of nothing."""


def build_accuracy(variant: str, settings: Mapping[str, Any]) -> Subject:
    """Return the subject of one of `ACCURACY_VARIANTS`."""
    return OurResult(settings) if variant == OURS else TrainerResult(settings)


class _Result:
    """A training on a split, and the accuracy on its other texts."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings, self.seed = settings, 0
        self.dataset = ""
        self.split: Any = None

    def prepare(self, point: Mapping[str, Any]) -> None:
        """Take the dataset and the seed of the next training."""
        self.seed = int(point["seed"])
        if point["dataset"] == self.dataset:
            return
        self.dataset = point["dataset"]
        train, test = read_parts(self.settings["sources"][self.dataset])
        sizes = (self.settings["texts"], self.settings["test_texts"])
        self.split = draw_split(train, test, sizes=sizes, seed=self.settings["seed"])

    def numbers(self, predicted: Any) -> dict[str, float]:
        """Return the accuracy of predicted labels, and how many texts there were."""
        right = np.asarray(predicted) == self.split.test.labels
        counts = {"training_texts": len(self.split.train.texts), "test_texts": len(right)}
        return {"accuracy": float(right.mean()), **counts}


class OurResult(_Result):
    """`nbutils.fine_tune` and its prediction."""

    def ready(self, number: int) -> Work:
        """Return a training with a prediction."""
        settings, split = self.settings, self.split

        def work() -> dict[str, float]:
            classifier = fine_tune(
                split.train.texts,
                split.train.labels.tolist(),
                model=settings["model"],
                max_length=settings["max_length"],
                epochs=settings["epochs"],
                batch_size=settings["batch"],
                learning_rate=settings["rate"],
                seed=self.seed,
            )
            return self.numbers(classifier.predict(split.test.texts).labels)

        return work


class TrainerResult(_Result):
    """`transformers.Trainer` in fp32 with dynamic padding, and its prediction."""

    def ready(self, number: int) -> Work:
        """Return a training with a prediction."""
        settings, split = self.settings, self.split
        tokenizer = load_tokenizer(settings["model"])
        classes, ids = np.unique(split.train.labels, return_inverse=True)
        unknown = np.zeros(len(split.test.texts), np.int64)  # Trainer needs some to predict
        train, test = (
            LabelledBatches(
                encode_texts(part.texts, tokenizer, cutting=Cutting(settings["max_length"])), labels
            )
            for part, labels in ((split.train, ids), (split.test, unknown))
        )
        torch.manual_seed(self.seed)  # the head is the one that ours draws
        names = [split.train.label_names[k] for k in classes]
        model = load_classifier(settings["model"], label_names=names)
        recipe = TrainerRecipe(
            epochs=settings["epochs"],
            batch_size=settings["batch"],
            learning_rate=settings["rate"],
            seed=self.seed,
            device=settings["device"],
        )
        trainer = build_trainer(model, rows_of(train), tokenizer, recipe)

        def work() -> dict[str, float]:
            trainer.train()
            predicted = trainer.predict(rows_of(test)).predictions.argmax(1)
            return self.numbers(classes[predicted])

        return work


def measure_accuracy(
    params: BenchmarkParams, *, folder: Path | None = None, watcher: Watcher | None = None
) -> pd.DataFrame:
    """Train both ways with each seed, in turn, on each dataset.

    Parameters
    ----------
    params
        Texts, recipe and seeds; no seeds: nothing is trained.
    folder
        Where the result of each finished training is kept, so that the same call goes on after a
        kill; None: nowhere.
    watcher
        Told of each training.

    Returns
    -------
    DataFrame
        `dataset`, `seed`, `variant`, `round`, `seconds`, `accuracy`, `training_texts`,
        `test_texts`: one row per training.
    """
    import pandas as pd

    if not params.seeds:
        return nothing_measured(*COLUMNS, "test_texts")
    kept, identities = KeptResults(folder), _identities(params)
    trials = list(_trials(params))
    found = [kept.find(_identity(identities, trial)) for trial in trials]
    missing = [trial for trial, numbers in zip(trials, found, strict=True) if numbers is None]
    needed = [name for name in ACCURACY_VARIANTS if name in {t["variant"] for t in missing}]
    records = []
    with open_children("accuracy", needed, _settings(params)) as children:
        for done, (trial, numbers) in enumerate(zip(trials, found, strict=True)):
            if numbers is None:
                if watcher is not None:
                    watcher.on_piece(done, len(trials), _describe(trial))
                numbers = _train(children[trial["variant"]], trial)
                kept.keep(_identity(identities, trial), numbers)
            records.append({**trial, "round": 0, **numbers})
    if watcher is not None:
        watcher.on_piece(len(trials), len(trials), "")
    return pd.DataFrame(records)


def _trials(params: BenchmarkParams) -> Iterator[dict[str, Any]]:
    for dataset in params.dataset_sources():
        for seed in params.seeds:
            for variant in ACCURACY_VARIANTS:
                yield {"dataset": dataset, "seed": seed, "variant": variant}


def _describe(trial: Mapping[str, Any]) -> str:
    return f"training on {trial['dataset']} with seed {trial['seed']} by {trial['variant']}"


def _train(child: Child, trial: Mapping[str, Any]) -> dict[str, float]:
    child.prepare({name: trial[name] for name in ("dataset", "seed")})
    return child.run(0)


def _settings(params: BenchmarkParams) -> dict[str, Any]:
    sources = params.dataset_sources().items()
    return {**_recipe(params), "sources": {name: s.model_dump(mode="json") for name, s in sources}}


def _recipe(params: BenchmarkParams) -> dict[str, Any]:
    return {
        "device": find_device(params.device),
        "model": params.model,
        "max_length": params.accuracy_length,
        "texts": params.accuracy_texts,
        "test_texts": params.accuracy_test_texts,
        "epochs": params.accuracy_epochs,
        "batch": params.accuracy_batch,
        "rate": params.accuracy_rate,
        "seed": params.seed,
    }


def _identities(params: BenchmarkParams) -> dict[str, dict[str, Any]]:
    """Return all that a training on each dataset depends on, beside its seed and its variant."""
    shared = {
        **_recipe(params),
        "checkpoint": fingerprint_checkpoint(params.model),
        "versions": {name: importlib.metadata.version(name) for name in DECISIVE},
        "code": library_fingerprint(__name__, worker.__name__),
        "processor": describe_processor(),
    }
    return {
        name: {**shared, "data": [fingerprint_source(source), source.model_dump(mode="json")]}
        for name, source in params.dataset_sources().items()
    }


def _identity(
    identities: Mapping[str, Mapping[str, Any]], trial: Mapping[str, Any]
) -> dict[str, Any]:
    return {**identities[trial["dataset"]], "trial": dict(trial)}
