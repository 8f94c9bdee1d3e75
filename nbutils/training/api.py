"""`nbutils.fine_tune`: labelled texts in, a classifier out, without a notebook."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nbutils import __version__
from nbutils.artifacts import digest
from nbutils.checkpoints.files import refuse_too_long
from nbutils.checkpoints.heads import describe_head
from nbutils.checkpoints.loading import Loaded, load_head, load_tokenizer
from nbutils.checkpoints.matching import check_tokenizer_matches
from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.errors import TrainingDivergedError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction import predict_logits
from nbutils.thresholds import Thresholds, choose_thresholds, default_thresholds
from nbutils.training.checkpointing import Checkpoints
from nbutils.training.classifier import Classifier
from nbutils.training.examples import (
    Classes,
    Examples,
    Label,
    LabelledBatches,
    check_trainable,
    encode_examples,
    find_classes,
    read_splits,
)
from nbutils.training.history import History
from nbutils.training.loop import Training
from nbutils.training.machine import choose_device
from nbutils.training.objective import sigmoid
from nbutils.training.preparing import ready_to_train
from nbutils.training.rescue import hand_over
from nbutils.training.watcher import Watcher

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True, repr=False)
class FineTuned(Classifier):
    """A fine-tuned classifier with the history and the recipe of its training."""

    history: History
    params: FineTuneParams

    def _facts(self) -> dict[str, Any]:
        history = self.history._facts()
        told = ("steps", "ended", "validation accuracy", "time")
        trained = {name: history[name] for name in told if name in history}
        return {"pretrained": self.params.model, **super()._facts(), **trained}


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
    model, is_kept = load_model(recipe, classes, tokenizer)
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
    history.notes += describe_head(classes.names, is_kept=is_kept)
    thresholds = None
    if classes.task == "multi_label":
        thresholds = fit_thresholds(model, valid, precision=history.precision)
    classifier = FineTuned(
        model=model,
        tokenizer=tokenizer,
        classes=classes,
        cutting=recipe.cutting,
        precision=history.precision,
        thresholds=thresholds,
        reads_pairs=examples.text_pairs is not None,
        history=history,
        params=recipe,
    )
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
) -> Loaded:
    """Load the checkpoint on the best device, with a head drawn from `params.seed`, and check it.

    A head of the same classes is kept; see `load_head`.

    Raises
    ------
    CheckpointError
        It cannot be loaded, or does not match the tokenizer or `max_length`.
    """
    torch.manual_seed(params.seed)  # before the head is drawn, or the seed would not reach it
    model, keeps_head = load_head(
        params.model,
        label_names=classes.names,
        task=classes.task,
        revision=params.revision,
        attention_dropout=params.attention_dropout,
        trust_remote_code=params.trust_remote_code,
    )
    check_tokenizer_matches(tokenizer, model, name=f"model {params.model!r}")
    refuse_too_long(model.config.to_dict(), params.max_length)
    return Loaded(model.to(choose_device()), keeps_head)


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
