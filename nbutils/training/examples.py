"""Labelled texts as the Python API takes them, made into token ids and label ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbutils.batching import Encoded, encode_texts
from nbutils.errors import DataError
from nbutils.training.pitfalls import check_labels

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Label = str | int


@dataclass(frozen=True)
class LabelledBatches:
    """N tokenized texts with their label ids, shape (N,)."""

    encoded: Encoded
    labels: NDArray[np.int64]

    def fingerprint(self) -> str:
        """Return a SHA-256 over token ids, lengths and labels."""
        found = hashlib.sha256(self.encoded.lengths.tobytes())
        for ids in self.encoded.input_ids:
            found.update(ids.tobytes())
        found.update(self.labels.tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Examples:
    """N texts, their N labels and, for a task on pairs, N second texts.

    `names` gives the classes' names where the data has them (a `ClassLabel` column).
    """

    texts: list[str]
    labels: list[Label]
    text_pairs: list[str] | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Classes:
    """The K classes: the labels as the user gave them, in id order, and their names."""

    values: tuple[Label, ...]
    names: tuple[str, ...]

    def ids_of(self, labels: Sequence[Label]) -> NDArray[np.int64]:
        """Return label ids in [0, K), shape (N,).

        Raises
        ------
        DataError
            A label is none of the classes.
        """
        ids = {value: k for k, value in enumerate(self.values)}
        for row, label in enumerate(labels):
            if label not in ids:
                raise DataError(
                    f"labels: row {row} has {label!r}, which does not occur in training; "
                    f"known: {', '.join(map(repr, self.values))}"
                )
        return np.array([ids[label] for label in labels], np.int64)


def read_examples(given: Any, labels: Any = None) -> Examples:
    """Read a list of texts with labels, a (texts, labels) pair, or a `datasets.Dataset`.

    Raises
    ------
    DataError
        Labels are missing or differ in number from the texts, or a column is missing.
    """
    if hasattr(given, "column_names"):
        return _read_dataset(given)
    if isinstance(given, tuple) and len(given) == 2 and labels is None:
        given, labels = given
    if isinstance(given, str):
        raise DataError(f"texts: expected a list of strings, found one string: use [{given!r}]")
    if hasattr(given, "columns"):
        raise DataError(
            "texts: expected a list of strings, found a data frame: pass df['text'].tolist() and "
            "df['label'].tolist()"
        )
    texts = list(given)
    if labels is None:
        raise DataError(
            f"labels: expected one for each of the {len(texts)} texts, found none; without labels "
            "the forward pass has no loss, and nothing is learnt"
        )
    found = [_plain(label) for label in getattr(labels, "tolist", lambda: labels)()]
    if len(found) != len(texts):
        raise DataError(f"labels: expected {len(texts)}, one per text, found {len(found)}")
    return Examples(texts, found)


def _read_dataset(dataset: Any) -> Examples:
    for column in ("text", "label"):
        if column not in dataset.column_names:
            raise DataError(
                f"dataset: expected columns 'text' and 'label', found {dataset.column_names}; "
                f"rename with dataset.rename_column(..., {column!r})"
            )
    feature = dataset.features["label"]
    names = getattr(feature, "names", None)
    pairs = list(dataset["text_pair"]) if "text_pair" in dataset.column_names else None
    return Examples(
        texts=list(dataset["text"]),
        labels=[_plain(label) for label in dataset["label"]],
        text_pairs=pairs,
        names=None if names is None else tuple(names),
    )


def _plain(label: Any) -> Label:
    value = label.item() if isinstance(label, np.generic) else label
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (str, int)):
        raise DataError(
            f"labels: expected strings or whole numbers, found {value!r}; fill or drop what is "
            "missing, and turn decimals into whole numbers (`astype(int)`)"
        )
    return value


def read_splits(given: Any, labels: Any, validation: Any) -> tuple[Examples, Examples | None]:
    """Return the training examples and, where there are any, the validation examples.

    Parameters
    ----------
    given, labels
        As for `read_examples`; a mapping (`DatasetDict`) is read by its split names.
    validation
        As `given`; replaces a mapping's own validation split.

    Raises
    ------
    DataError
        As for `read_examples`; or a mapping has no `train`.
    """
    if isinstance(given, Mapping):
        if "train" not in given:
            raise DataError(f"dataset: expected a split 'train', found {list(given)}")
        validation = given.get("validation") if validation is None else validation
        given = given["train"]
    train = read_examples(given, labels)
    return train, None if validation is None else read_examples(validation)


def find_classes(examples: Examples) -> Classes:
    """Return the classes of the training examples, sorted; a `ClassLabel` column names its own.

    Raises
    ------
    DataError
        Labels mix strings and numbers.
    """
    if examples.names is not None:
        return Classes(tuple(range(len(examples.names))), examples.names)
    found = set(examples.labels)
    if len({type(label) for label in found}) > 1:
        raise DataError("labels: expected all strings or all whole numbers, found both")
    values = tuple(sorted(found))
    return Classes(values, tuple(str(value) for value in values))


def encode_examples(
    examples: Examples,
    classes: Classes,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int,
) -> LabelledBatches:
    """Tokenize examples and turn their labels into ids.

    Parameters
    ----------
    examples
        N labelled texts.
    classes
        Those of training.
    tokenizer
        The checkpoint's own.
    max_length
        Tokens, special tokens included.

    Raises
    ------
    DataError
        A text is no string or a label was not seen in training.
    """
    encoded = encode_texts(
        examples.texts, tokenizer, max_length=max_length, text_pairs=examples.text_pairs
    )
    return LabelledBatches(encoded, classes.ids_of(_translated(examples, classes)))


def _translated(examples: Examples, classes: Classes) -> list[Label]:
    """Return the labels in the numbering of `classes`, where a split numbers its own otherwise."""
    if examples.names is None or examples.names == classes.names:
        return examples.labels
    by_name = dict(zip(classes.names, classes.values, strict=True))
    named = [examples.names[int(label)] for label in examples.labels]
    unseen = sorted(set(named) - set(by_name))
    if unseen:
        raise DataError(
            f"labels: class {unseen[0]!r} does not occur in training; "
            f"known: {', '.join(map(repr, classes.names))}"
        )
    return [by_name[name] for name in named]


def label_entropy(labels: NDArray[np.int64]) -> float:
    """Return the entropy of the class shares of `labels` (N,) in nats; 0 for one class."""
    shares = np.bincount(labels) / max(1, len(labels))
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def check_trainable(batches: LabelledBatches, classes: Classes) -> None:
    """Refuse a training split that teaches nothing.

    Raises
    ------
    DataError
        It is empty, or all of one class.
    """
    n_texts = len(batches.encoded)
    if not n_texts:
        raise DataError("texts: expected at least two, found none")
    check_labels(batches.labels, n_texts=n_texts, n_classes=len(classes.values))
