"""What cutting long texts costs: what is not read, and what reading it changes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import tested_texts
from nbutils.analysis.rereading import Reread, choose_cut, reread_tails
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets
from nbutils.metrics import proportion
from nbutils.params.cutting import Cutting

if TYPE_CHECKING:
    from nbutils.analysis.saved_model import SavedModel
    from nbutils.data.tokens import TokenReport

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a text's tokens that are not read
FIT_SHARE = 0.95  # of the texts that the advised max_length reads whole

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Truncation(Described):
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

    def tags_of_texts(self) -> dict[str, list[int]]:
        """Return the ids of the mistakes that the end of the text would have mended."""
        if self.reread is None:
            return {}
        table = self.reread.table
        mended = (table["label"] != table["predicted"]) & (table["label"] == table["tail"])
        return {"right by its end": table.loc[mended, "example_id"].tolist()}

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
