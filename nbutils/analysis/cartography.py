"""Which training texts were learnt at once, which never: the map of a data set.

Swayamdipta et al., "Dataset cartography: mapping and diagnosing datasets with training dynamics",
2020, section 2. They cut a third off by each measure; here the bounds are absolute, so that a data
set without hard texts shows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.artifacts import read_json
from nbutils.described import Described
from nbutils.errors import DataError, NotApplicableError
from nbutils.label_sets import BoolArray, holds_sets, say_labels, to_indicators
from nbutils.metrics import wilson_interval
from nbutils.prediction_files import DYNAMICS

REGIONS = ("easy", "ambiguous", "hard")
WAVERING = 0.25  # of the variability, which is at most 0.5
BELIEVED = 0.5  # probability of the given label, on average and in the last epoch
MOST_HARD = 100  # hard texts that findings list


@dataclass(frozen=True, repr=False)
class TrainingMap(Described):
    """How the belief in each training label moved from epoch to epoch.

    Attributes
    ----------
    table
        `example_id, confidence, variability, region`, a row per training text: mean and standard
        deviation over the epochs of the probability of the given label. ``hard``: it is below one
        half, on average and in the last epoch; ``easy``: it is not, in both, and the deviation is
        at most a quarter; ``ambiguous``: all others.
    hard
        `example_id, text[, text_pair], label, confidence, variability` of the hard texts, the least
        believed first; labels by name.
    epochs
        Whole epochs that were counted.
    believable
        Whether the model came to know more than which label is the most frequent; else what it does
        not believe is no evidence against a label.
    """

    table: pd.DataFrame
    hard: pd.DataFrame
    epochs: int
    believable: bool

    def counts(self) -> dict[str, int]:
        """Return the number of texts in each region."""
        found = self.table["region"].value_counts()
        return {region: int(found.get(region, 0)) for region in REGIONS}

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`."""
        listed = self.hard.drop(columns=["text", "text_pair"], errors="ignore").head(MOST_HARD)
        return {
            "epochs": self.epochs,
            "believable": self.believable,
            "regions": self.counts(),
            "mean_confidence": float(self.table["confidence"].mean()),
            "hard": listed.to_dict("records"),
        }

    def advice(self) -> list[Advice]:
        """Advise to read the hard texts; nothing without any, or with a useless model."""
        n, total = len(self.hard), len(self.table)
        if not n or not self.believable:
            return []
        return [
            Advice(
                action=f"Read the {n} hard training texts: are their labels right?",
                evidence=(
                    f"In {self.epochs} epochs the model never came to believe the labels of {n} of "
                    f"{total} training texts ({n / total:.1%}); such a label may be "
                    "wrong, or the text a borderline case."
                ),
                gain=None,
                section="dynamics",
            )
        ]


def map_training(
    dynamics: pd.DataFrame,
    texts: pd.DataFrame,
    *,
    label_names: Sequence[str],
    informed_belief: float | None = None,
) -> TrainingMap:
    """Place each training text by how sure the model was of its label, and how steadily.

    Parameters
    ----------
    dynamics
        `example_id, epoch_1, ..., epoch_E`, as fine-tuning writes it; epochs that did not get to
        every text are left out.
    texts
        `example_id, text[, text_pair], label` of the training split, labels by id.
    label_names
        K names, index = id.
    informed_belief
        Of the training, where texts have several labels; None: that of one without weights and
        smoothing.

    Raises
    ------
    NotApplicableError
        There are not two whole epochs.
    """
    given = dynamics.drop(columns="example_id").dropna(axis="columns").to_numpy(np.float64)
    if given.shape[1] < 2:
        raise NotApplicableError(
            f"It needs two whole epochs of training, found {given.shape[1]}; train with epochs: 2 "
            "or more."
        )
    table = pd.DataFrame(
        {
            "example_id": dynamics["example_id"],
            "confidence": given.mean(axis=1),
            "variability": given.std(axis=1),
        }
    )
    believed = np.asarray(np.stack([given.mean(axis=1), given[:, -1]]) >= BELIEVED)
    is_steady = (table["variability"] <= WAVERING).to_numpy()
    is_easy = believed.all(axis=0) & is_steady
    table["region"] = np.select([~believed.any(axis=0), is_easy], ["hard", "easy"], "ambiguous")
    hard = _hard(table, texts, label_names)
    if holds_sets(texts["label"]):
        labels = to_indicators(texts["label"], n_labels=len(label_names))
        knows = _knows_more_of_sets(given[:, -1], labels, informed_belief)
    else:
        knows = _knows_more(given[:, -1], texts["label"])
    return TrainingMap(table, hard, given.shape[1], knows)


def read_training_map(model_dir: Path, train: Any, *, label_names: Sequence[str]) -> TrainingMap:
    """Return the map of a training that left its dynamics in a fine_tune folder.

    Parameters
    ----------
    model_dir
        A finished fine_tune folder.
    train
        The training split, a `datasets.Dataset`.
    label_names
        K names, index = id.

    Raises
    ------
    NotApplicableError
        The folder has none: it is of an earlier version; or there are not two whole epochs.
    """
    path = model_dir / DYNAMICS
    if not path.is_file():
        raise NotApplicableError(f"{path} is missing; train again with this version.")
    wanted = [name for name in ("example_id", "text", "text_pair", "label")
              if name in train.column_names]  # fmt: skip
    texts = train.select_columns(wanted).to_pandas()
    informed = None
    with suppress(DataError):  # of an earlier version, or lost
        informed = read_json(model_dir / "history.json").get("informed_belief")
    dynamics = pd.read_parquet(path)
    return map_training(dynamics, texts, label_names=label_names, informed_belief=informed)


def _knows_more(belief: NDArray[np.float64], labels: pd.Series[Any]) -> bool:
    """Return whether more labels are believed than who always gives the most frequent one would."""
    low, _ = wilson_interval(int((belief >= BELIEVED).sum()), len(belief))
    return bool(low > labels.value_counts(normalize=True).max())


def _knows_more_of_sets(
    belief: NDArray[np.float64], labels: BoolArray, informed_belief: float | None
) -> bool:
    """Return whether answers (N, K) are believed clearly more than who knows the shares alone does.

    The belief (N,) is the mean over all answers to a text, yes or no. It has to be more than
    halfway to that of a model that knows them all: a constant answer, be it too sure of itself,
    does not get there. Weights and smoothing move both ends.
    """
    if informed_belief is None:
        shares = labels.mean(axis=0)
        informed_belief = float((1 + shares**2 + (1 - shares) ** 2).mean()) / 2
    return bool(belief.mean() > informed_belief)


def _hard(table: pd.DataFrame, texts: pd.DataFrame, label_names: Sequence[str]) -> pd.DataFrame:
    found = table[table["region"] == "hard"].drop(columns="region").merge(texts, on="example_id")
    found["label"] = say_labels(found["label"], label_names)
    first = [name for name in ("example_id", "text", "text_pair", "label") if name in found]
    ordered = found.sort_values(["confidence", "example_id"], ignore_index=True)
    hard: pd.DataFrame = ordered[[*first, "confidence", "variability"]]
    return hard
