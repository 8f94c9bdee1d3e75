"""Texts as sets of hashed word pairs, and how alike two such sets are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

# A word; in Chinese and Japanese, which put no blanks between words, a single character.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD_PATTERN = rf"[{CJK}]|[^\W{CJK}]+"
WORD = re.compile(WORD_PATTERN)
IS_CJK = re.compile(f"[{CJK}]")
OUTSIDE, INSIDE, ALONE = range(3)  # a character: of no word, of a longer one, a word by itself
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
    if text.isascii():  # nothing to compose, and a quicker way to fold
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def shingle_texts(texts: Sequence[str]) -> Shingles:
    """Hash each text's word pairs; a text of one word has that word as its only shingle.

    All texts are cut and hashed at once, as one array of characters. A word's hash is the sum of
    its characters' hashes times powers of an odd number, modulo 2**64: a difference of running
    sums (R. Karp and M. Rabin, "Efficient randomized pattern-matching algorithms", 1987). It is the
    same in every process, other than Python's own.

    Parameters
    ----------
    texts
        N texts that went through `same_words`.

    Returns
    -------
    Shingles
        At least one shingle per text, repeated where a pair repeats.
    """
    if not len(texts):
        return Shingles(np.empty(0, np.uint64), np.zeros(1, np.int64))
    hashed, sizes = _hash_words(texts)
    first = np.cumsum(sizes) - sizes
    pairs = _mix(hashed[:-1] * MULTIPLIER + hashed[1:])
    # The pair that starts at a text's last word reaches into the next text.
    keep = np.ones(len(hashed), dtype=bool)
    keep[first + sizes - 1] = False
    keep[first[sizes == 1]] = True
    shingles = np.append(pairs, np.uint64(0))
    shingles[first[sizes == 1]] = _mix(hashed[first[sizes == 1]])
    starts = np.concatenate([[0], np.cumsum(np.maximum(sizes - 1, 1))])
    return Shingles(shingles[keep], starts.astype(np.int64))


def _hash_words(texts: Sequence[str]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the hash of each word, one text after the other, and how many each text has."""
    joined = " ".join([*texts, ""])
    letters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    first = np.cumsum(lengths) - lengths
    present = np.flatnonzero(np.bincount(letters))
    kind, hash_of = np.zeros(present[-1] + 1, np.uint8), np.zeros(present[-1] + 1, np.uint64)
    kind[present] = [_kind(chr(letter)) for letter in present]
    hash_of[present] = _mix(present.astype(np.uint64) * MULTIPLIER + MULTIPLIER)
    kinds = kind[letters]
    _make_words_of_signs(kinds, letters, first, lengths)
    word = np.concatenate([[OUTSIDE], kinds, [OUTSIDE]])
    # A border lies where a word meets what is none, and on both sides of a character of its own.
    border = (word[1:] != word[:-1]) | (word[1:] == ALONE)
    begins = np.flatnonzero(border[:-1] & (kinds != OUTSIDE))
    ends = np.flatnonzero(border[1:] & (kinds != OUTSIDE)) + 1
    powers, inverses = _powers(len(letters).bit_length())
    sums = np.concatenate([[np.uint64(0)], np.cumsum(hash_of[letters] * powers[: len(letters)])])
    # Mixed, as pairs are sums of the same kind: "9.9" would else have the hash of "99".
    hashed = _mix((sums[ends] - sums[begins]) * inverses[begins])
    return hashed, np.diff(np.searchsorted(begins, np.append(first, len(letters))))


def _kind(letter: str) -> int:
    if not WORD.fullmatch(letter):
        return OUTSIDE
    return ALONE if IS_CJK.fullmatch(letter) else INSIDE


def _make_words_of_signs(
    kinds: npt.NDArray[np.uint8],
    letters: npt.NDArray[np.uint32],
    first: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
) -> None:
    """Let what stands between blanks be a word in texts without any; nothing at all is one too."""
    wordless = np.maximum.reduceat(kinds, first) == OUTSIDE
    if wordless.any():
        kinds[np.repeat(wordless, lengths) & (letters != ord(" "))] = INSIDE
        kinds[first[lengths == 1]] = ALONE


@cache
def _powers(bits: int) -> tuple[Hashes, Hashes]:
    """Return the powers 0 to 2**bits - 1 of `MULTIPLIER` and of its inverse, modulo 2**64."""
    inverse = np.uint64(pow(int(MULTIPLIER), -1, 2**64))
    factors = np.full((2, 1 << bits), [[MULTIPLIER], [inverse]], dtype=np.uint64)
    factors[:, 0] = 1
    powers = np.cumprod(factors, axis=1)
    return powers[0], powers[1]


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
    texts = len(shingles.starts) - 1
    hashes, owners = _sorted_keys(
        shingles.hashes, np.repeat(np.arange(texts), np.diff(shingles.starts)), texts
    )
    new = np.append(True, (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1]))[: len(hashes)]
    hashes, owners = hashes[new], owners[new]
    sizes = np.bincount(owners, minlength=texts)
    first = np.cumsum(sizes) - sizes
    sides = [_gather(hashes, first, sizes, side) for side in (left, right)]
    # One key per (pair, shingle): it stands twice where both texts have the shingle.
    both = np.concatenate([side[0] for side in sides]), np.concatenate([side[1] for side in sides])
    keys, pair_of = _sorted_keys(*both, len(left))
    twice = (keys[1:] == keys[:-1]) & (pair_of[1:] == pair_of[:-1])
    common = np.bincount(pair_of[1:][twice], minlength=len(left))
    union = sizes[left] + sizes[right] - common
    return np.asarray(common / np.maximum(union, 1), dtype=np.float64)


def _sorted_keys(
    hashes: Hashes, owners: npt.NDArray[np.int64], count: int
) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Sort hashes within each of `count` owners, packed into one integer: owner first.

    As many low bits of the hash as have room stay, 40 and more: two shingles of one pair of texts
    meet there once in millions of pairs.
    """
    room = np.uint64(64 - max(count, 1).bit_length())
    low = np.uint64((1 << int(room)) - 1)
    packed = np.sort((owners.astype(np.uint64) << room) | (hashes & low))
    return packed & low, (packed >> room).astype(np.int64)


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
