"""Held-out texts, found one by one or column by column: the whole table is never copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.errors import Errors
from nbutils.analysis.mistakes import PROBABILITY_PREFIX, probabilities
from nbutils.label_sets import say_labels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """The examples that a model has predicted, of whatever split.

    Parameters
    ----------
    errors
        Of either kind.
    """

    errors: Errors

    def __contains__(self, example_id: object) -> bool:
        return example_id in self._ids

    def find(self, example_ids: Iterable[Any]) -> pd.DataFrame:
        """Return some of them, in the order that they are asked for.

        Returns
        -------
        DataFrame
            `example_id, split, label, predicted, text[, text_pair]`, labels by name.
        """
        rows = self.errors.predictions.iloc[self._places(example_ids)]
        found = rows[["example_id", "split"]].reset_index(drop=True)
        for name in ("label", "predicted"):
            found[name] = say_labels(rows[name], self.errors.label_names)
        for name in self.text_columns:
            found[name] = self._texts[name].loc[found["example_id"]].to_numpy(dtype=object)
        return found

    def probabilities(self, example_id: Any) -> FloatArray:
        """Return the probabilities of one of them, shape (K,)."""
        return _pred_probs_at(self.errors, int(self._places([example_id])[0]))

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold what is read: a text, or both of a pair."""
        return [name for name in ("text", "text_pair") if name in self.errors.texts.columns]

    def _places(self, example_ids: Iterable[Any]) -> NDArray[np.int64]:
        return np.asarray(self._ids.get_indexer(pd.Index(list(example_ids))), np.int64)

    @cached_property
    def _ids(self) -> pd.Index[Any]:
        ids: pd.Index[Any] = pd.Index(self.errors.predictions["example_id"].to_numpy())
        return ids

    @cached_property
    def _texts(self) -> pd.DataFrame:
        return self.errors.texts.set_index("example_id")[self.text_columns]


@dataclass(frozen=True)
class SplitRows:
    """The N predictions of one split.

    Parameters
    ----------
    errors
        Of either kind.
    split
        ``test`` or ``validation``.
    """

    errors: Errors
    split: str = "test"

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Their places in `errors.predictions`, shape (N,)."""
        return np.flatnonzero(self.errors.predictions["split"] == self.split)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """Their example ids, shape (N,)."""
        return self.errors.predictions["example_id"].to_numpy()[self.rows]

    def column(self, name: str) -> pd.Series[Any]:
        """Return one of their columns."""
        return self.errors.predictions[name].iloc[self.rows]

    def pred_probs(self, label_names: Sequence[str]) -> FloatArray:
        """Return their probabilities of L labels, shape (N, L)."""
        columns = [f"{PROBABILITY_PREFIX}{name}" for name in label_names]
        return np.asarray(self.errors.predictions[columns].to_numpy(np.float64)[self.rows])

    def place(self, example_id: Any) -> int:
        """Return where one of them stands, in [0, N)."""
        return int(np.flatnonzero(self.ids == example_id)[0])

    def pred_probs_of(self, place: int) -> FloatArray:
        """Return the probabilities of one of them, shape (K,)."""
        return _pred_probs_at(self.errors, int(self.rows[place]))


def _pred_probs_at(errors: Errors, row: int) -> FloatArray:
    return np.asarray(probabilities(errors.predictions.iloc[[row]], errors.label_names)[0])
