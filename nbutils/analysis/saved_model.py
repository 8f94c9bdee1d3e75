"""The model that made the predictions, for sections that have to ask it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.errors import Errors, tested_texts
from nbutils.data.sampling import bounded_sample
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from nbutils.data.tokens import TokenReport
    from nbutils.training.classifier import Classifier

MOST_MEASURED = 30_000  # test texts whose tokens are counted; more are sampled
MOST_CHARACTERS = 8_000_000


@dataclass(frozen=True)
class SavedModel:
    """A finished fine_tune folder; nothing is read before it is needed.

    Parameters
    ----------
    folder
        Of the stage, with `model/` in it.
    errors
        Of its predictions.
    """

    folder: Path
    errors: Errors

    @cached_property
    def cutting(self) -> Cutting:
        """What it reads of a long text."""
        from nbutils.training.saved import load_cutting

        return load_cutting(self.folder / "model")

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer, for counts and for places in a text; not for the model's inputs."""
        from nbutils.checkpoints.loading import load_tokenizer

        return load_tokenizer(str(self.folder / "model"), only_counts=True)

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
        from nbutils.checkpoints.matching import position_limit

        return position_limit(self.classifier.model)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities of texts, shape (N, K)."""
        return self.classifier.predict(texts).pred_probs

    @cached_property
    def classifier(self) -> Classifier:
        """The model with its tokenizer and all else that its training decided."""
        from nbutils.training.saved import load_fine_tuned

        return load_fine_tuned(self.folder)
