"""What cutting long texts costs: what is not read, and what reading it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import tested_texts
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets
from nbutils.metrics import proportion
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from nbutils.analysis.saved_model import SavedModel
    from nbutils.data.tokens import TokenReport

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a text's tokens that are not read
MOST_REREAD = 200  # mistakes, and as many right predictions
MOST_TOKENS = 60_000  # read again in all: seconds on two cores
FIT_SHARE = 0.95  # of the texts that the advised max_length reads whole
TINY = 1e-12

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Predict = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True)
class Reread:
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


@dataclass(frozen=True)
class Truncation:
    """What is cut of the test texts, and how accuracy goes with it.

    Attributes
    ----------
    cutting
        How texts are cut.
    shares
        Accuracy by the share of a text that is not read: `cut` (``whole``, ``up to 25 %``,
        ``25 to 50 %``, ...), `value, low, high, n`; all labels right, where texts have several.
    cut_texts, cut_tokens
        Shares of the test texts that are cut, and of their tokens that are not read.
    fit
        The length that 95 % of the test texts have at most, in tokens, special ones included.
    longest
        The most tokens that the model has positions for; None: no limit, or nobody asked.
    reread
        None: nothing was read again, for the reason `why`.
    sampled
        Whether the tokens of a sample of the test texts were counted.
    """

    cutting: Cutting
    shares: pd.DataFrame
    cut_texts: float
    cut_tokens: float
    fit: int
    longest: int | None = None
    reread: Reread | None = None
    why: str = ""
    sampled: bool = False

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        found: dict[str, Any] = {"why": self.why}
        if self.reread is not None:
            named = zip(("value", "low", "high"), self.reread.gain, strict=True)
            found = self.reread.counts | {
                "of_mistakes": self.reread.of_mistakes,
                "of_right": self.reread.of_right,
                "gain": dict(named),
            }
        return {
            **self.cutting.as_dict(),
            "cut_texts": self.cut_texts,
            "cut_tokens": self.cut_tokens,
            "fits_95_percent": self.fit,
            "sampled": self.sampled,
            "accuracy_by_share_cut": self.shares.to_dict("records"),
            "reread": found,
        }

    def advice(self) -> list[Advice]:
        """Return to read more of a text, where that was seen to help."""
        if self.reread is None or self.reread.gain[1] <= 0:
            return []
        value, low, high = (100 * number for number in self.reread.gain)
        counts = self.reread.counts
        return [
            Advice(
                f"Read more of each text: {self._say_how()}.",
                f"{100 * self.cut_texts:.0f} % of the test texts are cut. Where their last "
                f"tokens are read as well as the first, {counts['mistakes_mended_by_both']} of "
                f"{counts['mistakes']} mistakes become right and {counts['right_lost_by_both']} of "
                f"{counts['right']} right ones wrong: {value:+.1f} points of accuracy (95 % "
                f"interval {low:+.1f} to {high:+.1f}) without training again.",
                self.reread.gain[0],
                "truncation",
            )
        ]

    def _say_how(self) -> str:
        if self.cutting.truncation == "chunks":
            return f"raise max_chunks above {self.cutting.max_chunks}"
        others = "truncation to head_tail or chunks"
        length = min(self.fit, self.longest or self.fit)
        if length <= self.cutting.max_length:
            return f"set {others}; the model has no positions for more than {length} tokens"
        reason = f"which {100 * FIT_SHARE:.0f} % of them fit into"
        if length < self.fit:
            reason = "the most that the model has positions for"
        return f"set max_length to {length}, {reason}, or {others}"


def audit_truncation(model: SavedModel, *, seed: int = 0) -> Truncation:
    """Say what is cut of the test texts, and read again what was not read of some.

    Parameters
    ----------
    model
        With the errors of its predictions.
    seed
        Of the sample that is read again.

    Raises
    ------
    NotApplicableError
        No test text is cut.
    """
    test = tested_texts(model.errors)
    report = model.tokens
    if not report.cut_share:
        raise NotApplicableError(
            f"no test text is longer than the {report.limit} tokens that are read"
        )
    table = report.table.set_index("example_id").reindex(test["example_id"])
    length, limit = table["length"].to_numpy(), report.limit
    lost = np.maximum(length - limit, 0) / length  # NaN where the length was not measured
    right = (test["label"] == test["predicted"]).to_numpy()
    why = _why_not(test, report)
    reread, longest = None, None
    if not why:
        known = ~np.isnan(lost)
        chosen = choose_cut(test[known], cut=lost[known] > 0, limit=limit, seed=seed)
        reread = reread_tails(chosen, model.tokenizer, predict=model.predict, limit=limit)
        longest = model.longest
    return Truncation(
        cutting=report.cutting,
        shares=score_by_share(lost, right),
        cut_texts=report.cut_share,
        cut_tokens=report.lost_share,
        fit=int(np.quantile(report.lengths, FIT_SHARE, method="higher")),
        longest=longest,
        reread=reread,
        why=why,
        sampled=report.sampled,
    )


def _why_not(test: pd.DataFrame, report: TokenReport) -> str:
    if holds_sets(test["label"]):
        return "Texts with several labels are not read again."
    if "text_pair" in test:
        return "Pairs of texts are not read again."
    if report.cutting.truncation == "head_tail":
        return "The end of a text is read already: head_tail cuts the middle out."
    return ""


def score_by_share(lost: FloatArray, right: BoolArray) -> pd.DataFrame:
    """Return accuracy by the share of a text that is not read, with Wilson intervals.

    Parameters
    ----------
    lost
        Shares of shape (N,), in [0, 1]; NaN: not known.
    right
        Whether each prediction is right, of shape (N,).

    Returns
    -------
    DataFrame
        `cut, value, low, high, n`, texts that are read whole first; only rows that hold texts.
    """
    inside = {"whole": lost == 0} | {
        _name_share(low, high): (lost > low) & (lost <= high) for low, high in pairwise(SHARES)
    }
    scores = {
        name: proportion(int(right[rows].sum()), int(rows.sum())) for name, rows in inside.items()
    }
    rows = [{"cut": name, **score.as_dict()} for name, score in scores.items() if score.n]
    return pd.DataFrame(rows, columns=["cut", "value", "low", "high", "n"])


def _name_share(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %" if low else f"up to {100 * high:.0f} %"


@dataclass(frozen=True)
class Chosen:
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
