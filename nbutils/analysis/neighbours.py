"""The training texts nearest to mistakes, as the model sees them, and the labels that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import tested_texts
from nbutils.analysis.saliency import worst_mistakes
from nbutils.analysis.saved_model import SavedModel, Texts, texts_of_rows
from nbutils.bootstrap import resample_rows
from nbutils.described import Described
from nbutils.errors import NotApplicableError
from nbutils.label_sets import say_labels, set_column
from nbutils.metrics import Score, proportion

FloatArray = NDArray[np.float64]

COLUMNS = ("example_id", "text", "text_pair", "label")
NEAREST = 5
MOST_TRAINING_TEXTS = 5000
MOST_TRAINING_TOKENS = 100_000  # a small model reads as many in some four seconds on two cores
SIGNS_PER_TOKEN = 4
MOST_LISTED = 500  # neighbours in findings.json
MOST_COUNTED = 50  # mistakes, and right predictions, whose neighbours are counted


@dataclass(frozen=True, repr=False)
class Neighbours(Described):
    """The nearest training texts of mistakes, by cosine of what the model's last layer reads.

    Attributes
    ----------
    texts
        A row per shown mistake, the most confident first: `example_id, text[, text_pair], label,
        predicted, confidence`.
    near
        A row per neighbour of these, the nearest first: `example_id` (of the mistake),
        `neighbour_id, text[, text_pair], label, similarity` in [-1, 1], and whether its label is
        the one that was `said`: ``predicted``, ``true`` or ``other``.
    taught
        Of the counted mistakes the share most of whose neighbours have the predicted label.
    as_predicted, as_predicted_if_right
        The mean share of neighbours with the predicted label: of the counted mistakes, and of as
        many right predictions at most; with bootstrap intervals over texts.
    purity
        The mean share of the most frequent label among the neighbours of a counted mistake.
    searched, of
        Training texts among which the neighbours were looked for, and how many there are.
    """

    texts: pd.DataFrame
    near: pd.DataFrame
    taught: Score
    as_predicted: Score
    as_predicted_if_right: Score
    purity: Score
    searched: int
    of: int

    def findings(self) -> dict[str, Any]:
        """Return the shares, and the neighbours without their texts."""
        columns = ["example_id", "neighbour_id", "label", "similarity", "said"]
        names = ("taught", "as_predicted", "as_predicted_if_right", "purity")
        return {
            "searched": self.searched,
            "training_texts": self.of,
            **{name: getattr(self, name).as_dict() for name in names},
            "neighbours": self.near[columns].head(MOST_LISTED).to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Return what to do where training labels agree with the mistakes, if they surely do."""
        if self.taught.low <= 0.5:
            return []
        said = self.near[self.near["said"] == "predicted"]
        action = (
            f"Read the {said['neighbour_id'].nunique()} training texts nearest to the mistakes: "
            "correct the labels that are wrong; where they are right, add training texts of the "
            "true class that are like the mistakes."
        )
        evidence = (
            f"Of {self.taught.n} mistakes {self.taught.value:.0%} (95 % interval "
            f"{self.taught.low:.0%} to {self.taught.high:.0%}) lie, as the model sees them, among "
            "training texts most of which have the label that was predicted: the training labels "
            "agree with the mistakes."
        )
        return [Advice(action, evidence, None, "neighbours")]


@dataclass(frozen=True, repr=False)
class TrainingIndex(Described):
    """Training texts among which the nearest are looked for; they are read when first asked for.

    Attributes
    ----------
    model
        That reads them.
    training
        `example_id, text[, text_pair], label`, labels by name.
    of
        How many training texts there are, of which these may be a sample.
    """

    model: SavedModel
    training: pd.DataFrame
    of: int

    @classmethod
    def of_model(cls, model: SavedModel, data: Mapping[str, Any], *, seed: int) -> TrainingIndex:
        """Return some training texts of a model, see `sample_training`."""
        training, of = sample_training(data, model, seed=seed)
        training["label"] = say_labels(training["label"], model.errors.label_names)
        return cls(model, training, of)

    def search(self, texts: Sequence[Texts]) -> tuple[NDArray[np.int64], FloatArray]:
        """Return rows of `training` and cosines, shape (N, `NEAREST`) both, the nearest first."""
        training = _represent(texts_of_rows(self.training), self.model)
        cosines = _represent(texts, self.model) @ training.T
        places = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]
        return places, np.take_along_axis(cosines, places, axis=1)

    def nearest(self, examples: pd.DataFrame) -> pd.DataFrame:
        """Return the nearest training texts of examples, as in `Neighbours.near`.

        Parameters
        ----------
        examples
            `example_id, text[, text_pair], label, predicted`, labels by name.
        """
        return _list(examples, self.training, *self.search(texts_of_rows(examples)))


