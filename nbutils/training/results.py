"""What a fine-tuning leaves behind: predictions, scores, and the files of its stage folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.artifacts import CHECKPOINTS, MODEL, read_json, write_json
from nbutils.label_sets import holds_sets, set_column, to_indicators, to_sets
from nbutils.metrics import Score, score_predictions
from nbutils.paired import compare_paired
from nbutils.prediction_files import (
    DYNAMICS,
    read_predictions,
    write_dynamics,
    write_predictions,
)
from nbutils.set_metrics import compare_micro_f1, score_label_sets
from nbutils.training.api import FineTuned
from nbutils.training.diagnosis import describe_fit
from nbutils.training.machine import describe_machine

if TYPE_CHECKING:
    from datasets import DatasetDict

HELD_OUT = ("validation", "test")
PLACES = {"output_dir", "data_dir", "keep_states"}  # of a training, and no part of its recipe
CLASS_SCORES = {"accuracy": "accuracy", "macro_f1": "macro F1"}
SET_SCORES = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "accuracy": "subset accuracy",
    "mean_average_precision": "mean AP",
    "label_ranking_average_precision": "ranking AP",
}


def predict_splits(
    classifier: FineTuned, data: DatasetDict, *, splits: Sequence[str] = HELD_OUT
) -> pd.DataFrame:
    """Predict the held-out splits.

    Parameters
    ----------
    classifier
        Its classes are ids, as a saved data set has them.
    data
        Splits with columns `example_id, text, label[, text_pair]`.
    splits
        Which of them.

    Returns
    -------
    DataFrame
        `example_id, split, label, predicted, prob_<label>...`: labels by id, one row per example,
        in the order of the data; `label` and `predicted` are sorted tuples of ids where texts
        have several labels.
    """
    tables = []
    for split in splits:
        rows = data[split]
        pairs = list(rows["text_pair"]) if "text_pair" in rows.column_names else None
        predictions = classifier.predict(list(rows["text"]), pairs)
        columns = {
            "example_id": np.asarray(rows["example_id"], np.int64),
            "split": split,
            **_label_columns(classifier, rows["label"], predictions.pred_probs),
        }
        for k, name in enumerate(predictions.label_names):
            columns[f"prob_{name}"] = predictions.pred_probs[:, k]
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _label_columns(
    classifier: FineTuned, labels: Sequence[Any], pred_probs: NDArray[np.float64]
) -> dict[str, Any]:
    if classifier.classes.task == "multi_label":
        predicted = to_sets(classifier.decide(pred_probs))
        return {"label": set_column(labels), "predicted": set_column(predicted)}
    return {"label": np.asarray(labels, np.int64), "predicted": pred_probs.argmax(axis=1)}


def score_splits(
    predictions: pd.DataFrame, *, n_classes: int, seed: int
) -> dict[str, dict[str, Score]]:
    """Return the scores of each split with their 95 % intervals.

    Accuracy and macro F1, or those of `score_label_sets` where texts have several labels.
    """
    return {
        str(split): score_rows(rows, n_classes=n_classes, seed=seed)
        for split, rows in predictions.groupby("split")
    }


def score_rows(rows: pd.DataFrame, *, n_classes: int, seed: int) -> dict[str, Score]:
    """Return the scores of predictions, of either kind of labels; see `score_splits`."""
    if not holds_sets(rows["label"]):
        return score_predictions(rows["label"], rows["predicted"], n_classes=n_classes)
    probabilities = [name for name in rows.columns if str(name).startswith("prob_")]
    return score_label_sets(
        to_indicators(rows["label"], n_labels=n_classes),
        to_indicators(rows["predicted"], n_labels=n_classes),
        rows[probabilities].to_numpy(np.float64),
        seed=seed,
    )


def build_metrics(
    classifier: FineTuned, scores: Mapping[str, Mapping[str, Score]]
) -> dict[str, Any]:
    """Return what `metrics.json` holds: scores by split, the training and its diagnosis.

    Where texts have several labels also `task` and the `thresholds` by label.
    """
    history, thresholds = classifier.history, classifier.thresholds
    several: dict[str, Any] = {}
    if thresholds is not None:
        names = classifier.classes.names
        several = {"task": "multi_label", "thresholds": thresholds.as_dict(names)}
    return {
        **several,
        **{split: {name: s.as_dict() for name, s in by.items()} for split, by in scores.items()},
        "training": {
            "seconds": round(history.seconds, 2),
            "tokens_per_second": round(history.tokens_per_second, 1),
            "peak_memory_mb": round(history.peak_memory_mib, 1),
            "epochs": history.epochs,
            "steps": len(history.steps),
            "best_step": history.best_step,
            "stopped": history.stopped,
            "batch_tokens": history.batch_tokens,
            "notes": history.notes,
            "device": history.device,
            "precision": history.precision,
            "diagnosis": describe_fit(history, params=classifier.params),
        },
        "machine": describe_machine(history.device),
    }


def save_results(
    folder: Path,
    classifier: FineTuned,
    *,
    predictions: pd.DataFrame,
    metrics: Mapping[str, Any],
    data_dir: Path,
    train_ids: Sequence[int] | None = None,
    keep_states: bool = False,
) -> None:
    """Write the fine_tune stage folder; `metrics.json` comes last and marks it complete.

    The training's states are removed after that: a failure before costs no training.

    Parameters
    ----------
    folder
        Must exist.
    classifier, predictions, metrics
        What is saved.
    data_dir
        The data_prep folder that the model was trained on, kept in `history.json`, where the
        recipe is too.
    train_ids
        `example_id` of the N training texts, in their order, for `training_dynamics.parquet`; none:
        it is not written.
    keep_states
        Leave the states to whoever runs the notebook: until the whole stage has ended well, it may
        have to be run again.
    """
    classifier.save(folder / MODEL)
    recipe = classifier.params.model_dump(mode="json", exclude=PLACES)
    history = classifier.history.as_dict() | {"data_dir": str(data_dir.resolve()), "recipe": recipe}
    write_json(folder / "history.json", history)
    write_predictions(folder / "predictions.parquet", predictions)
    if train_ids is not None and classifier.history.dynamics is not None:
        write_dynamics(folder / DYNAMICS, classifier.history.dynamics, example_ids=train_ids)
    write_json(folder / "metrics.json", metrics)
    if not keep_states:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def add_baseline(
    metrics: Mapping[str, Any], predictions: pd.DataFrame, *, data_dir: Path
) -> dict[str, Any]:
    """Return `metrics` with the baseline's test scores and the paired comparison with it.

    It compares accuracy, or micro F1 where texts have several labels; `score` then says so.

    Parameters
    ----------
    metrics
        As `build_metrics` makes them.
    predictions
        As `predict_splits` makes them.
    data_dir
        A finished data_prep folder. Without a baseline in it, `metrics` come back unchanged.
    """
    scores = read_json(data_dir / "data_card.json")["baseline"]
    if not scores:
        return dict(metrics)
    baseline = read_predictions(data_dir / "baseline.parquet")
    test = predictions[predictions["split"] == "test"].merge(
        baseline, on="example_id", suffixes=("", "_baseline"), validate="one_to_one"
    )
    gain: dict[str, Any] = {}
    if holds_sets(test["label"]):
        n_labels = sum(str(name).startswith("prob_") for name in test.columns)
        sides = [
            to_indicators(test[name], n_labels=n_labels)
            for name in ("label", "predicted", "predicted_baseline")
        ]
        gain = {"score": "micro_f1", **asdict(compare_micro_f1(*sides))}
    else:
        gain = asdict(compare_paired(test["label"], test["predicted"], test["predicted_baseline"]))
    return {**metrics, "baseline": scores["test"], "against_baseline": gain}


def tabulate_scores(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores of `metrics.json` as rows of `name, value, low, high, n`, test first."""
    names = {"test": "test", "baseline": "test, TF-IDF", "validation": "validation"}
    scores = CLASS_SCORES
    if metrics.get("task") == "multi_label":
        scores, names = SET_SCORES, names | {"baseline": "TF-IDF"}
    rows = [
        {"name": f"{said}, {name}", **values}
        for score, said in scores.items()
        for split, name in names.items()
        for values in [metrics.get(split, {}).get(score)]
        if values is not None
    ]
    return pd.DataFrame(rows, columns=["name", "value", "low", "high", "n"])
