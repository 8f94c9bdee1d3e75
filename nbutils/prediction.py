"""Logits and probabilities of a model for many texts, in the order of the texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nbutils.batching import Encoded, sorted_batches
from nbutils.encoder.swap import fast_encoder, refresh_encoder
from nbutils.threads import Workers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 4096  # of each thread

FloatArray = NDArray[np.float64]


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off while inside, and leave the model in the mode it had."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Return the context in which matrix products run in `precision` (``fp32`` or ``bf16``)."""
    if precision == "bf16":
        return torch.autocast(device, dtype=torch.bfloat16)
    return nullcontext()


def read_logits(model: PreTrainedModel, encoded: Encoded, rows: NDArray[np.int64]) -> torch.Tensor:
    """Return the logits of some texts, float32 of shape (B, K), in whatever mode the model is.

    Parameters
    ----------
    model
        A sequence classifier.
    encoded
        N tokenized texts.
    rows
        Which of them, (B,). The logits of a text's chunks become their mean.
    """
    inputs = encoded.batch(rows, device=model.device.type)
    return encoded.pool(model(**inputs).logits.float(), rows)


def predict_logits(
    model: PreTrainedModel,
    encoded: Encoded,
    *,
    precision: str = "fp32",
) -> FloatArray:
    """Return the logits of N texts, shape (N, K), row for row in their order.

    Batches are made of texts of similar length, whatever the order they came in; those of a text
    that is read in chunks are the mean of its chunks'. The model is put into evaluation mode for
    the call and left as it was found.

    Parameters
    ----------
    model
        A sequence classifier.
    encoded
        N tokenized texts.
    precision
        ``fp32`` or ``bf16``.
    """
    chunks = encoded.chunks  # each alone: a long text's need not share a batch
    logits = np.zeros((len(chunks), model.config.num_labels), np.float64)
    device = model.device.type

    def predict(rows: NDArray[np.int64]) -> None:
        with torch.inference_mode(), autocast(device, precision):  # each thread has its own mode
            logits[rows] = read_logits(model, chunks, rows).cpu().numpy()

    with evaluation_mode(model), fast_encoder(model, precision=precision):
        refresh_encoder(model)
        with Workers(device) as workers:
            workers.map(predict, sorted_batches(chunks.lengths, batch_tokens=BATCH_TOKENS))
    return np.asarray(encoded.pool(torch.from_numpy(logits)))


def softmax(logits: FloatArray) -> FloatArray:
    """Return probabilities of shape (N, K) whose rows sum to 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float64)


def cross_entropy(logits: FloatArray, labels: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood of `labels` (N,) in nats; NaN for N = 0."""
    if not len(labels):
        return float("nan")
    top = logits.max(axis=1)
    log_norm = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((log_norm - logits[np.arange(len(labels)), labels]).mean())
