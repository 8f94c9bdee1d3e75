"""Slices of the test texts on which the model does worse than on the rest, beyond chance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.attributes import Attribute, describe_texts
from nbutils.analysis.errors import Errors, tested_texts
from nbutils.data.sampling import bounded_sample
from nbutils.errors import NotApplicableError
from nbutils.label_sets import holds_sets
from nbutils.metrics import wilson_interval

if TYPE_CHECKING:
    from nbutils.analysis.saved_model import SavedModel

FALSE_DISCOVERIES = 0.05  # rate that is held
SMALLEST = 20  # texts of a slice, and of the rest
SMALLEST_SHARE = 0.002
MOST_ROWS = 100_000  # test texts that are looked at; more are sampled
MOST_CHARACTERS = 50_000_000
MOST_TOLD = 25
MOST_ADVICE = 3
EXAMPLES = (3, 3)  # slices of which mistakes are shown, and how many of each
COLUMNS = ("family", "slice", "n", "mistakes", "rate", "low", "high", "rest_rate", "p", "q")

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Slices:
    """Slices that do worse than the rest.

    Attributes
    ----------
    table
        One row per slice, the least likely to be chance first: `family, slice, n, mistakes, rate`
        with its 95 % interval `low, high`, `rest_rate` (of all other texts), `p` and `q` (before
        and after the correction for the number of slices tried), `expected` (the rate that the
        classes of its texts have; missing where texts have several labels), `worth` (mistakes
        fewer, as a share of all test texts, if it did as well as the rest) and `also` (slices of
        mostly the same mistakes, which fail no more than the rest once this one is set aside).
    examples
        Mistakes of the first slices: `slice, example_id, text, label, predicted, confidence`.
    tried
        Different slices that were tested.
    texts, mistakes
        Test texts that were looked at, and how many of them are wrong.
    smallest
        Texts that a slice needs.
    detectable
        The lowest error rate that would have been told of a slice of a tenth of the texts,
        whatever else was found; None: even all mistakes in it would not.
    sampled
        Whether there were too many texts to look at all of them.
    """

    table: pd.DataFrame
    examples: pd.DataFrame
    tried: int
    texts: int
    mistakes: int
    smallest: int
    detectable: float | None
    sampled: bool = False

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
        }

    def advice(self) -> list[Advice]:
        """Return what to look at first; that classes differ is the business of other sections."""
        told = self.table[self.table["family"] != "class"].head(MOST_ADVICE)
        return [_advise(row) for row in told.to_dict("records")]


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
        On labels that have nothing to do with the texts, it holds a slice in at most 5 % of cases.

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
    wrong = (rows["label"] != rows["predicted"]).to_numpy()
    found = score_slices(attributes, wrong, smallest=smallest)
    told, members = _tell_once(found, wrong)
    told = told.assign(expected=_expected(rows, wrong, members), worth=_excess(told) / len(rows))
    return Slices(
        table=told,
        examples=_examples(errors, rows, told, members),
        tried=len(found.table),
        texts=len(rows),
        mistakes=int(wrong.sum()),
        smallest=smallest,
        detectable=_detectable(wrong, len(found.table)),
        sampled=len(rows) < len(test),
    )


@dataclass(frozen=True)
class Scored:
    """All slices that were tried: `table` with a row for each, `members` (N, M) of 0 and 1."""

    table: pd.DataFrame
    members: Any


def score_slices(attributes: Sequence[Attribute], wrong: BoolArray, *, smallest: int) -> Scored:
    """Test every slice against the rest of the texts.

    Fisher's exact test, one-sided: given how many mistakes there are, those in a slice that has
    nothing to do with them follow a hypergeometric distribution. Unlike a binomial test against
    the overall rate it does not take that rate for known, and is exact for any slice however small
    or good the model. One-sided, as only slices that do worse are told. Over all slices the false
    discovery rate is held: Benjamini and Hochberg, "Controlling the false discovery rate", 1995.

    Parameters
    ----------
    attributes
        Of N texts.
    wrong
        Whether each text is a mistake, of shape (N,).
    smallest
        Texts that a slice needs, and the rest too.

    Returns
    -------
    Scored
        The least likely to be chance first; slices of the very same texts are one, with all their
        names.
    """
    from scipy.sparse import csc_matrix, hstack
    from scipy.stats import false_discovery_control, hypergeom

    parts = [_count(attribute, wrong, smallest) for attribute in attributes]
    table = pd.concat([part.table for part in parts], ignore_index=True)
    members = hstack([csc_matrix((len(wrong), 0)), *(part.members for part in parts)], format="csc")
    kept = ~table.duplicated("rows").to_numpy()
    names = table.groupby("rows", sort=False)["slice"].agg(", ".join)
    table, members = table[kept].reset_index(drop=True), members[:, kept]
    n, hits, total, all_hits = (table[c].to_numpy() for c in ("n", "mistakes", "known", "total"))
    p = np.minimum(hypergeom.sf(hits - 1, total, all_hits, n), 1.0)
    bounds = [wilson_interval(h, size) for h, size in zip(hits.tolist(), n.tolist(), strict=True)]
    table = table.assign(
        slice=names.to_numpy(),
        rate=hits / n,
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        rest_rate=(all_hits - hits) / (total - n),
        p=p,
        q=false_discovery_control(p) if len(p) else p,
    )
    order = np.lexsort((-_excess(table), p))
    return Scored(table.iloc[order][[*COLUMNS]].reset_index(drop=True), members[:, order])


def _count(attribute: Attribute, wrong: BoolArray, smallest: int) -> Scored:
    """Return sizes and mistakes of the slices that are neither too small nor too large."""
    known = np.ones(len(wrong), bool) if attribute.known is None else attribute.known
    n = np.asarray(attribute.members.sum(axis=0)).ravel().round().astype(np.int64)
    kept = (n >= smallest) & (n <= known.sum() - smallest)
    members = attribute.members[:, kept]
    names = [name for name, keep in zip(attribute.names, kept, strict=True) if keep]
    table = pd.DataFrame({"family": attribute.family, "slice": names, "n": n[kept]})
    mistakes = (members.T @ wrong.astype(np.float64)).round().astype(np.int64)
    # Texts with equal sums of random numbers are the same texts, but for one case in billions.
    keys = np.random.default_rng(0).random(len(wrong))
    return Scored(
        table.assign(
            mistakes=mistakes,
            known=int(known.sum()),
            total=int((wrong & known).sum()),
            rows=(members.T @ keys).round(9),
        ),
        members,
    )


def _excess(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return how many mistakes each slice has more than at the rate of the rest."""
    return (table["mistakes"] - table["n"] * table["rest_rate"]).to_numpy(np.float64)