def find_neighbours(
    model: SavedModel, data: Mapping[str, Any], *, examples: int, seed: int
) -> Neighbours:
    """Find the training texts that the model finds most like its most confident mistakes.

    At most 5,000 training texts and about 100,000 of their tokens are read, drawn at random.

    Parameters
    ----------
    model
        That made the mistakes.
    data
        A `DatasetDict` with the split `train`, whose labels have the ids of the predictions'.
    examples
        Mistakes that are shown; those that are counted may be more.
    seed
        Of the samples and of the bootstrap.

    Raises
    ------
    NotApplicableError
        `examples` is 0, nothing on the test split is wrong, or there are no training texts.
    """
    mistakes = worst_mistakes(model.errors, examples and max(examples, MOST_COUNTED))
    index = TrainingIndex.of_model(model, data, seed=seed)
    test = tested_texts(model.errors)
    wrong = test.set_index("example_id").loc[mistakes["example_id"].tolist()].reset_index()
    looked_at = pd.concat([wrong, _sample_right(test, seed=seed)], ignore_index=True)
    places, similarity = index.search(texts_of_rows(looked_at))
    label_names = model.errors.label_names
    labels = index.training["label"].to_numpy(dtype=object)[places]
    predicted = np.array(say_labels(looked_at["predicted"], label_names), dtype=object)
    shares = (labels == predicted[:, None]).mean(axis=1)
    n, shown = len(wrong), mistakes.head(examples)
    return Neighbours(
        texts=shown,
        near=_list(shown, index.training, places, similarity),
        taught=proportion(int((shares[:n] > 0.5).sum()), n),
        as_predicted=mean_score(shares[:n], seed=seed),
        as_predicted_if_right=mean_score(shares[n:], seed=seed),
        purity=mean_score(_purity(labels[:n]), seed=seed),
        searched=len(index.training),
        of=index.of,
    )


def sample_training(
    data: Mapping[str, Any], model: SavedModel, *, seed: int
) -> tuple[pd.DataFrame, int]:
    """Return some training texts with their labels, and how many there are.

    Raises
    ------
    NotApplicableError
        There are none.
    """
    train = data.get("train")
    if train is None or not len(train):
        raise NotApplicableError("There is no training split at hand.")
    random = np.random.default_rng([seed, crc32(b"neighbours")])
    rows = random.permutation(len(train))[:MOST_TRAINING_TEXTS]
    columns = [name for name in COLUMNS if name in train.column_names]
    frame: pd.DataFrame = train.select_columns(columns).select(rows).to_pandas()
    signs = np.array([sum(map(len, texts)) for texts in texts_of_rows(frame)])
    limit = model.cutting.limit(0)
    tokens = np.minimum(signs // SIGNS_PER_TOKEN + 1, limit).cumsum()
    frame = frame[tokens <= max(MOST_TRAINING_TOKENS, tokens[0])].reset_index(drop=True)
    if frame["label"].dtype == object:
        frame["label"] = set_column(frame["label"])
    return frame, len(train)


def _sample_right(test: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    right = test[test["label"] == test["predicted"]]
    return right.sample(min(len(right), MOST_COUNTED), random_state=seed)


def _represent(texts: Sequence[Texts], model: SavedModel) -> FloatArray:
    """Return the representations of texts; those of the same texts are kept within a run."""
    from nbutils.analysis.representations import represent

    key = sha256(repr(texts).encode("utf-8", "surrogatepass")).hexdigest()
    if key not in model.kept:
        known, encoded = model.classifier, model.encode(texts)
        with known.turn:
            model.kept[key] = represent(known.model, encoded, precision=known.precision)
    return model.kept[key]


def _list(
    mistakes: pd.DataFrame,
    training: pd.DataFrame,
    places: NDArray[np.int64],
    similarity: FloatArray,
) -> pd.DataFrame:
    parts = []
    for row, mistake in enumerate(mistakes.to_dict("records")):
        near = training.iloc[places[row]].rename(columns={"example_id": "neighbour_id"})
        said = np.select(
            [near["label"] == mistake["predicted"], near["label"] == mistake["label"]],
            ["predicted", "true"],
            "other",
        )
        near = near.assign(similarity=similarity[row], said=said)
        near.insert(0, "example_id", mistake["example_id"])
        parts.append(near)
    listed: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return listed


def _purity(labels: NDArray[np.object_]) -> FloatArray:
    """Return the share of the most frequent label in each row."""
    counts = [max(np.unique(row.astype(str), return_counts=True)[1]) for row in labels]
    return np.asarray(np.array(counts, np.float64) / labels.shape[1])


def mean_score(values: FloatArray, *, seed: int) -> Score:
    """Return a mean with its bootstrap interval.

    Parameters
    ----------
    values
        Shape (N,), in [0, 1]. Where all are 0 or all are 1, nothing varies, and the interval is
        Wilson's.
    seed
        Of the bootstrap.
    """
    n = len(values)
    if not n or values.min() == values.max() in {0.0, 1.0}:
        return proportion(round(float(values.sum())), n)
    return Score(*resample_rows(values[:, None], seed=seed).interval(lambda means: means[:, 0]), n)
