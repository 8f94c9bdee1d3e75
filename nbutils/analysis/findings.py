"""All that the error analysis found, for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice, rank_advice
from nbutils.analysis.confusion import order_classes
from nbutils.artifacts import write_json, write_text


def build_findings(
    predictions: pd.DataFrame,
    *,
    label_names: Sequence[str],
    confusion: NDArray[np.int64],
    tables: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:
    """Return what `findings.json` holds.

    Parameters
    ----------
    predictions
        `split, label, predicted` of the held-out examples.
    label_names
        K names, index = id.
    confusion
        Counts (K, K) on the test split, rows true, in id order.
    tables
        Data frames by name: `classes`, `top_confusions`.
    """
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    counts = wrong["split"].value_counts()
    return {
        "label_names": list(label_names),
        "mistakes": {str(s): int(counts.get(s, 0)) for s in predictions["split"].unique()},
        "confusion_matrix": confusion.tolist(),
        "class_order": [int(k) for k in order_classes(confusion)],
        "classes": tables["classes"].to_dict("records"),
        "top_confusions": tables["top_confusions"].to_dict("records"),
    }


def add_sections(
    findings: Mapping[str, Any],
    *,
    sections: Mapping[str, Mapping[str, Any]],
    advice: Sequence[Advice],
) -> dict[str, Any]:
    """Return findings with those of the sections and with what to do next.

    Parameters
    ----------
    findings
        As `build_findings` makes them.
    sections
        What each section found, by its name.
    advice
        Of all sections; all of it is kept, the most worth first.
    """
    ranked = rank_advice(advice, most=len(advice))
    return {**findings, "sections": dict(sections), "advice": [one.as_dict() for one in ranked]}


def save_findings(folder: Path, findings: Mapping[str, Any], *, mistakes: pd.DataFrame) -> None:
    """Write the error_analysis stage folder; `findings.json` comes last and marks it complete.

    Parameters
    ----------
    folder
        Must exist.
    findings, mistakes
        What is saved.
    """
    write_text(folder / "errors.csv", mistakes.to_csv(index=False, lineterminator="\n"))
    write_json(folder / "findings.json", findings)
