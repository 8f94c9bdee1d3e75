"""The model that made the predictions, for sections that have to ask it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.errors import Errors, tested_texts
from nbutils.artifacts import read_json
from nbutils.params.cutting import CUTTING, Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from nbutils.data.tokens import TokenReport

PREPROCESSING_FILE = "nbutils.json"


@dataclass(frozen=True)
class SavedModel:
    """A finished fine_tune folder; nothing is read before it is needed.

    Parameters
    ----------
    folder
        Of the stage, with `model/` and `history.json` in it.
    errors
        Of its predictions.
    """

    folder: Path
    errors: Errors

    @cached_property
    def cutting(self) -> Cutting:
        """What it reads of a long text."""
        values = read_json(self.folder / "model" / PREPROCESSING_FILE)
        return Cutting.of({name: values[name] for name in CUTTING})

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer, for counts and for places in a text; not for the model's inputs."""
        from nbutils.checkpoints.loading import load_tokenizer

        return load_tokenizer(str(self.folder / "model"), only_counts=True)

    @cached_property
    def tokens(self) -> TokenReport:
        """Tokens of the test texts, uncut, or of a sample of them."""
        from nbutils.data.tokens import measure_tokens

        return measure_tokens(tested_texts(self.errors), self.tokenizer, cutting=self.cutting)

    @property
    def longest(self) -> int | None:
        """The most tokens that it has positions for; None: it has no such limit."""
        from nbutils.checkpoints.matching import position_limit

        return position_limit(self._loaded[0])

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities of texts, shape (N, K), each with one label of K."""
        from nbutils.batching import encode_texts
        from nbutils.prediction import predict_logits, softmax

        if not len(texts):
            return np.zeros((0, len(self.errors.label_names)))
        model, tokenizer = self._loaded
        encoded = encode_texts(texts, tokenizer, cutting=self.cutting)
        precision = read_json(self.folder / "history.json")["precision"]
        return softmax(predict_logits(model, encoded, precision=precision))

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
        from nbutils.checkpoints.loading import load_classifier, load_tokenizer
        from nbutils.training.machine import choose_device

        place = str(self.folder / "model")
        model = load_classifier(place, label_names=self.errors.label_names)
        return model.to(choose_device()), load_tokenizer(place)
