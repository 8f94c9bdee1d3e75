"""A small fine-tuned model in its folder, with the errors of its predictions on known texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from conftest import make_reviews, make_topics
from datasets import Dataset, DatasetDict

import nbutils
from nbutils.analysis.errors import Errors, find_errors
from nbutils.analysis.saved_model import SavedModel
from nbutils.label_sets import set_column, to_sets
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.saved import load_fine_tuned


@dataclass(frozen=True)
class Finished:
    """A finished fine_tune folder, the data that it was trained on, and its errors."""

    folder: Path
    data: DatasetDict
    errors: Errors

    @property
    def model(self) -> SavedModel:
        """Return the model as a section opens it: nothing is kept of what others computed."""
        return SavedModel(self.folder, self.errors)


def finish_reviews(folder: Path, model: Path, **changes: object) -> Finished:
    """Train on reviews; six test reviews carry the wrong label, so that there are mistakes.

    Padding is taught as of both classes, so that whatever the model is sure of has its words.
    """
    reviews = make_reviews(120, seed=1)
    padding = [" ".join(["[PAD]"] * n) for n in range(1, 13) for _ in range(2)]
    classifier = nbutils.fine_tune(
        [*reviews["text"][:80], *padding],
        [*reviews["label"][:80], *["neg", "pos"] * (len(padding) // 2)],
        params=_recipe(model, **changes),
    )
    classifier.save(folder / "model")
    ids = (reviews["label"] == "pos").astype(int).to_numpy(copy=True)
    ids[80:86] = 1 - ids[80:86]
    frame = pd.DataFrame({"example_id": range(120), "text": reviews["text"], "label": ids})
    return Finished(folder, _split(frame), ask_all(frame.iloc[80:], folder).errors)


def finish_topics(folder: Path, model: Path) -> Finished:
    """Train on reviews with any number of labels; six test reviews carry other sets of them."""
    topics = make_topics(120, seed=1)
    classifier = nbutils.fine_tune(
        topics["text"][:80].tolist(),
        topics["labels"][:80].tolist(),
        params=_recipe(model),
    )
    classifier.save(folder / "model")
    names = classifier.classes.names
    sets = [sorted(names.index(name) for name in own) for own in topics["labels"]]
    for row in range(80, 86):
        sets[row] = [0] if sets[row] != [0] else [1, 2]
    frame = pd.DataFrame({"example_id": range(120), "text": topics["text"], "label": sets})
    return Finished(folder, _split(frame), ask_all(frame.iloc[80:], folder).errors)


def ask_all(test: pd.DataFrame, folder: Path) -> SavedModel:
    """Return a saved model with its errors on test texts with known labels, or on pairs."""
    classifier = replace(load_fine_tuned(folder), reads_pairs="text_pair" in test.columns)
    names = classifier.classes.names
    texts = [test[name].tolist() for name in ("text", "text_pair") if name in test.columns]
    pred_probs = classifier.predict(*texts).pred_probs
    several = classifier.thresholds is not None
    sets = set_column(to_sets(classifier.decide(pred_probs)))
    predictions = pd.DataFrame(
        {
            "example_id": test["example_id"].to_numpy(),
            "split": "test",
            "label": set_column(test["label"]) if several else test["label"].to_numpy(),
            "predicted": sets if several else pred_probs.argmax(axis=1),
            **{f"prob_{name}": pred_probs[:, k] for k, name in enumerate(names)},
        }
    )
    columns = [name for name in ("example_id", "text", "text_pair") if name in test.columns]
    return SavedModel(folder, find_errors(predictions, test[columns], label_names=names))


def _recipe(model: Path, **changes: object) -> FineTuneParams:
    return FineTuneParams.of(
        {
            "model": str(model),
            "epochs": 16,
            "batch_size": 8,
            "learning_rate": 2e-3,
            "warmup_fraction": 0.1,
            "max_length": 16,
            "precision": "fp32",
            **changes,
        }
    )


def _split(frame: pd.DataFrame) -> DatasetDict:
    parts = {"train": frame.iloc[:80], "test": frame.iloc[80:]}
    return DatasetDict(
        {name: Dataset.from_pandas(part, preserve_index=False) for name, part in parts.items()}
    )
