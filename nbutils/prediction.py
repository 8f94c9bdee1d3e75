"""Logits and probabilities of a model for many texts, in the order of the texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nbutils.batching import Encoded, pass_tokens, sorted_batches
from nbutils.encoder.swap import fast_encoder, refresh_encoder
from nbutils.errors import NbutilsError
from nbutils.memory import is_out_of_memory, release_memory, say_shortage
from nbutils.threads import Workers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FloatArray = NDArray[np.float64]
Rows = NDArray[np.int64]


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


def read_logits(model: PreTrainedModel, encoded: Encoded, rows: Rows) -> torch.Tensor:
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
    the call and left as it was found. Batches that do not fit into memory are made smaller.

    Parameters
    ----------
    model
        A sequence classifier.
    encoded
        N tokenized texts.
    precision
        ``fp32`` or ``bf16``.

    Raises
    ------
    NbutilsError
        A single text does not fit into memory.
    """
    chunks = encoded.chunks  # each alone: a long text's need not share a batch
    logits = np.zeros((len(chunks), model.config.num_labels), np.float64)
    device = model.device.type

    def predict(rows: Rows) -> None:
        with torch.inference_mode(), autocast(device, precision):  # each thread has its own mode
            logits[rows] = read_logits(model, chunks, rows).cpu().numpy()

    with evaluation_mode(model), fast_encoder(model, precision=precision):
        refresh_encoder(model)
        predict_all(predict, chunks.lengths, device=device)
    return np.asarray(encoded.pool(torch.from_numpy(logits)))


def predict_all(
    predict: Callable[[Rows], None], lengths: NDArray[np.int64], *, device: str
) -> None:
    """Call `predict` with batches of all texts, and with smaller ones of those that did not fit.

    Parameters
    ----------
    predict
        Takes rows of texts, (B,); on a CPU several threads call it at once.
    lengths
        Tokens per text, shape (N,).
    device
        Of the model.

    Raises
    ------
    NbutilsError
        A single text does not fit into memory.
    """
    shortages: list[str] = []
    with Workers(device) as workers:
        batches = sorted_batches(lengths, batch_tokens=pass_tokens(device))
        tried = workers.map(lambda rows: _too_large(predict, rows, shortages), batches)
    while failed := [rows for rows in tried if len(rows)]:
        release_memory(device)
        # one after the other from here on: what is left has the memory to itself
        left, size = np.concatenate(failed), max(len(rows) * lengths[rows].max() for rows in failed)
        batches = sorted_batches(lengths[left], batch_tokens=int(size) // 2)
        tried = [_too_large(predict, left[places], shortages) for places in batches]
        _refuse_single(tried, lengths, shortages)


def _too_large(predict: Callable[[Rows], None], rows: Rows, shortages: list[str]) -> Rows:
    """Return the rows if they do not fit into memory at once; none: they are predicted.

    What the error said is added to `shortages`.
    """
    try:
        predict(rows)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        shortages.append(say_shortage(error))
        return rows
    return rows[:0]


def _refuse_single(tried: list[Rows], lengths: NDArray[np.int64], shortages: Sequence[str]) -> None:
    single = next((rows[0] for rows in tried if len(rows) == 1), None)
    if single is not None:
        raise NbutilsError(
            f"prediction: a single text of {lengths[single]} tokens does not fit into memory; "
            f"lower fine_tune.max_length, or take a smaller fine_tune.model{shortages[-1]}"
        )


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
