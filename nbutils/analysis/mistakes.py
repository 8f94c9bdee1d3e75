"""The examples that the model gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.data.labelled_texts import metadata_columns
from nbutils.described import Described, name_some
from nbutils.errors import NotApplicableError

if TYPE_CHECKING:
    from nbutils.analysis.errors import Errors

PROBABILITY_PREFIX = "prob_"


@dataclass(frozen=True, repr=False)
class SurestMistakes(Described):
    """The mistakes on the test split that the model was surest of.

    Attributes
    ----------
    rows
        As `Errors.mistakes` has them, the most confident first.
    of
        How many mistakes there are in all.
    """

    rows: pd.DataFrame
    of: int

    def findings(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        columns = ["example_id", "label", "predicted", "confidence"]
        return {"mistakes": self.of, "surest": self.rows[columns].to_dict("records")}

    def advice(self) -> Sequence[Advice]:
        """Return nothing: they are for reading."""
        return ()


def find_surest(errors: Errors, *, examples: int) -> SurestMistakes:
    """Return the mistakes on the test split that the model was surest of.

    Parameters
    ----------
    errors
        Of either kind.
    examples
        How many at the most.

    Raises
    ------
    NotApplicableError
        `examples` is 0.
    """
    if not examples:
        raise NotApplicableError("Switched off by the parameter worst_examples.")
    mistakes = errors.mistakes()
    return SurestMistakes(mistakes.head(examples), len(mistakes))


def probabilities(predictions: pd.DataFrame, label_names: Sequence[str]) -> NDArray[np.float64]:
    """Return the predicted probabilities, shape (N, K), columns in the order of `label_names`."""
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in label_names]
    return predictions[columns].to_numpy(np.float64)


def find_mistakes(
    predictions: pd.DataFrame, texts: pd.DataFrame, *, label_names: Sequence[str]
) -> pd.DataFrame:
    """Return the wrong predictions, the most confident first.

    Parameters
    ----------
    predictions
        `example_id, split, label, predicted, prob_<label>...`, as fine-tuning writes them.
    texts
        `example_id, text[, text_pair]` for at least these examples.
    label_names
        K names, index = id.

    Returns
    -------
    DataFrame
        `example_id, split, text[, text_pair], label, predicted, confidence, prob_label`: labels by
        name, the probability of the predicted class and that of the true one.
    """
    pred_probs = probabilities(predictions, label_names)
    rows = np.arange(len(predictions))
    names = np.array(label_names, dtype=object)
    table = pd.DataFrame(
        {
            "example_id": predictions["example_id"].to_numpy(),
            "split": predictions["split"].to_numpy(),
            "label": names[predictions["label"].to_numpy()],
            "predicted": names[predictions["predicted"].to_numpy()],
            "confidence": pred_probs[rows, predictions["predicted"].to_numpy()],
            "prob_label": pred_probs[rows, predictions["label"].to_numpy()],
        }
    )
    wrong = table[(predictions["label"] != predictions["predicted"]).to_numpy()]
    text_columns = [name for name in ("text", "text_pair") if name in texts.columns]
    found = wrong.merge(texts[["example_id", *text_columns]], on="example_id", how="left")
    found = found.sort_values(["confidence", "example_id"], ascending=[False, True])
    first = ["example_id", "split", *text_columns]
    return found[[*first, "label", "predicted", "confidence", "prob_label"]].reset_index(drop=True)


def describe_errors(
    test: pd.DataFrame, *, label_names: Sequence[str], pairs: pd.DataFrame
) -> dict[str, Any]:
    """Return what errors come to, by name: how many texts, mistakes and classes, and which lead.

    Parameters
    ----------
    test
        Predictions of the test split.
    label_names
        K names, index = id.
    pairs
        `label, predicted, count`, the most frequent mistakes first.
    """
    wrong = int((test["label"] != test["predicted"]).sum())
    share = f", {100 * wrong / len(test):.1f} %" if len(test) else ""
    most = [
        f"{row['label']} as {row['predicted']} ({row['count']:,})"
        for row in pairs.to_dict("records")
    ]
    return {
        "test texts": len(test),
        "wrong": f"{wrong:,}{share}",
        "classes": f"{len(label_names)}: {name_some(label_names)}",
        "most frequent mistakes": most or "none",
    }


def label_names_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the K label names that the probability columns carry, index = id."""
    start = len(PROBABILITY_PREFIX)
    return tuple(
        name[start:] for name in predictions.columns if name.startswith(PROBABILITY_PREFIX)
    )


def texts_of(data: Mapping[str, Any], *, splits: Sequence[str]) -> pd.DataFrame:
    """Return `example_id, text[, text_pair]` and metadata of some splits of a `DatasetDict`."""
    frames = []
    for split in splits:
        names = data[split].column_names
        own = [name for name in ("example_id", "text", "text_pair") if name in names]
        frames.append(data[split].select_columns(own + metadata_columns(names)).to_pandas())
    texts: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return texts
