"""Made-up predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbutils.analysis.errors import Errors, find_errors
from nbutils.label_sets import set_column, to_sets


def make_errors(
    labels: np.ndarray,
    pred_probs: np.ndarray,
    *,
    n_validation: int = 0,
    predicted: np.ndarray | None = None,
) -> Errors:
    """Return the errors of predictions, the first `n_validation` of them on validation texts.

    Labels are ids (N,) or indicators (N, K); what is predicted is the most probable one, or all
    from one half on.
    """
    names = [f"c{k}" for k in range(pred_probs.shape[1])]
    if labels.ndim == 2:
        given = pred_probs >= 0.5 if predicted is None else predicted
        columns = {"label": set_column(to_sets(labels)), "predicted": set_column(to_sets(given))}
    else:
        given = pred_probs.argmax(1) if predicted is None else predicted
        columns = {"label": labels, "predicted": given}
    n = len(labels)
    frame = pd.DataFrame({"example_id": np.arange(n), **columns})
    frame.insert(1, "split", np.where(np.arange(n) < n_validation, "validation", "test"))
    shares = pd.DataFrame(pred_probs, columns=[f"prob_{name}" for name in names])
    texts = pd.DataFrame({"example_id": frame["example_id"], "text": "a text"})
    return find_errors(pd.concat([frame, shares], axis=1), texts, label_names=names)


def draw_classes(
    n: int, *, n_classes: int = 4, temperature: float = 1.0, scale: float = 2.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) drawn from probabilities, and those at a wrong temperature, (N, K).

    Divided by the temperature, their logits are those that the labels were drawn from. The larger
    the scale of these, the more often the most probable label is right.
    """
    random = np.random.default_rng(seed)
    logits = random.normal(scale=scale, size=(n, n_classes))
    honest = softmax(logits)
    labels = (honest.cumsum(1) < random.random((n, 1))).sum(1).clip(max=n_classes - 1)
    return labels, softmax(logits * temperature)


def draw_sets(
    n: int, *, n_labels: int = 3, temperature: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return indicators (N, K) drawn from probabilities, and those at a wrong temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 3, size=(n, n_labels))
    labels = random.random((n, n_labels)) < 1 / (1 + np.exp(-logits))
    return labels, 1 / (1 + np.exp(-logits * temperature))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (N, K)."""
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))
