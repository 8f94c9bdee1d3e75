"""Slices of the test texts on which the model does worse than on the rest, beyond chance.

Slices are compared with other texts of the same classes: that the texts of hard classes are long
is no news of long texts. Classes themselves are compared with all others, in a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.attributes import Attribute, describe_texts
from nbutils.analysis.errors import Errors, tested_texts
from nbutils.analysis.slice_tests import (
    FALSE_DISCOVERIES,
    MOST_TOLD,
    Judged,
    Scored,
    detectable_rate,
    excess_mistakes,
    rows_of,
    score_slices,
    tell_once,
)
from nbutils.data.sampling import bounded_sample
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets

if TYPE_CHECKING:
    from nbutils.analysis.saved_model import SavedModel

SMALLEST = 20  # texts of a slice, and of the rest
SMALLEST_SHARE = 0.002
MOST_ROWS = 100_000  # test texts that are looked at; more are sampled
MOST_CHARACTERS = 50_000_000
MOST_ADVICE = 3
MOST_TAGS = 4  # slices that the list of all mistakes names
EXAMPLES = (3, 3)  # slices of which mistakes are shown, and how many of each


@dataclass(frozen=True, repr=False)
class Slices(Described):
    """Slices that do worse than the rest.

    Attributes
    ----------
    table
        One row per slice, the least likely to be chance first: `family, slice, n, mistakes, rate`
        with its 95 % interval `low, high`, `rest_rate` (of all other texts), `expected` (the rate
        that it would have if it failed as the other texts of its classes do, with which it is
        compared; missing where texts have several labels: then it is compared with the rest), `p`
        and `q` (before and after the correction for the number of slices tried), `worth` (mistakes
        fewer, as a share of all test texts, if it had the rate it is compared with) and `also`
        (slices of mostly the same mistakes, which fail no more than the rest once this one is set
        aside).
    examples
        Mistakes of the first slices: `slice, example_id, text, label, predicted, confidence`.
    tried
        Different slices that were tested, without classes.
    texts, mistakes
        Test texts that were looked at, and how many of them are wrong.
    smallest
        Texts that a slice needs.
    detectable
        The lowest error rate that would have been told of a slice of a tenth of the texts,
        whatever else was found; None: even all mistakes in it would not.
    sampled
        Whether there were too many texts to look at all of them.
    ids
        The texts of the first slices, by slice.
    classes
        The same columns, `expected` always missing: classes that fail more than all other texts,
        corrected for the number of classes.
    """

    table: pd.DataFrame
    examples: pd.DataFrame
    tried: int
    texts: int
    mistakes: int
    smallest: int
    detectable: float | None
    sampled: bool = False
    ids: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)

    def tags_of_texts(self) -> Mapping[str, NDArray[np.int64]]:
        """Return the ids of the texts in the first slices, by slice."""
        return self.ids

    def findings(self) -> dict[str, Any]:
        """Return what `findings.json` holds."""
        return {
            "tried": self.tried,
            "texts": self.texts,
            "mistakes": self.mistakes,
            "smallest": self.smallest,
            "sampled": self.sampled,
            "false_discovery_rate": FALSE_DISCOVERIES,
            "detectable": self.detectable,
            "slices": [_plain(row) for row in self.table.to_dict("records")],
            "classes": [_plain(row) for row in self.classes.to_dict("records")],
        }

    def advice(self) -> list[Advice]:
        """Return what to look at first; that classes differ is the business of other sections."""
        return [_advise(row) for row in self.table.head(MOST_ADVICE).to_dict("records")]


def find_slices(errors: Errors, *, model: SavedModel | None = None, seed: int = 0) -> Slices:
    """Find slices of the test texts that fail more often than the rest.

    Parameters
    ----------
    errors
        Of either kind; where texts have several labels, one wrong label makes a mistake.
    model
        Whose tokenizer says what was cut and what is unknown; None: these are left out.
    seed
        Of the topics.

    Returns
    -------
    Slices
        Where, within each class, mistakes have nothing to do with the texts, its table holds a
        slice in at most 5 % of cases; so it is with random labels. Classes then differ all the same
        if the model gives some labels more often than others.

    Raises
    ------
    NotApplicableError
        There are too few test texts to make slices of.
    """
    test = tested_texts(errors)
    rows = bounded_sample(test, most_rows=MOST_ROWS, most_characters=MOST_CHARACTERS)
    smallest = max(SMALLEST, round(SMALLEST_SHARE * len(rows)))
    if len(rows) < 2 * smallest:
        raise NotApplicableError(
            f"expected at least {2 * smallest} test texts to make slices of, found {len(rows)}"
        )
    tokens = None if model is None else model.tokens
    attributes = describe_texts(rows, label_names=errors.label_names, tokens=tokens, seed=seed)
    judged = _judge(rows)
    found = score_slices(
        [each for each in attributes if each.family != "class"], judged, smallest=smallest
    )
    told, members = _tell(found, judged)
    return Slices(
        table=told,
        examples=_examples(errors, rows, told, members),
        tried=len(found.table),
        texts=len(rows),
        mistakes=int(judged.wrong.sum()),
        smallest=smallest,
        detectable=detectable_rate(judged, len(found.table)),
        sampled=len(rows) < len(test),
        ids=_ids(rows, told, members),
        classes=_tell_classes(attributes, judged, smallest=smallest),
    )


def _judge(rows: pd.DataFrame) -> Judged:
    several = holds_sets(rows["label"])
    classes = None if several else rows["label"].to_numpy(np.int64)
    return Judged((rows["label"] != rows["predicted"]).to_numpy(), classes)


def _tell(found: Scored, judged: Judged) -> tuple[pd.DataFrame, Any]:
    told, members = tell_once(found, judged)
    return told.assign(worth=excess_mistakes(told) / len(judged.wrong)), members


def _tell_classes(
    attributes: Sequence[Attribute], judged: Judged, *, smallest: int
) -> pd.DataFrame:
    own, alike = [each for each in attributes if each.family == "class"], Judged(judged.wrong)
    return _tell(score_slices(own, alike, smallest=smallest), alike)[0]


def _ids(rows: pd.DataFrame, told: pd.DataFrame, members: Any) -> dict[str, NDArray[np.int64]]:
    ids = rows["example_id"].to_numpy()
    names = told["slice"].head(MOST_TAGS)
    return {str(name): ids[rows_of(members, k)] for k, name in enumerate(names)}


def _examples(errors: Errors, rows: pd.DataFrame, told: pd.DataFrame, members: Any) -> pd.DataFrame:
    """Return the most confident mistakes of the first slices."""
    mistakes = errors.mistakes()
    slices, each = EXAMPLES
    parts = []
    for place, name in enumerate(told["slice"].head(slices)):
        inside = rows["example_id"].to_numpy()[rows_of(members, place)]
        own = mistakes[mistakes["example_id"].isin(inside)].head(each)
        parts.append(own.assign(slice=name))
    columns = ["slice", *(name for name in mistakes.columns if name not in ("split", "prob_label"))]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a slice for JSON: no expected rate is None, and of many names the first stand."""
    expected = row["expected"]
    return row | {
        "expected": None if np.isnan(expected) else expected,
        "also": list(row["also"][:MOST_TOLD]),
    }


def _advise(row: dict[Any, Any]) -> Advice:
    rate, low, high, rest, same = (
        f"{100 * row[name]:.1f}" for name in ("rate", "low", "high", "rest_rate", "expected")
    )
    others = f"{rest} % of the rest"
    if not np.isnan(row["expected"]):
        others = f"{same} % of other texts of the same classes"
    return Advice(
        f"Read the {row['mistakes']} mistakes among the {row['n']} texts {row['slice']}, and add "
        "training texts like them.",
        f"{rate} % of them are wrong (95 % interval {low} to {high} %), against {others}. The "
        "gain is what it is worth if they became as easy as those.",
        float(row["worth"]),
        "slices",
    )
