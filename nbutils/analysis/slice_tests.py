"""Which slices fail more than the rest beyond chance, and which of them by themselves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.attributes import Attribute
from nbutils.described import Described
from nbutils.metrics import wilson_interval

FALSE_DISCOVERIES = 0.05  # rate that is held
MOST_TOLD = 25
COLUMNS = (
    "family", "slice", "n", "mistakes", "rate", "low", "high", "rest_rate", "expected", "p", "q",
)  # fmt: skip

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Scored(Described):
    """All slices that were tried: `table` with a row for each, `members` (N, M) of 0 and 1."""

    table: pd.DataFrame
    members: Any


@dataclass(frozen=True)
class Judged:
    """Whether each of N texts is a mistake, and its class, both of shape (N,).

    Slices are compared class by class; `classes` None: with all other texts alike.
    """

    wrong: BoolArray
    classes: IntArray | None = None

    @cached_property
    def strata(self) -> Any:
        """Which text is of which class, sparse of shape (N, C)."""
        from scipy.sparse import csr_matrix

        n = len(self.wrong)
        classes = np.zeros(n, np.int64) if self.classes is None else self.classes
        shape = (n, int(classes.max(initial=0)) + 1)
        return csr_matrix((np.ones(n), (np.arange(n), classes)), shape=shape)

    def count(self, rows: BoolArray) -> FloatArray:
        """Return how many of these texts are of each class, of shape (C,)."""
        return np.asarray(rows.astype(np.float64) @ self.strata, np.float64)


def score_slices(attributes: Sequence[Attribute], judged: Judged, *, smallest: int) -> Scored:
    """Test every slice against the rest of the texts.

    One-sided, as only slices that do worse are told; see `chance_of`. Over all slices the false
    discovery rate is held: Benjamini and Hochberg, "Controlling the false discovery rate", 1995.

    Parameters
    ----------
    attributes
        Of N texts.
    judged
        The same texts.
    smallest
        Texts that a slice needs, and the rest too.

    Returns
    -------
    Scored
        The least likely to be chance first; slices of the very same texts are one, with all their
        names.
    """
    from scipy.stats import false_discovery_control

    parts = [_count(attribute, judged, smallest) for attribute in attributes]
    counted = _merge(parts, len(judged.wrong))
    table, p = counted.table, counted.table["p"].to_numpy(np.float64)
    n, hits, total, all_hits = (table[c].to_numpy() for c in ("n", "mistakes", "known", "total"))
    bounds = [wilson_interval(h, size) for h, size in zip(hits.tolist(), n.tolist(), strict=True)]
    table = table.assign(
        rate=hits / n,
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        rest_rate=(all_hits - hits) / (total - n),
        q=false_discovery_control(p) if len(p) else p,
    )
    order = np.lexsort((-excess_mistakes(table), p))
    table = table.iloc[order][[*COLUMNS]].reset_index(drop=True)
    return Scored(table, counted.members[:, order])


def chance_of(
    hits: NDArray[Any], sizes: FloatArray, *, texts: FloatArray, mistakes: FloatArray
) -> FloatArray:
    """Return the chance of so many mistakes in slices that have nothing to do with them.

    Given how many mistakes each class has, those of a class in a slice then follow a hypergeometric
    distribution, as in Fisher's exact test; of one class this is that test. A sum over classes, the
    statistic of Mantel and Haenszel ("Statistical aspects of the analysis of data from
    retrospective studies of disease", 1959), is one of independent trials, as each of its parts is
    (Vatutin and Mikhailov, 1982). So its chance is at most that of a binomial of as many trials and
    the same mean (Hoeffding, "On the distribution of the number of successes in independent
    trials", 1956), which is what is returned: no normal approximation, whose tails are too thin
    where a slice is small.

    Parameters
    ----------
    hits
        Mistakes in each slice, of shape (M,).
    sizes
        Texts of each slice in each class, of shape (M, C).
    texts, mistakes
        Of each class, of shape (C,).
    """
    from scipy.stats import binom, hypergeom

    if len(texts) == 1:
        p = np.minimum(hypergeom.sf(hits - 1, texts[0], mistakes[0], sizes[:, 0]), 1.0)
        return np.asarray(p, np.float64)
    expected = (sizes * (mistakes / np.maximum(texts, 1))).sum(axis=1)
    trials = np.ceil(np.maximum(np.minimum(sizes, mistakes).sum(axis=1), 1))
    p = binom.sf(hits - 1, trials, np.minimum(expected / trials, 1.0))
    return np.asarray(np.where(hits >= expected + 1, p, 1.0))  # the bound holds from there on


def _count(attribute: Attribute, judged: Judged, smallest: int) -> Scored:
    """Return sizes and mistakes of the slices that are neither too small nor too large."""
    n_texts = len(judged.wrong)
    known = np.ones(n_texts, bool) if attribute.known is None else attribute.known
    n = np.asarray(attribute.members.sum(axis=0)).ravel().round().astype(np.int64)
    kept = (n >= smallest) & (n <= known.sum() - smallest)
    members = attribute.members[:, kept]
    names = [name for name, keep in zip(attribute.names, kept, strict=True) if keep]
    table = pd.DataFrame({"family": attribute.family, "slice": names, "n": n[kept]})
    wrong = np.flatnonzero(judged.wrong)
    sizes = np.asarray((members.T @ judged.strata).toarray()).round()
    hits = np.asarray((members[wrong].T @ judged.strata[wrong]).toarray()).round()
    of_class = [judged.count(rows) for rows in (known, known & judged.wrong)]
    found = hits.sum(axis=1)
    # Texts with equal sums of random numbers are the same texts, but for one case in billions.
    keys = np.random.default_rng(0).random(n_texts)
    return Scored(
        table.assign(
            mistakes=found.astype(np.int64),
            known=int(known.sum()),
            total=int((judged.wrong & known).sum()),
            p=chance_of(found, sizes, texts=of_class[0], mistakes=of_class[1]),
            expected=_expect(sizes, hits, *of_class),
            rows=(members.T @ keys).round(9),
        ),
        members,
    )


def _expect(
    sizes: FloatArray, hits: FloatArray, texts: FloatArray, mistakes: FloatArray
) -> FloatArray:
    """Return the error rate of each slice if it failed as the other texts of its classes do.

    A class that is in the slice as a whole has no others, and counts as it is; of one class the
    rate is missing.
    """
    if len(texts) == 1:
        return np.full(len(sizes), np.nan)
    others = texts - sizes
    rates = np.where(
        others > 0, (mistakes - hits) / np.maximum(others, 1), mistakes / np.maximum(texts, 1)
    )
    return np.asarray((sizes * rates).sum(axis=1) / np.maximum(sizes.sum(axis=1), 1), np.float64)


def _merge(parts: Sequence[Scored], n: int) -> Scored:
    """Return the slices of all attributes, those of the very same texts as one."""
    from scipy.sparse import csc_matrix, hstack

    table = pd.concat([part.table for part in parts], ignore_index=True)
    members = hstack([csc_matrix((n, 0)), *(part.members for part in parts)], format="csc")
    kept = ~table.duplicated("rows").to_numpy()
    names = table.groupby("rows", sort=False)["slice"].agg(", ".join).to_numpy()
    return Scored(table[kept].reset_index(drop=True).assign(slice=names), members[:, kept])


def excess_mistakes(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return how many mistakes each slice has more than at the rate that it is compared with.

    That is the expected rate of its classes, or that of the rest where there is none.

    Parameters
    ----------
    table
        As `Scored` has it.
    """
    against = table["expected"].fillna(table["rest_rate"])
    return (table["mistakes"] - table["n"] * against).to_numpy(np.float64)


def tell_once(found: Scored, judged: Judged) -> tuple[pd.DataFrame, Any]:
    """Return the slices to tell, each with those that fail for the same mistakes in `also`.

    A slice stands by itself if it still does worse than the rest after the texts of all slices
    before it are set aside, by the p-value that the last of them all had.

    Parameters
    ----------
    found
        All slices that were tried.
    judged
        All texts.

    Returns
    -------
    table, members
        As in `Scored`, at most 25 slices, with `also`: tuples of names.
    """
    bad: list[int] = np.flatnonzero(found.table["q"] <= FALSE_DISCOVERIES).tolist()
    limit = float(found.table["p"].iloc[bad].max()) if bad else 0.0
    aside = np.zeros(len(judged.wrong), bool)
    also: dict[int, list[str]] = {}
    mistakes: dict[int, BoolArray] = {}
    for place in bad:
        inside = rows_of(found.members, place)
        left = inside & ~aside
        hits = int((left & judged.wrong).sum())
        sizes, texts, own = map(judged.count, (left, ~aside, ~aside & judged.wrong))
        p = chance_of(np.array([hits]), sizes[None], texts=texts, mistakes=own)[0]
        if not also or (p <= limit and hits):
            also[place], mistakes[place] = [], inside & judged.wrong
            aside |= inside
        else:
            head = max(also, key=lambda k: int((mistakes[k] & inside).sum()))
            also[head].append(found.table["slice"].iloc[place])
    shown = list(also)[:MOST_TOLD]
    names = pd.Series([tuple(also[k]) for k in shown], dtype=object)
    table = found.table.iloc[shown].reset_index(drop=True).assign(also=names)
    return table, found.members[:, shown]


def rows_of(members: Any, place: int) -> BoolArray:
    """Return which texts are in a slice, of shape (N,), given the place of its column."""
    return np.asarray(members[:, [place]].toarray().ravel() > 0)


def detectable_rate(judged: Judged, tried: int) -> float | None:
    """Return the lowest error rate of a tenth of the texts that survives the correction by itself.

    Parameters
    ----------
    judged
        All texts; those of the tenth are of all classes alike.
    tried
        Slices that are corrected for.

    Returns
    -------
    float or None
        None: even a slice of mistakes alone would not.
    """
    texts, mistakes = map(judged.count, (np.ones_like(judged.wrong), judged.wrong))
    size = len(judged.wrong) // 10
    sizes = texts[None] / 10 if len(texts) > 1 else np.array([[size]])

    def survives(hits: int) -> bool:
        p = chance_of(np.array([hits]), sizes, texts=texts, mistakes=mistakes)[0]
        return bool(p <= FALSE_DISCOVERIES / max(tried, 1))

    most = min(size, int(judged.wrong.sum()))
    enough = bisect_left(range(most + 1), True, key=survives)
    return enough / size if enough <= most else None
