"""The model that made the predictions, for sections that have to ask it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.errors import Errors, tested_texts
from nbutils.artifacts import MODEL
from nbutils.checkpoints.files import position_limit
from nbutils.data.sampling import bounded_sample
from nbutils.described import Described
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from nbutils.batching import Encoded
    from nbutils.data.tokens import TokenReport
    from nbutils.label_sets import BoolArray
    from nbutils.training.classifier import Classifier

FloatArray = NDArray[np.float64]
Texts = tuple[str, ...]  # a text, or both of a pair

MOST_MEASURED = 30_000  # test texts whose tokens are counted; more are sampled
MOST_CHARACTERS = 8_000_000


@dataclass(frozen=True, repr=False)
class SavedModel(Described):
    """A finished fine_tune folder; nothing is read before it is needed.

    Parameters
    ----------
    folder
        Of the stage, with `model/` in it.
    errors
        Of its predictions.
    kept
        What has been computed with it and may be asked for again, by name.
    """

    folder: Path
    errors: Errors
    kept: dict[str, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    _title = "Saved model"

    def _facts(self) -> dict[str, Any]:
        return {"folder": self.folder, **self.errors._facts()}

    @cached_property
    def cutting(self) -> Cutting:
        """What it reads of a long text."""
        from nbutils.training.saved import load_cutting

        return load_cutting(self.folder / MODEL)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer, for counts and for places in a text; not for the model's inputs."""
        from nbutils.checkpoints.loading import load_tokenizer

        return load_tokenizer(str(self.folder / MODEL), only_counts=True)

    @cached_property
    def tokens(self) -> TokenReport:
        """Tokens of the test texts, uncut, or of a sample of them."""
        from nbutils.data.tokens import measure_tokens

        test = tested_texts(self.errors)
        rows = bounded_sample(test, most_rows=MOST_MEASURED, most_characters=MOST_CHARACTERS)
        report = measure_tokens(rows, self.tokenizer, cutting=self.cutting)
        return replace(report, sampled=len(rows) < len(test))

    @property
    def longest(self) -> int | None:
        """The most tokens that it has positions for; None: it has no such limit."""
        return position_limit(self.classifier.model.config.to_dict())

    def predict(self, texts: Sequence[str]) -> FloatArray:
        """Return the probabilities of texts, shape (N, K)."""
        return self.classifier.predict(texts).pred_probs

    def encode(self, texts: Sequence[Texts]) -> Encoded:
        """Return the tokens that it reads of N texts or pairs."""
        from nbutils.batching import encode_texts

        columns = [list(column) for column in zip(*texts, strict=True)]
        return encode_texts(
            columns[0],
            self.classifier.tokenizer,
            cutting=self.cutting,
            text_pairs=columns[1] if len(columns) > 1 else None,
        )

    def label(self, encoded: Encoded) -> tuple[BoolArray, FloatArray]:
        """Return which labels N texts are given, (N, K), and how sure that is, (N,).

        Of several labels, the least sure answer counts.
        """
        from nbutils.prediction import predict_logits, softmax
        from nbutils.training.objective import sigmoid

        known = self.classifier
        with known.turn:
            logits = predict_logits(known.model, encoded, precision=known.precision)
        if known.thresholds is not None:
            pred_probs = sigmoid(logits)
            given = known.decide(pred_probs)
            return given, np.asarray(np.where(given, pred_probs, 1 - pred_probs).min(axis=1))
        chosen = np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, None]
        return np.asarray(chosen), np.asarray(softmax(logits).max(axis=1))

    @cached_property
    def classifier(self) -> Classifier:
        """The model, whose weights ask for no gradient, and all else that its training decided."""
        from nbutils.training.saved import load_fine_tuned

        classifier = load_fine_tuned(self.folder)
        classifier.model.requires_grad_(False)
        return classifier


def texts_of_rows(rows: pd.DataFrame) -> list[Texts]:
    """Return the text, or both of a pair, of each row."""
    columns = [name for name in ("text", "text_pair") if name in rows.columns]
    return list(rows[columns].itertuples(index=False, name=None))
