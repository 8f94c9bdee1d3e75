"""What copies of training texts among the test texts, and suspect labels, do to the score."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import Errors, tested_texts
from nbutils.data.duplicates import find_duplicates
from nbutils.data.minhash import CHUNK, compare_pairs
from nbutils.data.sampling import bounded_sample
from nbutils.data.shingles import same_words
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets
from nbutils.metrics import Score, proportion

NEAR = 0.7  # word-pair similarity from which two texts are near copies
MOST_ROWS = 200_000  # training texts in which near copies are looked for; exact ones in all
MOST_CHARACTERS = 60_000_000
FEWEST_COMPARED, MOST_COMPARED = 5, 50  # training texts that a test text is compared with
MOST_PAIRS = 500_000  # that are compared, but for the fewest of each test text
SHOWN = 20

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Leakage(Described):
    """Test texts that have a copy in training, and the accuracy without them.

    Attributes
    ----------
    scores
        `test_texts, value, low, high, n`: accuracy (all labels right, where texts have several) of
        all test texts, of those without an exact copy in training, without any copy, and, where
        suspects are known, without these and without either.
    copies
        The test texts with a copy: `example_id, train_id` (of the nearest), `kind` (``exact`` or
        ``near``), `similarity` in [0.7, 1], `same_label, right`, and for the first 20 `text,
        train_text`.
    suspects
        Test texts whose labels are suspect; None: nobody looked.
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
    suspects: int | None
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
            "near_from": NEAR,
            "train_texts": self.train_texts,
            "train_texts_compared": self.compared,
            "scores": self.scores.to_dict("records"),
            "copies": self.copies[["example_id", "train_id", "kind", "similarity"]]
            .head(100)
            .to_dict("records"),
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


def audit_leakage(
    errors: Errors,
    train: pd.DataFrame,
    *,
    suspects: Collection[int] | None = None,
    seed: int = 1,
) -> Leakage:
    """Look for copies of the training texts among the test texts, and score without them.

    Copies are texts of the same words, whatever their case and blanks (exact), and texts of which
    at least 70 % of the word pairs are common (near); a text of 20 words of which one was changed
    has more than 80 %. Data preparation removes them, and whatever is like their copies; this looks
    again, with other hash functions, for what is like a training text itself.

    Parameters
    ----------
    errors
        Of either kind.
    train
        `example_id, text[, text_pair], label` of the training texts.
    suspects
        Ids of the test texts whose labels are suspect, from `find_suspects`; None: nobody looked.
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
    compared = bounded_sample(train, most_rows=MOST_ROWS, most_characters=MOST_CHARACTERS)
    copies = _find_copies(test, train, compared.reset_index(drop=True), seed=seed)
    right = (test["label"] == test["predicted"]).to_numpy()
    doubted = None if suspects is None else test["example_id"].isin(list(suspects)).to_numpy()
    return Leakage(
        scores=_score(right, copies.exact, copies.of >= 0, doubted),
        copies=_tabulate(test, train, copies),
        suspects=None if doubted is None else int(doubted.sum()),
        inflation=measure_inflation(right, copies.of >= 0),
        compared=len(compared),
        train_texts=len(train),
    )


@dataclass(frozen=True)
class _Copies:
    """Of N test texts: the id of the nearest copy or -1, whether it is exact, and how near."""

    of: NDArray[np.int64]
    exact: BoolArray
    similarity: FloatArray


def _find_copies(
    test: pd.DataFrame, train: pd.DataFrame, compared: pd.DataFrame, *, seed: int
) -> _Copies:
    same = _exact_copies(test, train)
    near, similarity = _near_copies(test, compared, seed=seed)
    exact = same >= 0
    return _Copies(np.where(exact, same, near), exact, np.where(exact, 1.0, similarity))


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


def _near_copies(
    test: pd.DataFrame, train: pd.DataFrame, *, seed: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the id of the nearest training text for each test text, -1 for none, and how near.

    Groups of near copies hold texts that are alike through others alone, so each test text is
    compared with training texts of its group, at most 50 of them, and 5 where there are very many
    such test texts.
    """
    columns = [name for name in ("text", "text_pair") if name in train]
    both = pd.concat([train[columns], test[columns]], ignore_index=True)
    both = both.assign(example_id=np.arange(len(both)), label=0)
    group = find_duplicates(both, threshold=NEAR, seed=seed).group
    own, others = _pair_up(group[len(train) :], group[: len(train)])
    folded = pd.Index(_folded(both)).str.slice(stop=CHUNK)
    lengths = folded.str.len().to_numpy(np.int64)
    alike = compare_pairs(folded, lengths, own + len(train), others)
    pairs = pd.DataFrame({"own": own, "other": others, "alike": alike})
    nearest = pairs[alike >= NEAR].sort_values(["alike", "other"], ascending=[False, True])
    nearest = nearest.drop_duplicates("own")
    found, similarity = np.full(len(test), -1), np.zeros(len(test))
    found[nearest["own"]] = train["example_id"].to_numpy()[nearest["other"]]
    similarity[nearest["own"]] = nearest["alike"]
    return found, similarity


def _pair_up(
    groups: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of places in `groups` and in `others` with the same group.

    Of a group with many others each place gets some, from different ones on.
    """
    order = np.argsort(others, kind="stable")
    first = np.searchsorted(others[order], groups)
    sizes = np.searchsorted(others[order], groups, side="right") - first
    room = MOST_PAIRS // max(1, int((sizes > 0).sum()))
    taken = np.minimum(sizes, min(max(FEWEST_COMPARED, room), MOST_COMPARED))
    own = np.repeat(np.arange(len(groups)), taken)
    step = np.arange(len(own)) - np.repeat(np.cumsum(taken) - taken, taken)
    return own, order[first[own] + (own + step) % np.maximum(sizes[own], 1)]


def _score(
    right: BoolArray, exact: BoolArray, copied: BoolArray, doubted: BoolArray | None
) -> pd.DataFrame:
    sets = {
        "all": np.ones(len(right), bool),
        "without exact copies": ~exact,
        "without copies": ~copied,
    }
    if doubted is not None:
        sets |= {"without suspect labels": ~doubted, "without either": ~copied & ~doubted}
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


def _tabulate(test: pd.DataFrame, train: pd.DataFrame, copies: _Copies) -> pd.DataFrame:
    rows = np.flatnonzero(copies.of >= 0)
    rows = rows[np.argsort(~copies.exact[rows], kind="stable")]
    own, others = test.iloc[rows], train.set_index("example_id").loc[copies.of[rows]]
    labels = zip(_comparable(own["label"]), _comparable(others["label"]), strict=True)
    table = pd.DataFrame(
        {
            "example_id": own["example_id"].to_numpy(),
            "train_id": copies.of[rows],
            "kind": np.where(copies.exact[rows], "exact", "near"),
            "similarity": copies.similarity[rows],
            "same_label": np.array([one == other for one, other in labels], bool),
            "right": (own["label"] == own["predicted"]).to_numpy(bool),
        }
    )
    shown = [pd.Series(side["text"].head(SHOWN).to_numpy(), dtype=object) for side in (own, others)]
    return table.assign(text=shown[0], train_text=shown[1])


def _comparable(labels: pd.Series[Any]) -> list[Any]:
    return [tuple(ids) for ids in labels] if holds_sets(labels) else labels.tolist()
