"""What the model believed of each training text while it learnt: training dynamics.

Swayamdipta et al., "Dataset cartography", 2020: recorded in the forward passes that the training
makes anyway, with dropout on and before the step that the text takes part in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Dynamics:
    """The probability of the given label of N training texts in each of E epochs.

    Attributes
    ----------
    given
        Shape (E, N), in [0, 1]; NaN where an epoch did not get to the text. Of several labels per
        text it is the mean probability of the right answers, yes or no, to all of them.
    """

    def __init__(self, *, n_texts: int, total_steps: int, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        epochs = math.ceil(total_steps / steps_per_epoch)
        self.given: NDArray[np.float32] = np.full((epochs, n_texts), np.nan, np.float32)

    def note(self, step: int, rows: Rows, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Keep what the logits (B, K) of a forward pass say of the labels of its rows (B,).

        Parameters
        ----------
        step
            Of the optimiser, counted from 0.
        rows
            Places of the texts in the training split.
        logits, labels
            As the objective takes them.
        """
        believed = _believed(logits.detach().float(), labels)
        self.given[step // self.steps_per_epoch, rows] = believed.cpu().numpy()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return a copy of what a checkpoint holds of it."""
        return {"given": torch.from_numpy(self.given.copy())}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put it where it was when `tensors` were taken."""
        self.given = tensors["given"].numpy().copy()


def _believed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if labels.ndim == 1:
        return logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return torch.where(labels.bool(), logits, -logits).sigmoid().mean(dim=1)
