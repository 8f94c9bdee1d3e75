"""A saved classifier, loaded with all that its training decided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nbutils.artifacts import MODEL, PREPROCESSING_FILE, read_json
from nbutils.checkpoints.checks import check_checkpoint
from nbutils.checkpoints.heads import HEAD
from nbutils.checkpoints.loading import load_head, load_tokenizer
from nbutils.errors import CheckpointError, DataError, ParameterError
from nbutils.label_sets import Task
from nbutils.params.cutting import CUTTING, Cutting
from nbutils.params.fine_tune import FineTuneParams
from nbutils.thresholds import FEWEST_POSITIVES, Thresholds
from nbutils.training.classifier import Classifier
from nbutils.training.examples import Classes
from nbutils.training.machine import choose_device

TASKS: dict[str, Task] = {
    "single_label_classification": "single_label",
    "multi_label_classification": "multi_label",
}
AGAIN = "save it again with `save` of what nbutils.fine_tune returns"


def load_fine_tuned(directory: str | Path, *, trust_remote_code: bool = False) -> Classifier:
    """Load a classifier with all that its training decided: one call from a folder to labels.

    Its `predict` gives the probabilities that it gave where it was trained: texts are cut as they
    were in training, labels stand in the same order, and of several labels each is given from the
    same threshold on. Labels are those that training was given, numbers or strings; where numbers
    stood for named classes, as they do in a study, labels are the names.

    Parameters
    ----------
    directory
        What `save` wrote, or the folder of a finished `fine_tune` stage, which has it in `model/`.
    trust_remote_code
        Run Python code that comes with the model.

    Raises
    ------
    CheckpointError
        The folder holds no such model, or a part of it is missing or broken.
    """
    folder = _find_model(Path(directory))
    config, how = _read(folder / "config.json"), _read(folder / PREPROCESSING_FILE)
    cutting, precision = load_cutting(folder), _read_precision(how, folder)
    classes = _read_classes(config, how, folder)
    thresholds = _read_thresholds(how, classes, folder)
    check_checkpoint(str(folder), max_length=cutting.max_length)
    tokenizer = load_tokenizer(str(folder), trust_remote_code=trust_remote_code)
    model, keeps_head = load_head(
        str(folder),
        label_names=classes.names,
        task=classes.task,
        trust_remote_code=trust_remote_code,
    )
    if not keeps_head:
        raise CheckpointError(f"{folder}: expected the weights of its head, found none; {AGAIN}")
    model = model.to(choose_device()).eval()
    pairs = how.get("pairs")
    reads_pairs = pairs if isinstance(pairs, bool) else None  # an older version did not say
    return Classifier(model, tokenizer, classes, cutting, precision, thresholds, reads_pairs)


def load_cutting(directory: str | Path) -> Cutting:
    """Return how a saved model reads long texts: what `save` wrote beside its weights.

    Raises
    ------
    CheckpointError
        The folder does not say.
    """
    path = Path(directory) / PREPROCESSING_FILE
    values = _read(path)
    try:
        return FineTuneParams.of({name: values[name] for name in CUTTING}).cutting
    except KeyError as error:
        raise CheckpointError(f"{path}: expected {', '.join(CUTTING)}, found no {error}") from None
    except ParameterError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _find_model(directory: Path) -> Path:
    for folder in (directory, directory / MODEL):
        if (folder / PREPROCESSING_FILE).is_file() and (folder / "config.json").is_file():
            return folder
    raise CheckpointError(
        f"{directory}: expected a model that nbutils has fine-tuned, a folder with config.json "
        f"and {PREPROCESSING_FILE} in it or in its {MODEL}/, found none; {AGAIN}"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None


def _read_precision(how: Mapping[str, Any], folder: Path) -> str:
    precision = how.get("precision")
    if precision not in ("fp32", "bf16"):
        raise CheckpointError(
            f"{folder / PREPROCESSING_FILE}: expected a precision, fp32 or bf16, found "
            f"{precision!r}; {AGAIN}"
        )
    return str(precision)


def _read_classes(config: Mapping[str, Any], how: Mapping[str, Any], folder: Path) -> Classes:
    built = [str(name) for name in config.get("architectures") or []]
    try:
        names = tuple(config["id2label"][str(k)] for k in range(len(config["id2label"])))
        task = TASKS[config["problem_type"]]
    except (KeyError, TypeError):
        built = []
    if not any(name.endswith(HEAD) for name in built):
        raise CheckpointError(
            f"{folder / 'config.json'}: expected a classifier with its labels (architectures, "
            f"id2label, problem_type), found none; {AGAIN}"
        )
    values = tuple(how.get("labels", names))
    if tuple(map(str, values)) != names:
        raise CheckpointError(
            f"{folder / PREPROCESSING_FILE}: expected the labels {', '.join(names)}, as in "
            f"config.json, found {', '.join(map(str, values))}; {AGAIN}"
        )
    return Classes(values, names, task)


def _read_thresholds(how: Mapping[str, Any], classes: Classes, folder: Path) -> Thresholds | None:
    if classes.task == "single_label":
        return None
    given, positives = how.get("thresholds", {}), how.get("threshold_positives", {})
    missing = [name for name in classes.names if name not in given or name not in positives]
    if missing:
        raise CheckpointError(
            f"{folder / PREPROCESSING_FILE}: expected a threshold for each label, found none for "
            f"{missing[0]!r}; {AGAIN}"
        )
    counts = np.array([positives[name] for name in classes.names], np.int64)
    values = np.array([given[name] for name in classes.names], np.float64)
    return Thresholds(values, counts, counts >= FEWEST_POSITIVES)
