"""Labelled texts as the Python API takes them, made into token ids and label ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbutils.batching import Encoded, encode_texts
from nbutils.described import Described
from nbutils.errors import DataError
from nbutils.label_sets import Task
from nbutils.params.cutting import Cutting
from nbutils.training.pitfalls import check_label_sets, check_labels

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Label = str | int
Labels = Label | tuple[Label, ...]  # of one text: its label, or all that it has


@dataclass(frozen=True, repr=False)
class LabelledBatches(Described):
    """N tokenized texts with their labels.

    `labels` are ids of shape (N,), or indicators of shape (N, K), 0 or 1, where a text has any
    number of labels.
    """

    encoded: Encoded
    labels: NDArray[np.integer[Any]]

    def fingerprint(self) -> str:
        """Return a SHA-256 over token ids, lengths, chunks and labels."""
        found = hashlib.sha256(self.encoded.lengths.tobytes())
        if self.encoded.counts is not None:
            found.update(self.encoded.counts.tobytes())
        for ids in self.encoded.input_ids:
            found.update(ids.tobytes())
        found.update(self.labels.tobytes())
        return found.hexdigest()


@dataclass(frozen=True, repr=False)
class Examples(Described):
    """N texts, their N labels and, for a task on pairs, N second texts.

    `names` gives the classes' names where the data has them (a `ClassLabel` column).
    """

    texts: list[str]
    labels: Sequence[Labels]
    text_pairs: list[str] | None = None
    names: tuple[str, ...] | None = None

    @property
    def task(self) -> Task:
        """``multi_label`` where the labels of a text are a tuple."""
        several = bool(self.labels) and isinstance(self.labels[0], tuple)
        return "multi_label" if several else "single_label"


@dataclass(frozen=True)
class Classes:
    """The K classes: the labels as the user gave them, in id order, and their names."""

    values: tuple[Label, ...]
    names: tuple[str, ...]
    task: Task = "single_label"

    def ids_of(self, labels: Sequence[Labels]) -> NDArray[np.integer[Any]]:
        """Return label ids in [0, K), shape (N,), or indicators (N, K) for several labels.

        Raises
        ------
        DataError
            A label is none of the classes.
        """
        several = self.task == "multi_label"
        ids = {value: k for k, value in enumerate(self.values)}
        pairs = [(row, label) for row, own in enumerate(labels) for label in _members(own, several)]
        for row, label in pairs:
            if label not in ids:
                raise DataError(
                    f"labels: row {row} has {label!r}, which does not occur in training; "
                    f"known: {', '.join(map(repr, self.values))}"
                )
        found = [ids[label] for _, label in pairs]
        if not several:
            return np.array(found, np.int64)
        indicators = np.zeros((len(labels), len(self.values)), np.uint8)
        indicators[[row for row, _ in pairs], found] = 1
        return indicators


def _members(labels: Labels, several: bool) -> tuple[Label, ...]:
    if isinstance(labels, tuple) == several:
        return labels if isinstance(labels, tuple) else (labels,)
    wanted, found = ("a list of labels", "one") if several else ("one label", "a list")
    raise DataError(f"labels: expected {wanted} per text, as in training, found {found}: {labels}")


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
    found = _read_labels(getattr(labels, "tolist", lambda: labels)())
    if len(found) != len(texts):
        raise DataError(f"labels: expected {len(texts)}, one per text, found {len(found)}")
    return Examples(texts, found)


def _read_labels(given: Iterable[Any]) -> list[Labels]:
    """Return the labels as Python values: all plain, or all tuples."""
    labels = list(given)
    several = [isinstance(label, (list, tuple, set, np.ndarray)) for label in labels]
    if any(several) and not all(several):
        row = several.index(not several[0])
        raise DataError(
            f"labels: expected one label for each text, or a list for each, found both: "
            f"{labels[0]!r} at row 0, {labels[row]!r} at row {row}"
        )
    if not any(several):
        return [_plain(label) for label in labels]
    sets = [tuple(_plain(label) for label in own) for own in labels]
    if _are_indicators(sets):
        raise DataError(
            f"labels: expected the labels that each text has, found a 0 or a 1 for each of "
            f"{len(sets[0])}; give names or numbers, such as [['a', 'c'], []]"
        )
    return list(sets)


def _are_indicators(sets: Sequence[tuple[Label, ...]]) -> bool:
    if len(set(map(len, sets))) != 1 or len(sets[0]) < 2:
        return False
    values = {label for own in sets for label in own}
    return values <= {0, 1} and any(len(set(own)) < len(own) for own in sets)


def _read_dataset(dataset: Any) -> Examples:
    for column in ("text", "label"):
        if column not in dataset.column_names:
            raise DataError(
                f"dataset: expected columns 'text' and 'label', found {dataset.column_names}; "
                f"rename with dataset.rename_column(..., {column!r})"
            )
    feature = dataset.features["label"]
    names = getattr(getattr(feature, "feature", feature), "names", None)
    pairs = list(dataset["text_pair"]) if "text_pair" in dataset.column_names else None
    return Examples(
        texts=list(dataset["text"]),
        labels=_read_labels(dataset["label"]),
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
        As for `read_examples`; or a mapping has no `train`, or only one split has pairs.
    """
    if isinstance(given, Mapping):
        if "train" not in given:
            raise DataError(f"dataset: expected a split 'train', found {list(given)}")
        validation = given.get("validation") if validation is None else validation
        given = given["train"]
    train = read_examples(given, labels)
    held_out = None if validation is None else read_examples(validation)
    if held_out and held_out.texts and (train.text_pairs is None) != (held_out.text_pairs is None):
        names = ("training", "validation")
        without, with_pairs = names if train.text_pairs is None else names[::-1]
        raise DataError(
            f"text_pair: {with_pairs} texts have a second text each and {without} texts have "
            "none; give it to both, or drop the column text_pair"
        )
    return train, held_out


