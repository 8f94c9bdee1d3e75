"""Cut texts read once more by their last tokens: what that changes, and what it would be worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.described import Described
from nbutils.metrics import proportion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MOST_REREAD = 200  # mistakes, and as many right predictions
MOST_TOKENS = 40_000  # read again in all: seconds on two cores
TINY = 1e-12

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Predict = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True, repr=False)
class Reread(Described):
    """Predictions of cut texts made once more, on their last tokens in place of the first.

    Attributes
    ----------
    table
        One row per text: `example_id, label, predicted, tail` (what is predicted from the last
        tokens) and `both` (from the mean of the two), as ids.
    of_mistakes, of_right
        Cut test texts that were wrong, and right, of which `table` has all or a sample.
    gain
        What the mean of both readings changes in test accuracy, in [-1, 1], with its 95 % interval.
    """

    table: pd.DataFrame
    of_mistakes: int
    of_right: int
    gain: tuple[float, float, float]

    @property
    def counts(self) -> dict[str, int]:
        """How many of the mistakes change and are mended, and how many right ones are lost."""
        wrong = self.table["label"] != self.table["predicted"]
        changed = self.table["tail"] != self.table["predicted"]
        right = {name: self.table[name] == self.table["label"] for name in ("tail", "both")}
        return {
            "mistakes": int(wrong.sum()),
            "mistakes_changed": int((wrong & changed).sum()),
            "mistakes_mended": int((wrong & right["tail"]).sum()),
            "mistakes_mended_by_both": int((wrong & right["both"]).sum()),
            "right": int((~wrong).sum()),
            "right_lost": int((~wrong & ~right["tail"]).sum()),
            "right_lost_by_both": int((~wrong & ~right["both"]).sum()),
        }


@dataclass(frozen=True, repr=False)
class Chosen(Described):
    """Cut test texts that are read again, and how many there are to choose from.

    Attributes
    ----------
    texts
        `example_id, text, label, predicted`, and the probabilities in the other columns.
    of_mistakes, of_right
        Cut test texts that are wrong, and right.
    all_texts
        All test texts whose tokens were counted.
    """

    texts: pd.DataFrame
    of_mistakes: int
    of_right: int
    all_texts: int


def choose_cut(test: pd.DataFrame, *, cut: BoolArray, limit: int, seed: int = 0) -> Chosen:
    """Choose mistakes and right predictions among the cut texts, as many as the bounds allow.

    Parameters
    ----------
    test
        `example_id, text, label, predicted, prob_<label>...` of N test texts.
    cut
        Whether each is cut, of shape (N,).
    limit
        Tokens that are read of a text.
    seed
        Of the choice.
    """
    random = np.random.default_rng(seed)
    wrong = (test["label"] != test["predicted"]).to_numpy()
    most = max(2, min(2 * MOST_REREAD, MOST_TOKENS // limit))
    mistakes, hits = np.flatnonzero(cut & wrong), np.flatnonzero(cut & ~wrong)
    some = random.permutation(mistakes)[: max(most // 2, most - len(hits))]
    rest = random.permutation(hits)[: most - len(some)]
    rows = np.sort(np.concatenate([some, rest]))
    return Chosen(test.iloc[rows], len(mistakes), len(hits), len(test))


def reread_tails(
    chosen: Chosen,
    tokenizer: PreTrainedTokenizerFast,
    *,
    predict: Predict,
    limit: int,
) -> Reread:
    """Predict cut texts from their last tokens.

    What reading more would do is estimated from the mean of the log probabilities of both readings,
    head and tail, as a model that reads in chunks makes it. That is no more than an estimate: a
    model that is trained on longer texts may gain more, or less.

    Parameters
    ----------
    chosen
        Texts with their predictions.
    tokenizer
        The model's.
    predict
        Returns the probabilities (N, K) of N texts.
    limit
        Tokens that are read of a text, special ones included.
    """
    texts = chosen.texts
    names = [name for name in texts.columns if str(name).startswith("prob_")]
    head = texts[names].to_numpy(np.float64)
    tail = predict(tail_texts(texts["text"].tolist(), tokenizer, limit=limit))
    both = np.log(np.maximum(head, TINY)) + np.log(np.maximum(tail, TINY))
    table = texts[["example_id", "label", "predicted"]].assign(
        tail=tail.argmax(axis=1), both=both.argmax(axis=1)
    )
    gain = estimate_gain(table, chosen)
    return Reread(table.reset_index(drop=True), chosen.of_mistakes, chosen.of_right, gain)


def tail_texts(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, *, limit: int
) -> list[str]:
    """Return the end of each text, from the first word on that the last tokens hold whole.

    Parameters
    ----------
    texts
        Texts of any length; what is short enough comes back as it is.
    tokenizer
        With places of its tokens in the text, as all fast ones have.
    limit
        Tokens of the end, special ones included.
    """
    room = limit - tokenizer.num_special_tokens_to_add()
    if not len(texts):
        return []
    encodings = tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [text[_start(encoding, room) :] for text, encoding in zip(texts, encodings, strict=True)]


def _start(encoding: Any, room: int) -> int:
    """Return the character at which the first whole word among the last `room` tokens begins."""
    words, first = encoding.word_ids, len(encoding.ids) - room
    if first <= 0:
        return 0
    place = first
    while place < len(words) and words[place] == words[place - 1]:
        place += 1
    if place == len(words):  # one word fills all the room
        place = first
    return int(encoding.offsets[place][0])


def estimate_gain(table: pd.DataFrame, chosen: Chosen) -> tuple[float, float, float]:
    """Return what both readings together change in test accuracy, with its 95 % interval.

    The shares of mended mistakes and of lost right predictions are weighted with how many of either
    there are. The interval is made of their two Wilson intervals, as by Newcombe (1998): with few
    mistakes a bootstrap would take the share that was seen for certain.

    Parameters
    ----------
    table
        As `Reread` has it.
    chosen
        What it was chosen from.
    """
    wrong = (table["label"] != table["predicted"]).to_numpy()
    right = (table["both"] == table["label"]).to_numpy()
    mended = proportion(int(right[wrong].sum()), int(wrong.sum()))
    lost = proportion(int((~right[~wrong]).sum()), int((~wrong).sum()))
    up, down = (n / max(chosen.all_texts, 1) for n in (chosen.of_mistakes, chosen.of_right))
    value = up * mended.value - down * lost.value
    below = np.hypot(up * (mended.value - mended.low), down * (lost.high - lost.value))
    above = np.hypot(up * (mended.high - mended.value), down * (lost.value - lost.low))
    return value, float(value - below), float(value + above)
