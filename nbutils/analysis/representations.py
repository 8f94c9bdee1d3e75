"""What a classifier's last layer reads of a text: where texts that it finds alike are near."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nbutils.batching import Encoded
from nbutils.encoder.swap import fast_encoder, refresh_encoder
from nbutils.errors import NotApplicableError
from nbutils.prediction import autocast, evaluation_mode, predict_all, read_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FloatArray = NDArray[np.float64]


def represent(model: PreTrainedModel, encoded: Encoded, *, precision: str) -> FloatArray:
    """Return the inputs of the classifier's last layer, scaled to length 1: shape (N, D).

    Those of a text that is read in chunks are the mean of its chunks', as are its logits.

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
    NotApplicableError
        The last layer does not read one vector per text.
    """
    last = _last_layer(model)
    chunks, device = encoded.chunks, model.device.type
    found = torch.zeros(len(chunks), last.in_features)
    seen: dict[int, Tensor] = {}

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[get_ident()] = inputs[0]  # each thread reads its own batch

    def read(rows: NDArray[np.int64]) -> None:
        with torch.inference_mode(), autocast(device, precision):
            read_logits(model, chunks, rows)
        found[rows] = _vectors(seen.pop(get_ident()))

    handle = last.register_forward_pre_hook(keep)
    try:
        with evaluation_mode(model), fast_encoder(model, precision=precision):
            refresh_encoder(model)
            predict_all(read, chunks.lengths, device=device)
    finally:
        handle.remove()
    vectors = encoded.pool(found)
    lengths = vectors.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return np.asarray((vectors / lengths).double().numpy())


def _last_layer(model: Any) -> nn.Linear:
    found = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and module.out_features == model.config.num_labels
    ]
    if not found:
        raise NotApplicableError(f"{type(model).__name__} has no last linear layer to look into.")
    return found[-1]


def _vectors(inputs: Tensor) -> Tensor:
    if inputs.ndim != 2:
        size = " x ".join(map(str, inputs.shape))
        raise NotApplicableError(f"The last layer reads {size} numbers, not one vector per text.")
    return inputs.float().cpu()
