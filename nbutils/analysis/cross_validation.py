"""Predictions of the training texts by models that were not trained on them.

A model's own probabilities of its training texts say how well it has learnt them by heart. Here
the training is done once for each fold of the texts, by the same recipe and without that fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils import __version__
from nbutils.analysis.mistakes import texts_of
from nbutils.artifacts import digest, read_json
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.data.duplicates import find_duplicates
from nbutils.data.stratifying import assign_parts
from nbutils.errors import NotApplicableError
from nbutils.label_sets import IntArray, LabelSet, holds_sets, set_column
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction_files import read_predictions, write_predictions

if TYPE_CHECKING:
    from nbutils.training.watcher import Watcher


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-sample predictions of the training texts, by K trainings.

    Parameters
    ----------
    data
        Splits `train` and `validation`, as data preparation saves them. Each fold's training
        chooses its best state by the validation split, as the model's did.
    model_dir
        A finished fine_tune folder, whose recipe is followed.
    n_folds
        K: each text is predicted by a model that was trained on the share (K - 1) / K of the rest.
    seed
        Of the folds; the trainings take the recipe's.
    states
        Where each finished fold is kept, so that a killed run goes on; none: nowhere.
    watch
        Makes a watcher of a training, given its title; none: nobody looks.
    """

    data: Mapping[str, Any]
    model_dir: Path
    n_folds: int = 3
    seed: int = 42
    states: Path | None = None
    watch: Callable[[str], Watcher] | None = None

    def texts(self) -> pd.DataFrame:
        """Return `example_id, text[, text_pair]` of the training texts."""
        return texts_of(self.data, splits=["train"])

    def predict(self) -> pd.DataFrame:
        """Return `example_id, split, label, predicted, prob_<label>...`, a row for each text.

        Raises
        ------
        NotApplicableError
            There are too few texts, the fine_tune folder does not know its recipe, or somebody
            has stopped a training by hand.
        """
        recipe = load_recipe(self.model_dir)
        train = _frame(self.data["train"])
        fold_of = assign_folds(train, n_folds=self.n_folds, seed=self.seed)
        parts = []
        for fold in range(self.n_folds):
            kept = None
            if self.states is not None:
                name = _identify(recipe, [train, _frame(self.data["validation"])], fold_of == fold)
                kept = self.states / f"fold-{fold + 1}-{name}.parquet"
            parts.append(self._predict_fold(fold, fold_of, recipe, kept))
        return pd.concat(parts, ignore_index=True)

    def _predict_fold(
        self, fold: int, fold_of: IntArray, recipe: FineTuneParams, kept: Path | None
    ) -> pd.DataFrame:
        if kept is not None and kept.is_file():
            return read_predictions(kept)
        from datasets import DatasetDict

        from nbutils.training.api import fine_tune
        from nbutils.training.limits import is_stopped_by_hand
        from nbutils.training.results import predict_splits

        train, validation = self.data["train"], self.data["validation"]
        others = train.select(np.flatnonzero(fold_of != fold))
        title = f"fold {fold + 1} of {self.n_folds}"
        classifier = fine_tune(
            DatasetDict({"train": others, "validation": validation}),
            params=recipe,
            watcher=None if self.watch is None else self.watch(title),
        )
        held_out = DatasetDict({"train": train.select(np.flatnonzero(fold_of == fold))})
        if is_stopped_by_hand(classifier.history):
            raise NotApplicableError(
                f"the cross-validation was stopped by hand in {title}, and says nothing of the "
                "labels; run it again, which goes on from the last finished fold"
            )
        predictions = predict_splits(classifier, held_out, splits=["train"])
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_predictions(kept, predictions)
        return predictions


def load_recipe(model_dir: Path) -> FineTuneParams:
    """Return the recipe that a model was fine-tuned by.

    Raises
    ------
    NotApplicableError
        The folder was made by a version that did not note it.
    """
    recipe = read_json(model_dir / "history.json").get("recipe")
    if recipe is None:
        raise NotApplicableError(
            f"{model_dir / 'history.json'}: expected the recipe of the training, found none; "
            "fine-tune again, or set label_issues to held_out"
        )
    return FineTuneParams.of(recipe)


def assign_folds(frame: pd.DataFrame, *, n_folds: int, seed: int) -> IntArray:
    """Return the fold of each of N texts, shape (N,), in [0, n_folds).

    Each fold has its share of every label. Near copies share a fold: a model that has seen the
    copy with its label would confirm the label of the other.

    Parameters
    ----------
    frame
        `example_id, text[, text_pair], label`.
    n_folds
        At least two.
    seed
        Of the draw.

    Raises
    ------
    NotApplicableError
        There are fewer than two texts for each fold.
    """
    if len(frame) < 2 * n_folds:
        raise NotApplicableError(
            f"expected at least {2 * n_folds} training texts for {n_folds} folds, found "
            f"{len(frame)}"
        )
    several = holds_sets(frame["label"])
    sets: list[LabelSet] = [ids if several else (int(ids),) for ids in frame["label"]]
    counts = np.bincount([label for ids in sets for label in ids])
    names = [str(fold) for fold in range(n_folds)]
    chosen = assign_parts(
        sets,
        find_duplicates(frame).group,
        rows={name: (len(sets) + k) // n_folds for k, name in enumerate(names)},
        labels={name: (counts + k) // n_folds for k, name in enumerate(names)},
        seed=seed,
    )
    return chosen.astype(np.int64)


def _frame(split: Any) -> pd.DataFrame:
    frame: pd.DataFrame = split.to_pandas()
    if frame["label"].dtype != object:
        return frame
    return frame.assign(label=set_column(frame["label"]))


def _identify(
    recipe: FineTuneParams, frames: Sequence[pd.DataFrame], held_out: NDArray[np.bool_]
) -> str:
    """Return a digest of all that a fold's predictions depend on."""
    content = hashlib.sha256(np.packbits(held_out).tobytes())
    for frame in frames:
        plain = frame.assign(label=frame["label"].map(str))  # tuples have no stable hash
        content.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
    checkpoint = fingerprint_checkpoint(recipe.model, revision=recipe.revision)
    values = recipe.model_dump(mode="json")
    return digest([__version__, values, checkpoint, content.hexdigest()])
