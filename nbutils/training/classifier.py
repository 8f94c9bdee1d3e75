"""A fine-tuned model with all that its predictions depend on: asked for labels, and saved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from nbutils.artifacts import PREPROCESSING_FILE, write_json
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import quiet_transformers
from nbutils.chunks import head_size
from nbutils.described import Described, name_some
from nbutils.errors import DataError
from nbutils.label_sets import BETWEEN, NO_LABEL, BoolArray, to_sets
from nbutils.params.cutting import Cutting
from nbutils.prediction import predict_logits, softmax
from nbutils.threads import Turn
from nbutils.thresholds import Thresholds
from nbutils.training.examples import Classes, Labels
from nbutils.training.objective import sigmoid

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def _say_label(label: Labels) -> str:
    return BETWEEN.join(map(str, label)) or NO_LABEL if isinstance(label, tuple) else str(label)


@dataclass(frozen=True, repr=False)
class Predictions(Described, Sequence[Labels]):
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

    _title = "Predictions"

    def _facts(self) -> dict[str, Any]:
        return {
            "texts": len(self),
            "classes": f"{len(self.label_names)}: {name_some(self.label_names)}",
            "labels": name_some([_say_label(label) for label in self.labels]),
        }

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, place: int) -> Labels: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Labels]: ...
    def __getitem__(self, place: int | slice) -> Labels | Sequence[Labels]:
        return self.labels[place]


@dataclass(frozen=True, repr=False)
class Classifier(Described):
    """A fine-tuned model with all that its predictions depend on.

    Attributes
    ----------
    model
        On the device that it predicts on.
    tokenizer
        Its own.
    classes
        What it predicts.
    cutting
        How many tokens of a text it reads, and which.
    precision
        ``fp32`` or ``bf16``, as it was trained.
    thresholds
        From which probability on each label is given; none: the most probable is.
    reads_pairs
        Whether it was trained on pairs of texts; none: nobody wrote that down.
    turn
        Held by whoever uses the model: predictions may be asked for from several threads.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    classes: Classes
    cutting: Cutting
    precision: str
    thresholds: Thresholds | None = None
    reads_pairs: bool | None = None
    turn: Turn = field(default_factory=Turn, repr=False, compare=False)

    _title = "Fine-tuned classifier"

    def _facts(self) -> dict[str, Any]:
        weights = sum(weight.numel() for weight in self.model.parameters())
        several = self.classes.task == "multi_label"
        return {
            "model": f"{type(self.model).__name__}, {weights / 1e6:.1f} million weights",
            "classes": f"{len(self.classes.names)}: {name_some(self.classes.names)}",
            "labels per text": "any number" if several else "one",
            "cuts long texts": self.cutting.describe(),
            "computes": f"{self.model.device}, {self.precision}",
        }

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
            `texts` is a single string or holds something else than strings; or the model was
            trained on pairs and these are none, or on single texts and these are pairs.
        """
        if self.reads_pairs and text_pairs is None and len(texts):
            raise DataError("text_pairs: the model was trained on pairs; give a second text each")
        if self.reads_pairs is False and text_pairs is not None:
            raise DataError("text_pairs: the model was trained on single texts; leave them out")
        encoded = encode_texts(texts, self.tokenizer, cutting=self.cutting, text_pairs=text_pairs)
        with self.turn:
            logits = predict_logits(self.model, encoded, precision=self.precision)
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
        self.tokenizer.model_max_length = self.cutting.max_length
        self.tokenizer.save_pretrained(folder)
        write_json(folder / PREPROCESSING_FILE, self._preprocessing() | self._decision())

    def _preprocessing(self) -> dict[str, Any]:
        """Return what another program has to know, to read texts as this one does."""
        cutting, specials = self.cutting, self.tokenizer.num_special_tokens_to_add()
        how: dict[str, dict[str, int | str]] = {
            "head": {},
            "head_tail": {"head_tokens": head_size(cutting.max_length - specials)},
            "chunks": {"overlap": cutting.overlap(specials), "pooling": "mean of logits"},
        }
        pairs = {} if self.reads_pairs is None else {"pairs": self.reads_pairs}
        return cutting.as_dict() | how[cutting.truncation] | {"precision": self.precision} | pairs

    def _decision(self) -> dict[str, Any]:
        """Return what another program has to know, to give the labels that this one does."""
        found: dict[str, Any] = {}
        values, names = self.classes.values, self.classes.names
        if tuple(map(str, values)) == names and not all(isinstance(v, str) for v in values):
            found["labels"] = list(values)  # numbers; config.json holds names alone
        if self.thresholds is not None:
            found["thresholds"] = self.thresholds.as_dict(names)
            positives = self.thresholds.positives.tolist()
            found["threshold_positives"] = dict(zip(names, positives, strict=True))
        return found
