"""What copies of training texts among the test texts, and doubtful labels, do to the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import Errors, tested_texts
from nbutils.data.duplicates import find_duplicates
from nbutils.data.sampling import bounded_sample
from nbutils.data.shingles import jaccard, same_words, shingle_texts
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets
from nbutils.metrics import Score, proportion

NEAR = 0.7  # word-pair similarity from which two texts are near copies
SUSPECT = 0.05  # probability of the given label, below which it is a suspect
MOST_ROWS = 200_000  # training texts in which near copies are looked for; exact ones in all
MOST_CHARACTERS = 60_000_000
SHOWN = 20

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Leakage(Described):
    """Test texts that have a copy in training, and the accuracy without them.

    Attributes
    ----------
    scores
        `test_texts, value, low, high, n`: accuracy (all labels right, where texts have several) of
        all test texts, of those without an exact copy in training, without any copy, without
        suspect labels, and without either.
    copies
        The test texts with a copy: `example_id, train_id, kind` (``exact`` or ``near``),
        `same_label, right`, and for the first 20 `similarity, text, train_text`.
    suspects
        Test texts whose given label has a probability below 5 %.
    inflation
        Accuracy on all test texts minus that without copies, in [-1, 1], with its 95 % interval;
        None: every test text has a copy.
    compared
        Training texts in which near copies were looked for.
    train_texts
        All training texts.
    """

    scores: pd.DataFrame
    copies: pd.DataFrame
    suspects: int
    inflation: tuple[float, float, float] | None
    compared: int
    train_texts: int

    @property
    def exact(self) -> int:
        """Test texts with an exact copy in training."""
        return int((self.copies["kind"] == "exact").sum())

    def tags_of_texts(self) -> dict[str, list[int]]:
        """Return the ids of the test texts that have a copy in training."""
        return {"copy in training": self.copies["example_id"].tolist()}

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        return {
            "exact_copies": self.exact,
            "near_copies": len(self.copies) - self.exact,
            "other_label": int((~self.copies["same_label"].astype(bool)).sum()),
            "inflation": self.inflation
            and dict(zip(("value", "low", "high"), self.inflation, strict=True)),
            "suspects": self.suspects,
            "suspect_below": SUSPECT,
            "near_from": NEAR,
            "train_texts": self.train_texts,
            "train_texts_compared": self.compared,
            "scores": self.scores.to_dict("records"),
            "copies": self.copies[["example_id", "train_id", "kind"]].head(100).to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Return how to get a score without copies; it is worth nothing in accuracy."""
        if self.copies.empty:
            return []
        return [
            Advice(
                f"Take the {len(self.copies)} test texts that have a copy among the training texts "
                "out of one of the two (data_prep.deduplicate does).",
                self.describe_effect(),
                None,
                "leakage",
            )
        ]

    def describe_effect(self) -> str:
        """Return in a sentence what the copies do to the accuracy."""
        if self.inflation is None:
            return "No test text is without a copy: the accuracy says nothing about new texts."
        clean = self.scores.set_index("test_texts")["value"]["without copies"]
        value, low, high = (round(100 * number, 1) + 0.0 for number in self.inflation)  # no -0.0
        return (
            f"Without them the test accuracy is {100 * clean:.1f} %; they change it by "
            f"{value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
        )


def audit_leakage(errors: Errors, train: pd.DataFrame, *, seed: int = 1) -> Leakage:
    """Look for copies of the training texts among the test texts, and score without them.

    Copies are texts of the same words, whatever their case and blanks (exact), and texts of which
    at least 70 % of the word pairs are common (near); a text of 20 words of which one was changed
    has more than 80 %. Data preparation removes them; this looks again, with other hash functions.

    Parameters
    ----------
    errors
        Of either kind.
    train
        `example_id, text[, text_pair], label` of the training texts.
    seed
        Of the hash functions; data preparation has 0.

    Raises
    ------
    NotApplicableError
        There are no training or no test texts.
    """
    test = tested_texts(errors)
    if not len(test) or not len(train):
        raise NotApplicableError(
            f"expected training and test texts, found {len(train)} and {len(test)}"
        )
    exact = _exact_copies(test, train)
    compared = bounded_sample(train, most_rows=MOST_ROWS, most_characters=MOST_CHARACTERS)
    near = _near_copies(test, compared.reset_index(drop=True), seed=seed)
    copy_of = np.where(exact >= 0, exact, near)
    right = (test["label"] == test["predicted"]).to_numpy()
    doubted = _doubted(errors, test)
    copies = _tabulate(test, train, copy_of, exact >= 0)
    return Leakage(
        scores=_score(right, exact >= 0, copy_of >= 0, doubted),
        copies=copies,
        suspects=int(doubted.sum()),
        inflation=measure_inflation(right, copy_of >= 0),
        compared=len(compared),
        train_texts=len(train),
    )


