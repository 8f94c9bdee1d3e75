"""The gradients of a batch, in as many forward passes as fit into memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from nbutils.batching import split_passes
from nbutils.encoder.masks import DropoutBits
from nbutils.memory import is_out_of_memory, release_memory, say_shortage
from nbutils.prediction import autocast, read_logits
from nbutils.training.dynamics import Dynamics
from nbutils.training.embedding import RowEmbedding
from nbutils.training.examples import LabelledBatches
from nbutils.training.history import History
from nbutils.training.memory import halve_passes
from nbutils.training.objective import Objective

Rows = NDArray[np.int64]


class Gradients:
    """Computes the gradients of a training's effective batches.

    Parameters
    ----------
    model
        In training mode; its gradients are added to.
    train
        What is learnt from.
    objective
        The loss.
    dynamics
        Is told what was predicted of each text.
    dropout
        The source of the model's dropout masks, where it is ours.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        train: LabelledBatches,
        *,
        objective: Objective,
        dynamics: Dynamics,
        dropout: DropoutBits | None,
    ) -> None:
        self.model, self.train, self.objective = model, train, objective
        self.dynamics, self.dropout = dynamics, dropout
        self._most_tokens = 0  # that did fit in one pass, padding included

    def compute(self, rows: Rows, *, texts: int, history: History) -> float:
        """Add the gradients of the mean loss of an effective batch, and return that loss, in nats.

        Parameters
        ----------
        rows
            The texts of the batch, (B,).
        texts
            In a forward pass, at most.
        history
            Of the training so far. Its `batch_tokens` bounds a forward pass, and is halved, with a
            note, where one does not fit into memory.

        Raises
        ------
        NbutilsError
            A single text does not fit into memory.
        """
        is_again = False
        while True:
            losses, part = [], rows
            passes = split_passes(
                self.train.encoded, rows, texts=texts, tokens=history.batch_tokens
            )
            try:
                for part in self._begin_each(passes, len(history.steps)):
                    losses.append(self._backward(part, rows, history))
                    self._most_tokens = max(self._most_tokens, self._tokens(part))
                return math.fsum(losses)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                shortage = say_shortage(error)
            # out of the except clause, where the error would keep the tensors of the pass alive
            self.clear()
            release_memory(self.model.device.type)
            tokens = self._tokens(part)
            # Where more did fit before, memory is short for a moment: other processes need it, too.
            is_again = not is_again and (len(part) == 1 or tokens < self._most_tokens)
            if not is_again:
                halve_passes(history, texts=len(part), tokens=tokens, shortage=shortage)

    def clear(self) -> None:
        """Forget all gradients, after a step."""
        embedding = self.model.get_input_embeddings()
        if isinstance(embedding, RowEmbedding):
            embedding.clear()
        self.model.zero_grad(set_to_none=True)

    def _tokens(self, rows: Rows) -> int:
        return self.train.encoded.padded_tokens(rows)

    def _begin_each(self, passes: list[Rows], step: int) -> Iterator[Rows]:
        start = 0
        for rows in passes:
            if self.dropout is not None:
                self.dropout.begin(step, start)
            yield rows
            start += len(rows)

    def _backward(self, part: Rows, whole: Rows, history: History) -> float:
        device = self.model.device.type
        labels = torch.from_numpy(self.train.labels[part]).to(device)
        with autocast(device, history.precision):
            logits = read_logits(self.model, self.train.encoded, part)
        total = self.objective.loss_sum(logits, labels)
        # Divided by the weight of the whole effective batch, not of this part of it: the mean of
        # parts of unequal size is not the mean of the whole.
        loss = total / self.objective.weight_of(whole)
        loss.backward()  # type: ignore[no-untyped-call]
        self.dynamics.note(len(history.steps), part, logits, labels)
        return loss.item()
