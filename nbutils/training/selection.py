"""Which of two validations is the better one."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from nbutils.errors import ParameterError
from nbutils.training.history import ValidationRecord

Rank = tuple[float, float]
OF_ONE_LABEL = {"balanced_accuracy", "mcc", "weighted_f1"}


def check_selection(metric: str, labels: NDArray[Any]) -> None:
    """Refuse a `selection_metric` that is not defined for this kind of labels.

    Parameters
    ----------
    metric
        ``selection_metric``.
    labels
        Ids (N,), or indicators (N, K) where texts have several labels.

    Raises
    ------
    ParameterError
        Texts have several labels, and the score is one of a choice among classes.
    """
    if metric in OF_ONE_LABEL and labels.ndim > 1:
        raise ParameterError(
            f"selection_metric: expected accuracy, macro_f1 or loss where texts have several "
            f"labels, found {metric}"
        )


def rank_validation(record: ValidationRecord, metric: str) -> Rank:
    """Return what is larger for the better validation: its score, then how sure it is.

    Parameters
    ----------
    record
        Of one look at the validation split.
    metric
        ``selection_metric``.
    """
    score = -record.loss if metric == "loss" else float(getattr(record, metric))
    return score, -record.loss  # equal scores: the surer one
