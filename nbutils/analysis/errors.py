"""The errors of one model, looked at in the same ways whether a text has one label or several.

Both kinds have the same methods; what they return has the same columns where it means the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.analysis.single_label import SingleLabelErrors
from nbutils.label_sets import holds_sets

Errors = SingleLabelErrors | MultiLabelErrors


def find_errors(
    predictions: pd.DataFrame, texts: pd.DataFrame, *, label_names: Sequence[str]
) -> Errors:
    """Return what is wrong with predictions, of either kind.

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
    SingleLabelErrors or MultiLabelErrors
        By whether `label` holds ids or sets of them.
    """
    kind = MultiLabelErrors if holds_sets(predictions["label"]) else SingleLabelErrors
    return kind(predictions, texts, tuple(label_names))


def tested_texts(errors: Errors) -> pd.DataFrame:
    """Return the test predictions with their texts and whatever else is known of these.

    Returns
    -------
    DataFrame
        The columns of `errors.test` and of `errors.texts`, in the order of the predictions.
    """
    own = [name for name in errors.texts.columns if name not in errors.test.columns]
    texts = errors.texts.set_index("example_id")[own]
    return errors.test.reset_index(drop=True).join(texts, on="example_id")
