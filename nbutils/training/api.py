"""`nbutils.fine_tune`: labelled texts in, a classifier out, without a notebook."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from nbutils import __version__
from nbutils.artifacts import digest, read_json, write_json
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_classifier, load_tokenizer, quiet_transformers
from nbutils.checkpoints.matching import check_max_length, check_tokenizer_matches
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.chunks import head_size
from nbutils.errors import CheckpointError, DataError, ParameterError, TrainingDivergedError
from nbutils.label_sets import BoolArray, to_sets
from nbutils.params.cutting import CUTTING, Cutting
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction import predict_logits, softmax
from nbutils.thresholds import Thresholds, choose_thresholds, default_thresholds
from nbutils.training.checkpointing import Checkpoints
from nbutils.training.examples import (
    Classes,
    Examples,
    Label,
    LabelledBatches,
    Labels,
    check_trainable,
    encode_examples,
    find_classes,
    read_splits,
)
from nbutils.training.history import History
from nbutils.training.loop import Training, Watcher
from nbutils.training.machine import choose_device
from nbutils.training.objective import sigmoid
from nbutils.training.preparing import ready_to_train
from nbutils.training.rescue import hand_over

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PREPROCESSING_FILE = "nbutils.json"


@dataclass(frozen=True)
class Predictions(Sequence[Labels]):
    """Predicted labels of N texts, in their order: a sequence of labels, with probabilities.

    Attributes
    ----------
    labels
        N labels, as they were given for training; N tuples of labels where texts have several.
    pred_probs
        Shape (N, K); rows sum to 1 where each text has one label.
    label_names
        The names of the K classes, in the order of the columns.
    """

    labels: Sequence[Labels]
    pred_probs: NDArray[np.float64]
    label_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, place: int) -> Labels: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Labels]: ...
    def __getitem__(self, place: int | slice) -> Labels | Sequence[Labels]:
        return self.labels[place]


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned classifier with its tokenizer and the history of its training.

    `thresholds` says from which probability on each label is given; none: the most probable is.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    history: History
    classes: Classes
    params: FineTuneParams
    thresholds: Thresholds | None = None

    def predict(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        """Label texts; dropout is off, whatever mode the model was left in.

        Parameters
        ----------
        texts
            N texts.
        text_pairs
            N second texts, if the model was trained on pairs.

        Raises
        ------
        DataError
            `texts` is a single string or holds something else than strings.
        """
        encoded = encode_texts(
            texts, self.tokenizer, cutting=self.params.cutting, text_pairs=text_pairs
        )
        logits = predict_logits(self.model, encoded, precision=self.history.precision)
        if self.thresholds is not None:
            pred_probs = sigmoid(logits)
            sets = to_sets(self.decide(pred_probs))
            several = [tuple(self.classes.values[k] for k in own) for own in sets]
            return Predictions(several, pred_probs, self.classes.names)
        pred_probs = softmax(logits) if len(encoded) else logits
        labels = [self.classes.values[k] for k in pred_probs.argmax(axis=1)]
        return Predictions(labels, pred_probs, self.classes.names)

    def decide(self, pred_probs: NDArray[np.float64]) -> BoolArray:
        """Return whether each text is given each label, shape (N, K), from its probabilities."""
        if self.thresholds is None:
            return np.asarray(pred_probs == pred_probs.max(axis=1, keepdims=True))
        return np.asarray(pred_probs >= self.thresholds.values)

    def save(self, directory: str | Path) -> Path:
        """Write weights (safetensors), tokenizer, label names and preprocessing to a folder.

        `transformers.AutoModelForSequenceClassification.from_pretrained` and
        `transformers.pipeline` read it.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        # Files are renamed into place, never overwritten: the weights in memory may still be mapped
        # from this very folder, and a truncated file would take them away.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as place:
            self._write(Path(place))
            for path in Path(place).iterdir():
                path.replace(folder / path.name)
        return folder

    def _write(self, folder: Path) -> None:
        with quiet_transformers():
            self.model.save_pretrained(folder)
        self.tokenizer.model_max_length = self.params.max_length
        self.tokenizer.save_pretrained(folder)
        write_json(folder / PREPROCESSING_FILE, self._preprocessing() | self._threshold_entry())

    def _preprocessing(self) -> dict[str, Any]:
        """Return what another program has to know, to read texts as this one does."""
        cutting, specials = self.params.cutting, self.tokenizer.num_special_tokens_to_add()
        how: dict[str, dict[str, int | str]] = {
            "head": {},
            "head_tail": {"head_tokens": head_size(cutting.max_length - specials)},
            "chunks": {"overlap": cutting.overlap(specials), "pooling": "mean of logits"},
        }
        return cutting.as_dict() | how[cutting.truncation]

    def _threshold_entry(self) -> dict[str, dict[str, float]]:
        if self.thresholds is None:
            return {}
        return {"thresholds": self.thresholds.as_dict(self.classes.names)}


