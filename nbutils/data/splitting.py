"""Training, validation and test splits: stratified, seeded, and never across a group of copies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.sources import GIVEN_SPLITS
from nbutils.data.stratifying import assign_parts, row_targets
from nbutils.errors import DataError, ParameterError
from nbutils.label_sets import flatten_labels, holds_sets, set_column
from nbutils.params.data_prep import DataPrepParams

SPLITS = ("train", "validation", "test")


def sample_examples(frame: pd.DataFrame, params: DataPrepParams) -> pd.DataFrame:
    """Return at most `max_examples` rows, drawn by class share within each split.

    Parameters
    ----------
    frame
        `label` and `split`.
    params
        `max_examples` and `split_seed`.

    Returns
    -------
    DataFrame
        The rows in their old order; all of them when there are not more.

    Raises
    ------
    ParameterError
        `max_examples` leaves a class without examples in some split.
    """
    if params.max_examples is None or len(frame) <= params.max_examples:
        return frame
    if holds_sets(frame["label"]):
        return _sample_label_sets(frame, params)
    cells = [
        np.random.default_rng([params.split_seed, int(frame["label"].iloc[rows[0]])]).permutation(
            rows
        )
        for rows in frame.groupby(["split", "label"]).indices.values()
    ]
    sizes = np.array([len(rows) for rows in cells])
    given = np.array([frame["split"].iloc[rows[0]] in GIVEN_SPLITS for rows in cells])
    least = np.minimum(sizes, np.where(given, 1, len(SPLITS)))
    if least.sum() > params.max_examples:
        raise ParameterError(
            f"max_examples: expected at least {least.sum()}, so that each class has examples in "
            f"each split, found {params.max_examples}"
        )
    wanted = _shares_within(sizes, params.max_examples, least=least)
    kept = np.concatenate([rows[:n] for rows, n in zip(cells, wanted, strict=True)])
    return frame.iloc[np.sort(kept)].reset_index(drop=True)


def _sample_label_sets(frame: pd.DataFrame, params: DataPrepParams) -> pd.DataFrame:
    """Return `max_examples` rows, drawn so that each label keeps its share within each split."""
    most = int(params.max_examples or len(frame))
    parts = list(frame.groupby("split", sort=True).indices.items())
    sizes = np.array([len(rows) for _, rows in parts])
    wanted = _shares_within(sizes, most, least=np.minimum(sizes, 1))
    kept = []
    for (split, rows), n in zip(parts, wanted.tolist(), strict=True):
        part = frame.iloc[rows]
        least = 1 if split in GIVEN_SPLITS else len(SPLITS)
        labels = _label_targets(part["label"], {"kept": n / len(rows)}, least=least, spare=0)
        chosen = assign_parts(
            part["label"].tolist(),
            np.arange(len(rows)),
            rows={"dropped": len(rows) - n, "kept": n},
            labels={"dropped": labels["train"], "kept": labels["kept"]},
            seed=params.split_seed,
        )
        kept.append(rows[chosen == "kept"])
    sample = frame.iloc[np.sort(np.concatenate(kept))].reset_index(drop=True)
    _refuse_lost_labels(frame, sample, most)
    return sample


def _refuse_lost_labels(frame: pd.DataFrame, sample: pd.DataFrame, most: int) -> None:
    before, after = (np.bincount(flatten_labels(part["label"])[1]) for part in (frame, sample))
    after = np.pad(after, (0, len(before) - len(after)))
    lost = int((after < np.minimum(before, len(SPLITS))).sum())
    if lost:
        raise ParameterError(
            f"max_examples: expected enough for {len(SPLITS)} examples of each label, found "
            f"{most}, which leaves {lost} of {len(before)} labels with fewer; raise it"
        )


def split_examples(
    frame: pd.DataFrame, params: DataPrepParams, groups: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Fill in `split` where it is still open.

    Splits that are given stay as they are; those that are missing are cut from the open rows, by
    class share, and with at least one row of each class: where many classes are rare, a split is
    larger than asked for. Of rare labels that share rows with other ones, some split may still
    lack one. The seed is `split_seed` alone. Rows of one class are drawn independently of those of
    another, so that adding a class moves the others by a row at most.

    Parameters
    ----------
    frame
        N rows with `label` and `split`.
    params
        `test_size`, `validation_size` (shares of the open rows), `split_seed`, and `deduplicate`:
        where it is off, groups are not kept together.
    groups
        Of shape (N,): rows with the same number go to the same split.

    Returns
    -------
    DataFrame
        A copy in which every row has a split.

    Raises
    ------
    DataError
        A split is left without examples.
    """
    frame = frame.copy()
    open_rows = np.flatnonzero((frame["split"] == "").to_numpy())
    sizes = {"test": params.test_size, "validation": params.validation_size}
    shares = {s: size for s, size in sizes.items() if not (frame["split"] == s).any()}
    units = groups if params.deduplicate else np.arange(len(frame))
    split = frame["split"].to_numpy(dtype=object, copy=True)
    assign = _assign_label_sets if holds_sets(frame["label"]) else _assign
    split[open_rows] = assign(
        frame["label"].to_numpy()[open_rows], units[open_rows], shares, params.split_seed
    )
    frame["split"] = split
    _refuse_gaps(frame, where=params.dataset)
    return frame