def find_classes(examples: Examples) -> Classes:
    """Return the classes of the training examples, sorted; a `ClassLabel` column names its own.

    Raises
    ------
    DataError
        Labels mix strings and numbers.
    """
    task = examples.task
    if examples.names is not None:
        return Classes(tuple(range(len(examples.names))), examples.names, task)
    several = task == "multi_label"
    found = {label for own in examples.labels for label in _members(own, several)}
    if len({type(label) for label in found}) > 1:
        raise DataError("labels: expected all strings or all whole numbers, found both")
    values = tuple(sorted(found))
    return Classes(values, tuple(str(value) for value in values), task)


def encode_examples(
    examples: Examples,
    classes: Classes,
    tokenizer: PreTrainedTokenizerFast,
    *,
    cutting: Cutting,
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
    cutting
        How many tokens of a text are read, and which.

    Raises
    ------
    DataError
        A text is no string or a label was not seen in training.
    """
    encoded = encode_texts(
        examples.texts, tokenizer, cutting=cutting, text_pairs=examples.text_pairs
    )
    return LabelledBatches(encoded, classes.ids_of(_translated(examples, classes)))


def _translated(examples: Examples, classes: Classes) -> Sequence[Labels]:
    """Return the labels in the numbering of `classes`, where a split numbers its own otherwise."""
    if examples.names is None or examples.names == classes.names:
        return examples.labels
    by_name = dict(zip(classes.names, classes.values, strict=True))
    several = classes.task == "multi_label"
    own_names = examples.names
    named = [
        tuple(own_names[int(label)] for label in _members(own, several)) for own in examples.labels
    ]
    unseen = sorted({name for own in named for name in own} - set(by_name))
    if unseen:
        raise DataError(
            f"labels: class {unseen[0]!r} does not occur in training; "
            f"known: {', '.join(map(repr, classes.names))}"
        )
    sets = [tuple(by_name[name] for name in own) for own in named]
    return sets if several else [own[0] for own in sets]


def check_trainable(batches: LabelledBatches, classes: Classes) -> None:
    """Refuse a training split that teaches nothing.

    Raises
    ------
    DataError
        It is empty, or all of one class, or no label tells texts apart.
    """
    n_texts = len(batches.encoded)
    if not n_texts:
        raise DataError("texts: expected at least two, found none")
    if classes.task == "multi_label":
        check_label_sets(batches.labels, classes.names)
        return
    check_labels(batches.labels, n_texts=n_texts, n_classes=len(classes.values))
