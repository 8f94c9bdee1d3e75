"""Texts as sets of hashed word pairs, and how alike two such sets are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd

# A word; in Chinese and Japanese, which put no blanks between words, a single character.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD_PATTERN = rf"[{CJK}]|[^\W{CJK}]+"
WORD = re.compile(WORD_PATTERN)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Shingles:
    """Word pairs of N texts, hashed to 64 bits, one text after the other.

    Attributes
    ----------
    hashes
        All shingles, of shape (S,).
    starts
        Where each text's shingles begin, and the end, of shape (N + 1,).
    """

    hashes: Hashes
    starts: npt.NDArray[np.int64]


def same_words(text: str) -> str:
    """Return a text without differences of case, blanks and Unicode composition."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def shingle_texts(texts: Sequence[str]) -> Shingles:
    """Hash each text's word pairs; a text of one word has that word as its only shingle.

    The hash is SipHash with a fixed key (`pandas.util.hash_array`), so that it is the same in every
    process, other than Python's own.

    Parameters
    ----------
    texts
        N texts that went through `same_words`.

    Returns
    -------
    Shingles
        At least one shingle per text, repeated where a pair repeats.
    """
    split = [WORD.findall(text) or text.split() or [""] for text in texts]
    sizes = np.fromiter((len(words) for words in split), dtype=np.int64, count=len(split))
    words = np.fromiter(chain.from_iterable(split), dtype=object, count=int(sizes.sum()))
    hashed = pd.util.hash_array(words) if len(words) else np.empty(0, np.uint64)
    first = np.cumsum(sizes) - sizes
    pairs = _mix(hashed[:-1] * MULTIPLIER + hashed[1:])
    # The pair that starts at a text's last word reaches into the next text.
    keep = np.ones(len(words), dtype=bool)
    keep[first + sizes - 1] = False
    keep[first[sizes == 1]] = True
    shingles = np.append(pairs, np.zeros(min(len(words), 1), np.uint64))
    shingles[first[sizes == 1]] = _mix(hashed[first[sizes == 1]])
    starts = np.concatenate([[0], np.cumsum(np.maximum(sizes - 1, 1))])
    return Shingles(shingles[keep], starts.astype(np.int64))


def jaccard(
    shingles: Shingles, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of pairs of texts: common shingles over all shingles of both.

    Parameters
    ----------
    shingles
        Of N texts.
    left, right
        Positions of the texts to compare, of shape (P,).

    Returns
    -------
    ndarray of shape (P,)
        0: no word pair in common; 1: the same word pairs.
    """
    hashes, owners = _distinct(shingles)
    sizes = np.bincount(owners, minlength=len(shingles.starts) - 1)
    first = np.cumsum(sizes) - sizes
    sides = [_gather(hashes, first, sizes, side) for side in (left, right)]
    # One key per (pair, shingle): it stands twice where both texts have the shingle.
    keys = np.concatenate(
        [_mix(h + _mix(pair.astype(np.uint64) + MULTIPLIER)) for h, pair in sides]
    )
    pair_of = np.concatenate([pair for _, pair in sides])
    order = np.argsort(keys, kind="stable")
    twice = keys[order][1:] == keys[order][:-1]
    common = np.bincount(pair_of[order][1:][twice], minlength=len(left))
    union = sizes[left] + sizes[right] - common
    return np.asarray(common / np.maximum(union, 1), dtype=np.float64)


def _distinct(shingles: Shingles) -> tuple[Hashes, npt.NDArray[np.int64]]:
    owners = np.repeat(np.arange(len(shingles.starts) - 1), np.diff(shingles.starts))
    order = np.lexsort((shingles.hashes, owners))
    hashes, owners = shingles.hashes[order], owners[order]
    new = np.ones(len(hashes), dtype=bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return hashes[new], owners[new]


def _gather(
    hashes: Hashes,
    first: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the shingles of `texts`, and for each the position in `texts` that it belongs to."""
    counts = sizes[texts]
    pair = np.repeat(np.arange(len(texts)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    return hashes[first[texts][pair] + within], pair


def _mix(values: Hashes) -> Hashes:
    """Spread every input bit over all output bits (the finaliser of SplitMix64, Steele 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