def _tell_once(found: Scored, wrong: BoolArray) -> tuple[pd.DataFrame, Any]:
    """Return the slices to tell, each with those that fail for the same mistakes in `also`.

    A slice stands by itself if it still does worse than the rest after the texts of all slices
    before it are set aside, by the p-value that the last of them all had.
    """
    from scipy.stats import hypergeom

    bad: list[int] = np.flatnonzero(found.table["q"] <= FALSE_DISCOVERIES).tolist()
    limit = float(found.table["p"].iloc[bad].max()) if bad else 0.0
    aside = np.zeros(len(wrong), bool)
    also: dict[int, list[str]] = {}
    mistakes: dict[int, BoolArray] = {}
    for place in bad:
        inside = _rows(found.members, place)
        left = inside & ~aside
        hits, total = int((left & wrong).sum()), int((wrong & ~aside).sum())
        p = hypergeom.sf(hits - 1, int((~aside).sum()), total, int(left.sum()))
        if not also or (p <= limit and hits):
            also[place], mistakes[place] = [], inside & wrong
            aside |= inside
        else:
            head = max(also, key=lambda k: int((mistakes[k] & inside).sum()))
            also[head].append(found.table["slice"].iloc[place])
    shown = list(also)[:MOST_TOLD]
    names = pd.Series([tuple(also[k]) for k in shown], dtype=object)
    table = found.table.iloc[shown].reset_index(drop=True).assign(also=names)
    return table, found.members[:, shown]


def _rows(members: Any, place: int) -> BoolArray:
    return np.asarray(members[:, [place]].toarray().ravel() > 0)


def _expected(rows: pd.DataFrame, wrong: BoolArray, members: Any) -> NDArray[np.float64]:
    """Return the error rate that each slice has if its texts fail as their classes do."""
    if holds_sets(rows["label"]):
        return np.full(members.shape[1], np.nan)
    labels = rows["label"].to_numpy()
    rate = np.bincount(labels, wrong) / np.maximum(np.bincount(labels), 1)
    sizes = np.asarray(members.sum(axis=0)).ravel()
    return np.asarray((members.T @ rate[labels]) / np.maximum(sizes, 1), np.float64)


def _examples(errors: Errors, rows: pd.DataFrame, told: pd.DataFrame, members: Any) -> pd.DataFrame:
    """Return the most confident mistakes of the first slices."""
    mistakes = errors.mistakes()
    slices, each = EXAMPLES
    parts = []
    for place, name in enumerate(told["slice"].head(slices)):
        inside = rows["example_id"].to_numpy()[_rows(members, place)]
        own = mistakes[mistakes["example_id"].isin(inside)].head(each)
        parts.append(own.assign(slice=name))
    columns = ["slice", *(name for name in mistakes.columns if name not in ("split", "prob_label"))]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]


def _detectable(wrong: BoolArray, tried: int) -> float | None:
    """Return the lowest rate of a tenth of the texts that survives the correction by itself."""
    from scipy.stats import hypergeom

    size, total = len(wrong) // 10, int(wrong.sum())

    def survives(hits: int) -> bool:
        p = hypergeom.sf(hits - 1, len(wrong), total, size)
        return bool(p <= FALSE_DISCOVERIES / max(tried, 1))

    most = min(size, total)
    enough = bisect_left(range(most + 1), True, key=survives)
    return enough / size if enough <= most else None


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a slice for JSON: no expected rate is None, and of many names the first stand."""
    expected = row["expected"]
    return row | {
        "expected": None if np.isnan(expected) else expected,
        "also": list(row["also"][:MOST_TOLD]),
    }


def _advise(row: dict[Any, Any]) -> Advice:
    rate, low, high, rest = (
        f"{100 * row[name]:.1f}" for name in ("rate", "low", "high", "rest_rate")
    )
    return Advice(
        f"Read the {row['mistakes']} mistakes among the {row['n']} texts {row['slice']}, and add "
        "training texts like them.",
        f"{rate} % of them are wrong (95 % interval {low} to {high} %), against {rest} % of the "
        "rest. The gain is what it is worth if they became as easy as the rest.",
        float(row["worth"]),
        "slices",
    )