def fine_tune(
    texts: Sequence[str] | Dataset | DatasetDict,
    labels: Sequence[Label] | Sequence[Sequence[Label]] | None = None,
    *,
    validation: tuple[Sequence[str], Sequence[Any]] | Dataset | None = None,
    params: FineTuneParams | None = None,
    watcher: Watcher | None = None,
    checkpoint_dir: str | Path | None = None,
    **changes: Any,
) -> FineTuned:
    """Fine-tune a pretrained BERT on labelled texts. Prints nothing.

    Parameters
    ----------
    texts
        N texts, or a `datasets.Dataset` with columns `text` and `label` (and `text_pair`), or a
        `DatasetDict` whose `validation` split, if it has one, is used as such.
    labels
        N labels, strings or integers of any value, or N lists of them where a text may have any
        number; left out with a `Dataset`.
    validation
        Texts and labels, or a `Dataset`, by which the best epoch is chosen; none: the last is kept.
    params
        The recipe; none: the defaults.
    watcher
        Told of each step, to show progress.
    checkpoint_dir
        Where states are saved, so that the same call goes on after a kill, with the same result;
        none: nowhere. The finished training is kept there as well, and the same call then returns
        it at once: remove the folder when you have saved the result. Another training with the
        same folder replaces what is in it.
    **changes
        Fields of the recipe, by name: `model`, `epochs`, `learning_rate`, `batch_size`,
        `max_length`, `seed` ...

    Warns
    -----
    UserWarning
        A value in `changes` is allowed and usually a mistake, such as a learning rate above 1e-4.

    Returns
    -------
    FineTuned
        With `.history`, `.predict(texts)` and `.save(directory)`.

    Raises
    ------
    ParameterError
        A parameter is unknown or out of range.
    DataError
        Texts and labels do not fit each other, or there is only one class.
    CheckpointError
        The model cannot be loaded or does not match its tokenizer.
    TrainingDivergedError
        The loss became NaN or ran away; its `kept` is the classifier in its last good state, which
        is saved under `checkpoint_dir` too.
    """
    recipe = FineTuneParams.of({**(params.model_dump() if params else {}), **changes})
    if params is None:  # whoever made the parameters has seen to their cautions
        for caution in recipe.cautions():
            warnings.warn(caution, stacklevel=2)
    examples, held_out = read_splits(texts, labels, validation)
    classes = find_classes(examples)
    tokenizer = load_tokenizer(
        recipe.model, revision=recipe.revision, trust_remote_code=recipe.trust_remote_code
    )

    def encode(split: Examples) -> LabelledBatches:
        return encode_examples(split, classes, tokenizer, cutting=recipe.cutting)

    train = encode(examples)
    check_trainable(train, classes)
    model = load_model(recipe, classes, tokenizer)
    valid = None if held_out is None else encode(held_out)
    identity = identify_training(recipe, classes, [train, valid])
    states = (
        None if checkpoint_dir is None else Checkpoints(Path(checkpoint_dir), identity=identity)
    )
    diverged = None
    try:
        history = train_model(
            model, train, validation=valid, params=recipe, watcher=watcher, checkpoints=states
        )
    except TrainingDivergedError as error:
        if error.kept_step is None:
            raise
        diverged, history = error, error.history
    thresholds = None
    if classes.task == "multi_label":
        thresholds = fit_thresholds(model, valid, precision=history.precision)
    classifier = FineTuned(model, tokenizer, history, classes, recipe, thresholds)
    if diverged is not None:
        raise hand_over(diverged, classifier, checkpoint_dir)
    return classifier


def fit_thresholds(
    model: PreTrainedModel, validation: LabelledBatches | None, *, precision: str
) -> Thresholds:
    """Choose the threshold of each label on the validation texts; 0.5 where there are none."""
    if validation is None or not len(validation.labels):
        return default_thresholds(int(model.config.num_labels))
    logits = predict_logits(model, validation.encoded, precision=precision)
    return choose_thresholds(validation.labels.astype(bool), sigmoid(logits))


def load_cutting(directory: str | Path) -> Cutting:
    """Return how a saved model reads long texts: what `FineTuned.save` wrote beside its weights.

    Raises
    ------
    CheckpointError
        The folder does not say.
    """
    path = Path(directory) / PREPROCESSING_FILE
    try:
        values = read_json(path)
        return FineTuneParams.of({name: values[name] for name in CUTTING}).cutting
    except KeyError as error:
        raise CheckpointError(f"{path}: expected {', '.join(CUTTING)}, found no {error}") from None
    except (DataError, ParameterError) as error:
        raise CheckpointError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


def identify_training(
    params: FineTuneParams, classes: Classes, splits: Sequence[LabelledBatches | None]
) -> str:
    """Return a digest of recipe, initial model, classes and data: equal for the same training."""
    recipe = params.model_dump(mode="json", exclude={"output_dir", "data_dir", "keep_states"})
    checkpoint = fingerprint_checkpoint(params.model, revision=params.revision)
    data = [None if split is None else split.fingerprint() for split in splits]
    return digest([__version__, recipe, checkpoint, list(classes.names), data])


def load_model(
    params: FineTuneParams, classes: Classes, tokenizer: PreTrainedTokenizerFast
) -> PreTrainedModel:
    """Load the checkpoint on the best device, with a head drawn from `params.seed`, and check it.

    Raises
    ------
    CheckpointError
        It cannot be loaded, or does not match the tokenizer or `max_length`.
    """
    torch.manual_seed(params.seed)  # before the head is drawn, or the seed would not reach it
    model = load_classifier(
        params.model,
        label_names=classes.names,
        task=classes.task,
        revision=params.revision,
        attention_dropout=params.attention_dropout,
        trust_remote_code=params.trust_remote_code,
    )
    check_tokenizer_matches(tokenizer, model, name=f"model {params.model!r}")
    check_max_length(model, params.max_length)
    return model.to(choose_device())


def train_model(
    model: PreTrainedModel,
    train: LabelledBatches,
    *,
    validation: LabelledBatches | None,
    params: FineTuneParams,
    watcher: Watcher | None = None,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train `model` in place and return the history; the model is left in evaluation mode."""
    with ready_to_train(model, params) as dropout:
        return Training(
            model,
            train,
            validation=validation,
            params=params,
            watcher=watcher,
            dropout=dropout,
            checkpoints=checkpoints,
        ).run()