def _assign_label_sets(
    label_sets: npt.NDArray[np.object_],
    groups: npt.NDArray[np.int64],
    shares: Mapping[str, float],
    seed: int,
) -> npt.NDArray[np.object_]:
    """Return the split of each open row of texts with several labels."""
    # training comes first: a label with one row for two splits is learnt and not tested
    labels = _label_targets(set_column(label_sets), shares, least=1, spare=1)
    rows = row_targets(label_sets, shares, labels)
    return assign_parts(
        list(label_sets),
        groups,
        rows={"train": len(label_sets) - sum(rows.values()), **rows},
        labels=labels,
        seed=seed,
    )


def _label_targets(
    label_sets: pd.Series[Any], shares: Mapping[str, float], *, least: int, spare: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Return how many rows of each label every part should have, of shape (K,).

    ``train`` has what is left, and at least `spare` rows of each label.
    """
    counts = np.bincount(flatten_labels(label_sets)[1])
    left = counts.copy()
    targets = {"train": left}
    for name, share in shares.items():
        total = round(share * int(counts.sum()))
        wanted = _shares(counts, total, least=np.minimum(counts, least))
        targets[name] = np.minimum(wanted, np.maximum(left - spare, 0))
        left -= targets[name]
    return targets


def _assign(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    shares: Mapping[str, float],
    seed: int,
) -> npt.NDArray[np.object_]:
    """Return the split of each open row."""
    # A unit is a group of copies, in the order of first rows; it counts for its first row's class.
    unit = pd.factorize(groups)[0]
    first = np.unique(unit, return_index=True)[1]
    unit_sizes, unit_labels = np.bincount(unit), labels[first]
    classes, class_sizes = np.unique(unit_labels[unit], return_counts=True)
    targets = {
        name: _shares(class_sizes, round(share * len(labels)), least=np.minimum(class_sizes, 1))
        for name, share in shares.items()
    }
    split = np.full(len(unit_sizes), "train", dtype=object)
    for place, label in enumerate(classes):
        own = np.flatnonzero(unit_labels == label)
        wanted = {name: int(target[place]) for name, target in targets.items()}
        split[own] = _draw(unit_sizes[own], wanted, np.random.default_rng([seed, int(label)]))
    return split[unit]


def _draw(
    sizes: npt.NDArray[np.int64], wanted: dict[str, int], rng: np.random.Generator
) -> npt.NDArray[np.object_]:
    """Choose a split for each unit of one class, given the units' sizes, of shape (U,).

    Units of several rows go first, each to a split that has room, with a chance by that room;
    single rows then fill up what is missing to the row.
    """
    while sum(wanted.values()) >= sizes.sum():  # training comes first, then test
        wanted[max(reversed(wanted), key=wanted.__getitem__)] -= 1
    room = {**wanted, "train": int(sizes.sum()) - sum(wanted.values())}
    chosen = np.full(len(sizes), "train", dtype=object)
    order = rng.permutation(len(sizes))
    large = order[sizes[order] > 1]
    draws = rng.random(len(large))  # all at once: there may be a hundred thousand
    for unit, size, draw in zip(large.tolist(), sizes[large].tolist(), draws.tolist(), strict=True):
        fitting = [name for name in room if room[name] >= size] or ["train"]
        weights = list(accumulate(max(room[name], 1) for name in fitting))
        chosen[unit] = fitting[bisect_right(weights, draw * weights[-1])]
        room[chosen[unit]] -= size
    singles, start = order[sizes[order] == 1], 0
    for name in wanted:
        chosen[singles[start : start + room[name]]] = name
        start += room[name]
    for name in wanted:  # a class of large groups: the smallest one, so that no split lacks it
        training = np.flatnonzero(chosen == "train")
        if wanted[name] and name not in chosen and len(training) > 1:
            chosen[training[np.argmin(sizes[training])]] = name
    return chosen


def _shares(
    sizes: npt.NDArray[np.int64], total: int, *, least: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Divide `total` in proportion to `sizes`, by largest remainder, and at least `least` each.

    The sum is larger than `total` where `least` asks for more.
    """
    exact = sizes * (total / max(int(sizes.sum()), 1))
    whole = np.floor(exact).astype(np.int64)
    left = total - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return np.asarray(np.maximum(whole, least), dtype=np.int64)


def _shares_within(
    sizes: npt.NDArray[np.int64], total: int, *, least: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Divide just `total`: what `least` gives to small ones is taken from all others, by size."""
    small = np.zeros(len(sizes), dtype=bool)
    while True:
        left = max(total - int(least[small].sum()), 0)
        shares = _shares(np.where(small, 0, sizes), left, least=np.where(small, least, 0))
        if (shares >= least).all():
            return shares
        small |= shares < least


def _refuse_gaps(frame: pd.DataFrame, *, where: str) -> None:
    found = set(frame["split"].unique())
    if "train" not in found:
        raise DataError(
            f"{where}: the training split is left without examples: all of them are copies of test "
            "or validation texts; give those splits texts of their own"
        )
    for name in SPLITS:
        if name not in found:
            raise DataError(
                f"{where}: the {name} split is left without examples: after copies were dropped "
                f"there are {len(frame)} texts in all; add examples, or change test_size and "
                "validation_size"
            )
