"""Test texts to ask a model about: at random, or one mistake after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from nbutils.analysis.errors import Errors, tested_texts
from nbutils.analysis.questions import Texts
from nbutils.analysis.saved_model import texts_of_rows
from nbutils.errors import DataError
from nbutils.label_sets import say_labels

NO_TEXTS = "no test texts are known: type one"


@dataclass(frozen=True)
class Example:
    """A test text, or a pair, and what is known of it in words."""

    texts: Texts
    about: str


class ExamplePicker:
    """Picks test texts of a model whose errors are known.

    Parameters
    ----------
    errors
        Of its predictions.
    seed
        Of the order of the random ones, in which no text comes twice before all have come.
    """

    def __init__(self, errors: Errors, *, seed: int = 0) -> None:
        self._errors, self._random = errors, np.random.default_rng(seed)
        self._left: list[int] = []
        self._next = 0

    def pick_random(self) -> Example:
        """Return a test text.

        Raises
        ------
        DataError
            There are none.
        """
        if not len(self._tested):
            raise DataError(NO_TEXTS)
        if not self._left:
            self._left = self._random.permutation(len(self._tested)).tolist()
        row = self._tested.iloc[[self._left.pop()]]
        (label,) = say_labels(row["label"], self._errors.label_names)
        return _example(row, f"Test text {row['example_id'].iloc[0]}, labelled {_quote(label)}.")

    def next_mistake(self) -> Example:
        """Return the next mistake, the most confident first; the first again after the last.

        Raises
        ------
        DataError
            There are none.
        """
        if self._mistakes.empty:
            raise DataError("nothing on the test split is wrong")
        number = self._next % len(self._mistakes)
        self._next += 1
        row = self._mistakes.iloc[[number]]
        known = row.iloc[0]
        return _example(
            row,
            f"Mistake {number + 1:,} of {len(self._mistakes):,}, test text {known['example_id']}: "
            f"labelled {_quote(known['label'])}, taken for {_quote(known['predicted'])}.",
        )

    @cached_property
    def _tested(self) -> pd.DataFrame:
        return tested_texts(self._errors)

    @cached_property
    def _mistakes(self) -> pd.DataFrame:
        return self._errors.mistakes()


def _example(row: pd.DataFrame, about: str) -> Example:
    (texts,) = texts_of_rows(row)
    return Example(tuple(map(str, texts)), about)


def _quote(label: object) -> str:
    return f"\u201c{label}\u201d"
