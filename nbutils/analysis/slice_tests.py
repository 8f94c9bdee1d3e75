"""Which slices fail more than the rest beyond chance, and which of them by themselves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.attributes import Attribute
from nbutils.described import Described
from nbutils.metrics import wilson_interval

FALSE_DISCOVERIES = 0.05  # rate that is held
MOST_TOLD = 25
COLUMNS = ("family", "slice", "n", "mistakes", "rate", "low", "high", "rest_rate", "p", "q")

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Scored(Described):
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
    from scipy.stats import false_discovery_control, hypergeom

    counted = _merge([_count(attribute, wrong, smallest) for attribute in attributes], len(wrong))
    table = counted.table
    n, hits, total, all_hits = (table[c].to_numpy() for c in ("n", "mistakes", "known", "total"))
    p = np.minimum(hypergeom.sf(hits - 1, total, all_hits, n), 1.0)
    bounds = [wilson_interval(h, size) for h, size in zip(hits.tolist(), n.tolist(), strict=True)]
    table = table.assign(
        rate=hits / n,
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        rest_rate=(all_hits - hits) / (total - n),
        p=p,
        q=false_discovery_control(p) if len(p) else p,
    )
    order = np.lexsort((-excess_mistakes(table), p))
    table = table.iloc[order][[*COLUMNS]].reset_index(drop=True)
    return Scored(table, counted.members[:, order])


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


def _merge(parts: Sequence[Scored], n: int) -> Scored:
    """Return the slices of all attributes, those of the very same texts as one."""
    from scipy.sparse import csc_matrix, hstack

    table = pd.concat([part.table for part in parts], ignore_index=True)
    members = hstack([csc_matrix((n, 0)), *(part.members for part in parts)], format="csc")
    kept = ~table.duplicated("rows").to_numpy()
    names = table.groupby("rows", sort=False)["slice"].agg(", ".join).to_numpy()
    return Scored(table[kept].reset_index(drop=True).assign(slice=names), members[:, kept])


def excess_mistakes(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return how many mistakes each slice has more than at the rate of the rest.

    Parameters
    ----------
    table
        As `Scored` has it.
    """
    return (table["mistakes"] - table["n"] * table["rest_rate"]).to_numpy(np.float64)


def tell_once(found: Scored, wrong: BoolArray) -> tuple[pd.DataFrame, Any]:
    """Return the slices to tell, each with those that fail for the same mistakes in `also`.

    A slice stands by itself if it still does worse than the rest after the texts of all slices
    before it are set aside, by the p-value that the last of them all had.

    Parameters
    ----------
    found
        All slices that were tried.
    wrong
        Whether each text is a mistake, of shape (N,).

    Returns
    -------
    table, members
        As in `Scored`, at most 25 slices, with `also`: tuples of names.
    """
    from scipy.stats import hypergeom

    bad: list[int] = np.flatnonzero(found.table["q"] <= FALSE_DISCOVERIES).tolist()
    limit = float(found.table["p"].iloc[bad].max()) if bad else 0.0
    aside = np.zeros(len(wrong), bool)
    also: dict[int, list[str]] = {}
    mistakes: dict[int, BoolArray] = {}
    for place in bad:
        inside = rows_of(found.members, place)
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


def rows_of(members: Any, place: int) -> BoolArray:
    """Return which texts are in a slice, of shape (N,), given the place of its column."""
    return np.asarray(members[:, [place]].toarray().ravel() > 0)


def detectable_rate(wrong: BoolArray, tried: int) -> float | None:
    """Return the lowest error rate of a tenth of the texts that survives the correction by itself.

    Parameters
    ----------
    wrong
        Whether each text is a mistake, of shape (N,).
    tried
        Slices that are corrected for.

    Returns
    -------
    float or None
        None: even a slice of mistakes alone would not.
    """
    from scipy.stats import hypergeom

    size, total = len(wrong) // 10, int(wrong.sum())

    def survives(hits: int) -> bool:
        p = hypergeom.sf(hits - 1, len(wrong), total, size)
        return bool(p <= FALSE_DISCOVERIES / max(tried, 1))

    most = min(size, total)
    enough = bisect_left(range(most + 1), True, key=survives)
    return enough / size if enough <= most else None
