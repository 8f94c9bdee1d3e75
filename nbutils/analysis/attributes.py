"""What can be said of a text without reading it: the attributes by which slices are made.

Everything is computed for all texts at once. Words of negation are those of English; all other
attributes mean the same in any language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.topics import find_topics
from nbutils.analysis.words import WordCounts, count_words, joined_texts
from nbutils.data.labelled_texts import METADATA, metadata_columns
from nbutils.label_sets import flatten_labels

if TYPE_CHECKING:
    from nbutils.data.tokens import TokenReport

BoolArray = NDArray[np.bool_]

NEGATION = (
    r"(?i)\b(?:not|no|never|none|nothing|nobody|neither|nor|cannot|without)\b|n['\x{2019}]t\b"
)
FULL_STOP = r"[.!?…\x{3002}\x{ff01}\x{ff1f}][\"'”\x{2019}»)\]]*\s*$"
# Family, pattern, name of a text that has it and of one that has not; "" where that says nothing.
FLAGS: tuple[tuple[str, str, str, str], ...] = (
    ("digits", r"\p{Nd}", "with a digit", "without a digit"),
    ("negation", NEGATION, "with a negation", "without a negation"),
    ("casing", r"\p{Lu}", "with a capital letter", "without a capital letter"),
    ("casing", r"\p{Lu}{2,}", "with capitals in a row", ""),
    ("casing", r"\p{Ll}", "", "all capitals"),
    ("punctuation", r"\?", "with a question mark", ""),
    ("punctuation", "!", "with an exclamation mark", ""),
    ("punctuation", r'["“”«»„]', "with quotation marks", "without quotation marks"),
    ("punctuation", r"\.\.\.|…", "with an ellipsis", ""),
    ("punctuation", FULL_STOP, "", "without a full stop at the end"),
    ("address", r"(?i)https?://|www\.[a-z]", "with a web address", ""),
    ("address", r"[\w.+-]+@[\w-]+\.\w", "with an e-mail address", ""),
    ("address", r"(?:^|\s)[@#]\w", "with a mention or hashtag", ""),
    ("signs", r"\p{So}", "with an emoji or symbol", ""),
    ("signs", r"[^\x00-\x7F]", "with a sign beyond ASCII", ""),
    ("signs", r"<\w+[^>]*>|&\w+;", "with markup", ""),
)
WORD_SHARES = (0.02, 0.5)  # of the texts that have the word
MOST_WORDS = 300
MOST_VALUES = 50  # of one metadata column, the most frequent
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
OUTER = (0.1, 0.9)
FEW_NUMBERS = 20  # different values up to which numbers are categories


@dataclass(frozen=True)
class Attribute:
    """One attribute of N texts, and the M slices that its values make.

    Attributes
    ----------
    family
        What is looked at: ``"length"``, ``"word"``, the name of a metadata column.
    names
        M sentences' ends: ``with a digit``.
    members
        Sparse by columns, of shape (N, M): 1 where a text is in a slice.
    known
        Of shape (N,): texts whose value is known; None: all.
    """

    family: str
    names: tuple[str, ...]
    members: Any
    known: BoolArray | None = None


def describe_texts(
    texts: pd.DataFrame,
    *,
    label_names: Sequence[str],
    tokens: TokenReport | None = None,
    seed: int = 0,
) -> list[Attribute]:
    """Return all attributes of texts.

    Parameters
    ----------
    texts
        N rows: `example_id, text[, text_pair], label`, and metadata as `meta_<name>`.
    label_names
        K names, index = id.
    tokens
        Token counts of these texts or of a part of them; None: attributes of tokens are left out.
    seed
        Of the topics.
    """
    joined = joined_texts(texts)
    words = count_words(joined)
    found = [
        describe_lengths(words.sizes, unit="words"),
        *_describe_tokens(texts, tokens),
        *_describe_signs(joined),
        describe_words(words),
        *_describe_pairs(texts),
        *_describe_topics(words, seed),
        _describe_labels(texts["label"], label_names),
        *(describe_column(texts[name]) for name in metadata_columns(texts)),
    ]
    return [attribute for attribute in found if attribute.names]


def describe_lengths(lengths: NDArray[np.integer[Any]], *, unit: str) -> Attribute:
    """Return the quarters of a length, and its outer tenths.

    Parameters
    ----------
    lengths
        Of shape (N,).
    unit
        What is counted.
    """
    named = _ranges(np.asarray(lengths, np.float64), unit)
    low, high = (int(edge) for edge in np.quantile(lengths, OUTER)) if len(lengths) else (0, 0)
    named |= {f"at most {low:,} {unit}": lengths <= low, f"over {high:,} {unit}": lengths > high}
    return _attribute("length", named)


def describe_words(words: WordCounts) -> Attribute:
    """Return the texts that have each of the 300 most frequent of the middling frequent words."""
    chosen = words.frequent(least=WORD_SHARES[0], most=WORD_SHARES[1], words=MOST_WORDS)
    names = tuple(f"with the word “{word}”" for word in words.vocabulary[chosen])
    return Attribute("word", names, words.present[:, chosen].tocsc())


def describe_column(values: pd.Series[Any]) -> Attribute:
    """Return the slices of a metadata column: its values, or the quarters of its numbers.

    Parameters
    ----------
    values
        Of shape (N,). Numbers with at most 20 different values are taken for categories.
    """
    name, missing = str(values.name).removeprefix(METADATA), values.isna().to_numpy()
    numeric = pd.api.types.is_numeric_dtype(values)
    if numeric and values.nunique() > FEW_NUMBERS:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        named = {f"{name} {range_}": rows for range_, rows in _ranges(numbers, "").items()}
    else:
        said = values.map("{:g}".format if numeric else str, na_action="ignore")
        frequent = said[~missing].value_counts().head(MOST_VALUES).index
        named = {f"{name}: {v}": (said == v).to_numpy() & ~missing for v in frequent}
    return _attribute(name, named | {f"{name} is missing": missing})


def _describe_tokens(texts: pd.DataFrame, tokens: TokenReport | None) -> list[Attribute]:
    if tokens is None:
        return []
    table = tokens.table.set_index("example_id").reindex(texts["example_id"])
    known = table["length"].notna().to_numpy()
    lengths = table["length"].to_numpy()
    unknown = (table["unknown"] > 0).to_numpy()
    mask = None if known.all() else known
    cut = {
        "not read whole": known & (lengths > tokens.limit),
        "read whole": known & (lengths <= tokens.limit),
    }
    strange = {"with unknown tokens": unknown, "without unknown tokens": known & ~unknown}
    return [_attribute("truncation", cut, mask), _attribute("unknown tokens", strange, mask)]


def _describe_signs(joined: list[str]) -> list[Attribute]:
    import pyarrow
    import pyarrow.compute as compute

    column = pyarrow.array(joined, type=pyarrow.large_string())
    found = []
    for family, pattern, with_it, without in FLAGS:
        has = compute.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False)
        sides = {with_it: has, without: ~has}
        if without == "all capitals":  # a text without letters is not written in capitals
            letters = compute.match_substring_regex(column, r"\p{Lu}")
            sides = {without: ~has & letters.to_numpy(zero_copy_only=False)}
        found.append(_attribute(family, {name: rows for name, rows in sides.items() if name}))
    return found


def _describe_pairs(texts: pd.DataFrame) -> list[Attribute]:
    """Return how many words of the second text stand in the first, by quarters.

    Models of pairs lean on it: McCoy, Pavlick and Linzen, "Right for the wrong reasons", 2019.
    """
    if "text_pair" not in texts:
        return []
    n = len(texts)
    present = count_words([*texts["text"], *texts["text_pair"]]).present
    common = np.asarray(present[:n].multiply(present[n:]).sum(axis=1)).ravel()
    own = np.asarray(present[n:].sum(axis=1)).ravel()
    shares = np.round(100 * common / np.maximum(own, 1))
    return [_attribute("overlap", _ranges(shares, "% of the second text's words in the first"))]


def _describe_topics(words: WordCounts, seed: int) -> list[Attribute]:
    topics = find_topics(words, seed=seed)
    if topics is None:
        return []
    named = {f"about {name}": topics.topic == k for k, name in enumerate(topics.names)}
    return [_attribute("topic", named)]


def _describe_labels(labels: pd.Series[Any], label_names: Sequence[str]) -> Attribute:
    from scipy.sparse import csc_matrix

    rows, ids = flatten_labels(labels)
    shape = (len(labels), len(label_names))
    members = csc_matrix((np.ones(len(rows), np.float32), (rows, ids)), shape=shape)
    return Attribute("class", tuple(f"labelled {name}" for name in label_names), members)


def _ranges(numbers: NDArray[np.float64], unit: str) -> dict[str, BoolArray]:
    """Return the quarters of numbers by name; fewer where many are equal."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return {}
    edges = np.unique(np.quantile(finite, QUANTILES, method="lower"))
    named = {}
    for low, high in pairwise(edges):
        above, below = f"over {low:,.6g}", f"at most {high:,.6g}"
        name = below if low == edges[0] else above if high == edges[-1] else f"{above}, {below}"
        rows = (numbers > low) & (numbers <= high) | (low == edges[0]) & (numbers == low)
        named[f"{name} {unit}".rstrip()] = rows
    return named


def _attribute(
    family: str, named: dict[str, BoolArray], known: BoolArray | None = None
) -> Attribute:
    from scipy.sparse import csc_matrix

    if not named:
        return Attribute(family, (), None)
    members = csc_matrix(np.stack(list(named.values()), axis=1).astype(np.float32))
    return Attribute(family, tuple(named), members, known)
