"""The examples that the model gets wrong, and the labels that may be wrong themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROBABILITY_PREFIX = "prob_"


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


def rank_label_suspects(mistakes: pd.DataFrame) -> pd.DataFrame:
    """Return mistakes ordered by how little the model believes the given label.

    The score is the self-confidence of Northcutt, Jiang and Chuang, "Confident learning", 2021:
    the predicted probability of the given label, 0 (surely wrong) to 1. The model has not been
    trained on these examples.

    Parameters
    ----------
    mistakes
        As `find_mistakes` makes them.

    Returns
    -------
    DataFrame
        `example_id, split, text, label, suggested_label, self_confidence` and two empty columns to
        fill in, `corrected_label` and `comment`; the most suspect first.
    """
    suspects = mistakes.rename(
        columns={"predicted": "suggested_label", "prob_label": "self_confidence"}
    ).drop(columns="confidence")
    suspects = suspects.sort_values(["self_confidence", "example_id"], ignore_index=True)
    return suspects.assign(corrected_label="", comment="")


def label_names_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the K label names that the probability columns carry, index = id."""
    start = len(PROBABILITY_PREFIX)
    return tuple(
        name[start:] for name in predictions.columns if name.startswith(PROBABILITY_PREFIX)
    )


def texts_of(data: Mapping[str, Any], *, splits: Sequence[str]) -> pd.DataFrame:
    """Return `example_id, text[, text_pair]` of some splits of a `DatasetDict`."""
    wanted = ("example_id", "text", "text_pair")
    frames = [
        data[split].select_columns([c for c in wanted if c in data[split].column_names]).to_pandas()
        for split in splits
    ]
    texts: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return texts