def _exact_copies(test: pd.DataFrame, train: pd.DataFrame) -> NDArray[np.int64]:
    """Return the id of a training text of the same words for each test text, -1 for none."""
    ids = pd.Series(train["example_id"].to_numpy(), index=_folded(train))
    first = ids[~ids.index.duplicated()]
    return pd.Series(_folded(test)).map(first).fillna(-1).to_numpy(np.int64)


def _folded(frame: pd.DataFrame) -> list[str]:
    folded = [same_words(text) for text in frame["text"]]
    if "text_pair" in frame:
        pairs = (same_words(text) for text in frame["text_pair"])
        folded = [f"{one}\x1f{other}" for one, other in zip(folded, pairs, strict=True)]
    return folded


def _near_copies(test: pd.DataFrame, train: pd.DataFrame, *, seed: int) -> NDArray[np.int64]:
    """Return the id of a training text of the same group for each test text, -1 for none."""
    columns = [name for name in ("example_id", "text", "text_pair") if name in train]
    both = pd.concat([train[columns], test[columns]], ignore_index=True)
    group = find_duplicates(both.assign(label=0), threshold=NEAR, seed=seed).group
    ids = pd.Series(train["example_id"].to_numpy(), index=group[: len(train)])
    first = ids[~ids.index.duplicated()]
    found = pd.Series(group[len(train) :]).map(first).fillna(-1)
    return found.to_numpy(np.int64)


def _doubted(errors: Errors, test: pd.DataFrame) -> BoolArray:
    mistakes = errors.mistakes()
    doubted = mistakes[mistakes["prob_label"] < SUSPECT]
    return test["example_id"].isin(doubted["example_id"]).to_numpy()


def _score(right: BoolArray, exact: BoolArray, copied: BoolArray, doubted: BoolArray) -> Any:
    sets = {
        "all": np.ones(len(right), bool),
        "without exact copies": ~exact,
        "without copies": ~copied,
        "without suspect labels": ~doubted,
        "without either": ~copied & ~doubted,
    }
    scores: dict[str, Score] = {
        name: proportion(int(right[rows].sum()), int(rows.sum())) for name, rows in sets.items()
    }
    return pd.DataFrame([{"test_texts": name, **s.as_dict()} for name, s in scores.items()])


def measure_inflation(right: BoolArray, copied: BoolArray) -> tuple[float, float, float] | None:
    """Return accuracy on all minus accuracy without copies, with its 95 % interval.

    It is the share of copies times how much easier these are; the interval of that difference is
    made of the two Wilson intervals: Newcombe, "Interval estimation for the difference between
    independent proportions", 1998, method 10.

    Parameters
    ----------
    right, copied
        Whether each prediction is right, and whether its text has a copy; both of shape (N,).

    Returns
    -------
    tuple or None
        Value, low and high; None: every text has a copy.
    """
    if copied.all():
        return None
    if not copied.any():
        return 0.0, 0.0, 0.0
    share = float(copied.mean())
    one, other = (proportion(int(right[rows].sum()), int(rows.sum())) for rows in (copied, ~copied))
    gap = one.value - other.value
    below = np.hypot(one.value - one.low, other.high - other.value)
    above = np.hypot(one.high - one.value, other.value - other.low)
    return share * gap, share * float(gap - below), share * float(gap + above)


def _tabulate(
    test: pd.DataFrame, train: pd.DataFrame, copy_of: NDArray[np.int64], exact: BoolArray
) -> pd.DataFrame:
    rows = np.flatnonzero(copy_of >= 0)
    rows = rows[np.argsort(~exact[rows], kind="stable")]
    own, others = test.iloc[rows], train.set_index("example_id").loc[copy_of[rows]]
    labels = zip(_comparable(own["label"]), _comparable(others["label"]), strict=True)
    table = pd.DataFrame(
        {
            "example_id": own["example_id"].to_numpy(),
            "train_id": copy_of[rows],
            "kind": np.where(exact[rows], "exact", "near"),
            "same_label": np.array([one == other for one, other in labels], bool),
            "right": (own["label"] == own["predicted"]).to_numpy(bool),
        }
    )
    shown = [pd.Series(side["text"].head(SHOWN).to_numpy(), dtype=object) for side in (own, others)]
    return table.assign(similarity=_alike(*shown), text=shown[0], train_text=shown[1])


def _comparable(labels: pd.Series[Any]) -> list[Any]:
    return [tuple(ids) for ids in labels] if holds_sets(labels) else labels.tolist()


def _alike(texts: pd.Series[Any], others: pd.Series[Any]) -> pd.Series[float]:
    """Return the word-pair similarity of each text and its copy."""
    if not len(texts):
        return pd.Series(dtype=float)
    shingles = shingle_texts([same_words(text) for text in [*texts, *others]])
    places = np.arange(len(texts))
    return pd.Series(jaccard(shingles, places, places + len(texts)))
