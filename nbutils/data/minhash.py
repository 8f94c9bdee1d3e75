"""Groups of texts that are nearly the same, without comparing each with each.

As A. Broder describes ("On the resemblance and containment of documents", SEQUENCES 1997): MinHash
signatures of word pairs, cut into bands as in J. Leskovec, A. Rajaraman and J. Ullman, "Mining of
Massive Datasets", section 3.4; every candidate is then compared for real.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbutils.data.shingles import MULTIPLIER, Hashes, jaccard, shingle_texts

HASHES = 64  # signature length that is not exceeded
MISSED = 0.02  # chance that a pair at the threshold shares no band
CHUNK = 1_000_000  # characters whose shingles are in memory at once; longer texts count up to here
BUCKET = 16  # in a larger bucket, texts are compared with the first and their neighbour alone

Positions = npt.NDArray[np.int64]
Pairs = tuple[Positions, Positions, npt.NDArray[np.float64]]


def find_near_groups(
    texts: pd.Index[str], *, threshold: float, seed: int
) -> tuple[Positions, Pairs]:
    """Group texts that are near copies, directly or through others.

    Parameters
    ----------
    texts
        N different texts that went through `same_words`.
    threshold
        Jaccard similarity of the sets of word pairs, in (0, 1].
    seed
        Seed of the hash functions.

    Returns
    -------
    groups
        Of shape (N,): near copies share a number; numbers rise in the order of first texts.
    pairs
        Positions of both texts and their similarity, three arrays of shape (P,); of each group
        enough pairs to connect it, not all.
    """
    if len(texts) and texts.str.len().max() > CHUNK:
        texts = texts.str.slice(stop=CHUNK)
    lengths = texts.str.len().to_numpy(dtype=np.int64)
    group = np.arange(len(texts), dtype=np.int64)
    none = np.empty(0, dtype=np.int64)
    found: list[Pairs] = [(none, none, np.empty(0))]
    refused = none
    for keys in _band_keys(texts, lengths, _banding(threshold), seed):
        left, right = _candidates(keys)
        # Texts that are in one group already need no further proof.
        fresh = (group[left] != group[right]) & ~_are_among(left * len(texts) + right, refused)
        left, right = left[fresh], right[fresh]
        alike = compare_pairs(texts, lengths, left, right)
        near = alike >= threshold
        refused = np.sort(np.append(refused, left[~near] * len(texts) + right[~near]))
        if near.any():
            found.append((left[near], right[near], alike[near]))
            group = _merge(group, left[near], right[near])
    left, right, alike = (np.concatenate(part) for part in zip(*found, strict=True))
    return group, (left, right, alike)


def _banding(threshold: float) -> tuple[int, int]:
    """Return rows per band and bands: as many rows as `HASHES` and `MISSED` allow.

    A pair of similarity s shares a band of r rows with probability s**r, and at least one of b
    bands with probability 1 - (1 - s**r)**b.
    """
    best = (1, HASHES)
    for rows in range(1, 9):
        chance = min(threshold**rows, 1 - 1e-9)
        bands = max(1, math.ceil(math.log(MISSED) / math.log(1 - chance)))
        if rows * bands <= HASHES:
            best = (rows, bands)
    return best


def _band_keys(
    texts: pd.Index[str], lengths: Positions, banding: tuple[int, int], seed: int
) -> Hashes:
    """Return one number for each band of each text's MinHash signature, of shape (bands, N).

    A signature holds the minima of random hashes over a text's shingles.
    """
    rows, bands = banding
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 2**64, size=rows * bands, dtype=np.uint64)
    factors = rng.integers(0, 2**64, size=rows * bands, dtype=np.uint64) | np.uint64(1)
    keys = np.zeros((bands, len(texts)), dtype=np.uint64)
    for chunk in _chunks(lengths):
        shingles = shingle_texts(texts[chunk].tolist())
        for place, (flip, factor) in enumerate(zip(flips, factors, strict=True)):
            hashed = (shingles.hashes ^ flip) * factor
            least = np.minimum.reduceat(hashed, shingles.starts[:-1])
            band = keys[place // rows, chunk]
            band ^= least >> np.uint64(32)
            band *= MULTIPLIER
            band ^= band >> np.uint64(29)
    return keys


def _chunks(lengths: Positions) -> Iterator[slice]:
    """Return slices of at most `CHUNK` characters, or of one text that is longer."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start] - lengths[start])
        stop = max(int(np.searchsorted(ends, before + CHUNK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


def _candidates(keys: Hashes) -> tuple[Positions, Positions]:
    """Return pairs (left < right) of texts that agree in a band, given its keys of shape (N,)."""
    # Sorting plain integers is several times faster than argsort: the position goes in low bits.
    low = np.uint64((1 << len(keys).bit_length()) - 1)
    packed = np.sort((keys & ~low) | np.arange(len(keys), dtype=np.uint64))
    order, key = (packed & low).astype(np.int64), packed & ~low
    same = np.append(key[1:] == key[:-1], False)
    shared = same | np.roll(same, 1)  # agrees with the next, or the one before with it
    order, run = order[shared], np.cumsum(~same[shared]) - ~same[shared]
    sizes = np.bincount(run)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(order))
    pairs = [(order[first[run]], order)]
    for step in range(1, min(BUCKET, int(sizes.max(initial=0)))):
        near = place[: len(order) - step]
        near = near[(run[near] == run[near + step]) & ((sizes[run[near]] <= BUCKET) | (step == 1))]
        pairs.append((order[near], order[near + step]))
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    left, right = np.minimum(one, other), np.maximum(one, other)
    both = _distinct((left * len(keys) + right)[left < right])
    return both // len(keys), both % len(keys)


def _distinct(values: Positions) -> Positions:
    # numpy.unique, also inside of isin, hashes integers since numpy 2.3: tens of times slower.
    ordered = np.sort(values)
    return ordered[np.append(ordered[1:] != ordered[:-1], True)] if len(ordered) else ordered


def _are_among(values: Positions, ordered: Positions) -> npt.NDArray[np.bool_]:
    """Return for each value whether it is among ordered ones, shape of `values`."""
    if not len(ordered):
        return np.zeros(len(values), dtype=bool)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[places] == values)


def compare_pairs(
    texts: pd.Index[str], lengths: Positions, left: Positions, right: Positions
) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of the word pairs of P pairs of texts, shape (P,).

    Parameters
    ----------
    texts
        N texts that went through `same_words`, of at most `CHUNK` characters.
    lengths
        Their characters, shape (N,).
    left, right
        Positions of the texts to compare, shape (P,).
    """
    alike = np.empty(len(left))
    for chunk in _chunks(lengths[left] + lengths[right]):
        rows, places = np.unique(np.concatenate([left[chunk], right[chunk]]), return_inverse=True)
        shingles = shingle_texts(texts[rows].tolist())
        half = len(places) // 2
        alike[chunk] = jaccard(shingles, places[:half], places[half:])
    return alike


def _merge(group: Positions, left: Positions, right: Positions) -> Positions:
    """Return the groups after those of `left` and `right` were joined."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = (group[left], group[right])
    size = int(group.max()) + 1
    links = coo_matrix((np.ones(len(left), dtype=bool), ends), shape=(size, size))
    joined = connected_components(links, directed=False)[1]
    return np.asarray(joined[group], dtype=np.int64)
