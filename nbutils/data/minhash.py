"""Groups of texts that are nearly the same, without comparing each with each.

As A. Broder describes ("On the resemblance and containment of documents", SEQUENCES 1997): MinHash
signatures of word pairs, cut into bands as in J. Leskovec, A. Rajaraman and J. Ullman, "Mining of
Massive Datasets", section 3.4; every candidate is then compared for real.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nbutils.data.shingles import Hashes, Shingles, jaccard, shingle_texts

HASHES = 64  # signature length that is not exceeded
MISSED = 0.02  # chance that a pair at the threshold shares no band
CHUNK = 4_000_000  # characters of text whose shingles are in memory at once
BUCKET = 16  # in a larger bucket, texts are compared with the first and their neighbour alone

Positions = npt.NDArray[np.int64]
Pairs = tuple[Positions, Positions, npt.NDArray[np.float64]]


def find_near_groups(
    texts: Sequence[str], *, threshold: float, seed: int
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
        Of shape (N,): near copies share a number.
    pairs
        Positions of both texts and their similarity, three arrays of shape (P,); of each group
        enough pairs to connect it, not all.
    """
    rows, bands = _banding(threshold)
    signatures = _signatures(texts, rows * bands, seed)
    group = np.arange(len(texts), dtype=np.int64)
    found: list[Pairs] = []
    refused = np.empty(0, dtype=np.int64)
    for band in range(bands):
        left, right = _candidates(signatures[:, band * rows : (band + 1) * rows])
        # Texts that are in one group already need no further proof.
        fresh = (group[left] != group[right]) & ~np.isin(left * len(texts) + right, refused)
        left, right = left[fresh], right[fresh]
        alike = _similarities(texts, left, right)
        near = alike >= threshold
        refused = np.append(refused, left[~near] * len(texts) + right[~near])
        if near.any():
            found.append((left[near], right[near], alike[near]))
            group = _components(found, len(texts))
    if not found:
        none = np.empty(0, dtype=np.int64)
        return group, (none, none, np.empty(0))
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


def _signatures(texts: Sequence[str], hashes: int, seed: int) -> npt.NDArray[np.uint32]:
    """Return MinHash signatures of shape (N, hashes): minima of random hashes over each set."""
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 2**64, size=hashes, dtype=np.uint64)
    factors = rng.integers(0, 2**64, size=hashes, dtype=np.uint64) | np.uint64(1)
    signatures = np.empty((len(texts), hashes), dtype=np.uint32)
    for chunk in _chunks(texts):
        shingles = shingle_texts(texts[chunk])
        for place in range(hashes):
            hashed = (shingles.hashes ^ flips[place]) * factors[place]
            least = np.minimum.reduceat(hashed, shingles.starts[:-1])
            signatures[chunk, place] = least >> np.uint64(32)
    return signatures


def _chunks(texts: Sequence[str]) -> Iterator[slice]:
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= CHUNK:
            yield slice(start, place + 1)
            start, size = place + 1, 0
    if start < len(texts):
        yield slice(start, len(texts))


def _candidates(band: npt.NDArray[np.uint32]) -> tuple[Positions, Positions]:
    """Return pairs (left < right) of texts whose signatures agree in a band of shape (N, rows)."""
    key: Hashes = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    order = np.argsort(key, kind="stable").astype(np.int64)
    same = np.append(key[order][1:] == key[order][:-1], False)
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
    both = np.unique((left * len(band) + right)[left < right])
    return both // len(band), both % len(band)


def _similarities(
    texts: Sequence[str], left: Positions, right: Positions
) -> npt.NDArray[np.float64]:
    alike = np.empty(len(left))
    lengths = [len(texts[a]) + len(texts[b]) for a, b in zip(left, right, strict=True)]
    bounds = np.searchsorted(np.cumsum(lengths) // CHUNK, np.arange(sum(lengths) // CHUNK + 2))
    for start, stop in pairwise(bounds):
        rows, places = np.unique(
            np.concatenate([left[start:stop], right[start:stop]]), return_inverse=True
        )
        shingles: Shingles = shingle_texts([texts[row] for row in rows])
        half = stop - start
        alike[start:stop] = jaccard(shingles, places[:half], places[half:])
    return alike


def _components(found: Sequence[Pairs], size: int) -> Positions:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    left = np.concatenate([part[0] for part in found])
    right = np.concatenate([part[1] for part in found])
    links = coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(size, size))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
