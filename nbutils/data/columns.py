"""Which column holds the text, and which the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nbutils.errors import DataError, ParameterError, suggest
from nbutils.escaping import writable_text
from nbutils.params.data_prep import DataPrepParams

# In order of preference: a title is the text only where there is no body.
TEXT_NAMES = (
    "text",
    "sentence",
    "content",
    "review",
    "review_text",
    "tweet",
    "comment",
    "message",
    "document",
    "article",
    "body",
    "utterance",
    "question",
    "query",
    "description",
    "headline",
    "title",
)
LABEL_NAMES = (
    "label",
    "labels",
    "class",
    "category",
    "target",
    "sentiment",
    "coarse_label",
    "topic",
    "intent",
    "gold_label",
    "class_index",
    "class index",
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns that are read."""

    text: str
    label: str
    text_pair: str | None = None
    metadata: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """All of them, the text first, then the label."""
        pair = [] if self.text_pair is None else [self.text_pair]
        return [self.text, self.label, *pair, *self.metadata]


def choose_columns(names: Sequence[str], params: DataPrepParams, *, where: str) -> Columns:
    """Choose the text and label columns, as named by the parameters or else by usual names.

    Parameters
    ----------
    names
        Columns that exist.
    params
        `text_column`, `text_pair_column`, `label_column` and `metadata_columns` are read.
    where
        File or dataset that errors name.

    Raises
    ------
    ParameterError
        A named column does not exist or its name cannot be written, or one column is named twice.
    DataError
        No usual name is among the columns, or two columns share a name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two columns are called {twice[0]!r}; rename one of them")
    named = [
        _named(parameter, getattr(params, parameter), names, where)
        for parameter in ("text_column", "text_pair_column", "label_column")
    ]
    metadata = [_named("metadata_columns", name, names, where) for name in params.metadata_columns]
    given = [name for name in (*named, *metadata) if name is not None]
    if len(set(given)) < len(given):
        raise ParameterError(
            "text_column, text_pair_column, label_column, metadata_columns: expected different "
            f"columns, found {', '.join(given)}"
        )
    rest = [name for name in names if name not in given]
    text = named[0] or _by_usual_name("text", TEXT_NAMES, rest, names, where)
    label = named[2] or _by_usual_name("label", LABEL_NAMES, rest, names, where)
    return Columns(
        text=text, label=label, text_pair=named[1], metadata=tuple(params.metadata_columns)
    )


def _named(parameter: str, wanted: str | None, names: Sequence[str], where: str) -> str | None:
    if wanted is not None and wanted in names and writable_text(wanted) != wanted:
        raise ParameterError(
            f"{parameter}: the name {wanted!r} of a column of {where} holds half of a surrogate "
            "pair, which cannot be written; rename the column"
        )
    if wanted is None or wanted in names:
        return wanted
    near = suggest(wanted, names) if names else ""
    listed = "" if near.startswith("; known") else f" among {_list(names)}"
    near = near.replace("; known:", "; columns:")
    raise ParameterError(f"{parameter}: no column {wanted!r}{listed} in {where}{near}")


def _by_usual_name(
    kind: str, usual: Sequence[str], rest: Sequence[str], names: Sequence[str], where: str
) -> str:
    by_folded = {name.strip().casefold(): name for name in reversed(rest)}
    for name in usual:
        if name in by_folded:
            return by_folded[name]
    hint = ""
    if taken := [name for name in names if name not in rest and name.strip().casefold() in usual]:
        hint = f" besides {_list(taken)}, which another parameter names"
    if len(names) == 1 and (signs := [sign for sign in ";\t|," if sign in names[0]]):
        hint = f" (the fields seem to be separated by {signs[0]!r}; expected ',' or a .tsv file)"
    raise DataError(
        f"{where}: no column has a usual name for the {kind} ({', '.join(usual[:5])}, ...){hint}; "
        f"set {kind}_column to one of {_list(names)}"
    )


def _list(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
