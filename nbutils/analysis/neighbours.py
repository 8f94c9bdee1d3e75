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
from nbutils.intervals import wilson_around
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
        Of the counted mistakes the share most of whose neighbours have the predicted label. Those
        counted are drawn at random from all mistakes on the test split, at most 50.
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

    def surplus(self) -> tuple[float, float, float]:
        """Return by how much mistakes agree more with their neighbours than right predictions do.

        `as_predicted` minus `as_predicted_if_right`, with a 95 % interval that is made of theirs:
        Newcombe, "Interval estimation for the difference between independent proportions", 1998,
        method 10.
        """
        one, other = self.as_predicted, self.as_predicted_if_right
        gap = one.value - other.value
        below = float(np.hypot(one.value - one.low, other.high - other.value))
        above = float(np.hypot(one.high - one.value, other.value - other.low))
        return gap, gap - below, gap + above

    def findings(self) -> dict[str, Any]:
        """Return the shares, and the neighbours without their texts."""
        columns = ["example_id", "neighbour_id", "label", "similarity", "said"]
        names = ("taught", "as_predicted", "as_predicted_if_right", "purity")
        return {
            "searched": self.searched,
            "training_texts": self.of,
            **{name: getattr(self, name).as_dict() for name in names},
            "surplus": dict(zip(("value", "low", "high"), self.surplus(), strict=True)),
            "neighbours": self.near[columns].head(MOST_LISTED).to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Return what to do where training labels agree more with mistakes than with what is right.

        That most neighbours agree is no finding: nearness is the model's own.
        """
        gap, low, high = self.surplus()
        if low <= 0:
            return []
        said = self.near[self.near["said"] == "predicted"]
        action = (
            f"Read the {said['neighbour_id'].nunique()} training texts nearest to the "
            f"{len(self.texts)} most confident mistakes that have the label which was said: "
            "correct the labels that are wrong; where they are right, add training texts of the "
            "true class that are like the mistakes."
        )
        evidence = (
            f"Of the training texts nearest to {self.as_predicted.n} mistakes, drawn at random, "
            f"{self.as_predicted.value:.0%} have the label that was predicted; of those nearest to "
            f"right predictions {self.as_predicted_if_right.value:.0%}. Training labels agree more "
            f"with mistakes than with what is right, by {100 * gap:.0f} points (95 % interval "
            f"{100 * low:.0f} to {100 * high:.0f})."
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
        Mistakes that are shown, the most confident ones; others are counted, see `Neighbours`.
    seed
        Of the samples and of the bootstrap.

    Raises
    ------
    NotApplicableError
        `examples` is 0, nothing on the test split is wrong, or there are no training texts.
    """
    shown = worst_mistakes(model.errors, examples)
    index = TrainingIndex.of_model(model, data, seed=seed)
    test = tested_texts(model.errors)
    is_right = (test["label"] == test["predicted"]).to_numpy()
    counted = [_sample(test[rows], seed=seed) for rows in (~is_right, is_right)]
    looked_at = pd.concat(counted, ignore_index=True)
    labels = index.training["label"].to_numpy(dtype=object)[
        index.search(texts_of_rows(looked_at))[0]
    ]
    predicted = np.array(say_labels(looked_at["predicted"], model.errors.label_names), dtype=object)
    shares, n = (labels == predicted[:, None]).mean(axis=1), len(counted[0])
    return Neighbours(
        texts=shown,
        near=index.nearest(shown),
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


def _sample(texts: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    return texts.sample(min(len(texts), MOST_COUNTED), random_state=seed)


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
        Shape (N,), in [0, 1]. Where all are the same the interval is Wilson's.
    seed
        Of the bootstrap.
    """
    n = len(values)
    if not n or values.min() == values.max() in {0.0, 1.0}:
        return proportion(round(float(values.sum())), n)
    if values.min() == values.max():
        return Score(float(values[0]), *wilson_around(float(values[0]), n), n)
    return Score(*resample_rows(values[:, None], seed=seed).interval(lambda means: means[:, 0]), n)
