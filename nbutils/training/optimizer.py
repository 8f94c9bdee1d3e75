"""AdamW without decay on biases and LayerNorm, and the linear schedule with warm-up."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from nbutils.errors import NbutilsError
from nbutils.memory import is_out_of_memory
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.embedding import RowEmbedding
from nbutils.training.freezing import rate_scales


def build_optimizer(model: nn.Module, params: FineTuneParams) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2019) over the parameters that train.

    Biases and normalisation weights are not decayed, as in BERT's own training (Devlin et al.,
    2019, appendix A.2): they are vectors, every decayed weight is a matrix. Each group has a
    `rate_scale`, the factor of the schedule's learning rate: 1 but for `layerwise_decay`.
    """
    scales = rate_scales(model, params.layerwise_decay)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            decay = params.weight_decay if weight.dim() > 1 else 0.0
            groups.setdefault((scales[name], decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": decay, "rate_scale": scale}
            for (scale, decay), weights in groups.items()
        ],
        lr=params.learning_rate,
        fused=True,
    )


def scheduled_rate(step: int, *, total_steps: int, params: FineTuneParams) -> float:
    """Return the learning rate of a step: linear up to the peak, then linear down towards zero.

    No step is wasted on a rate of zero: the first has the smallest share of the peak, the last step
    of the warm-up and the one after it have the peak.

    Parameters
    ----------
    step
        Counted from 0.
    total_steps
        Optimiser steps of the whole training.
    params
        Gives the peak and the share of the steps in which it is reached.
    """
    warmup = math.ceil(params.warmup_fraction * total_steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    return params.learning_rate * (total_steps - step) / max(1, total_steps - warmup)


def gradient_norm(model: Any) -> float:
    """Return the L2 norm of all gradients of a model; of a `RowEmbedding`, its touched rows'."""
    embedding = model.get_input_embeddings()
    sparse = embedding.weight if isinstance(embedding, RowEmbedding) else None
    gradients = [w.grad for w in model.parameters() if w.grad is not None and w is not sparse]
    if sparse is not None and sparse.grad is not None:
        gradients.append(sparse.grad[embedding.touched.unique()])
    return float(torch.nn.utils.get_total_norm(gradients))


def step_clipped(optimizer: torch.optim.AdamW, norm: float, *, max_norm: float) -> None:
    """Make a step with gradients of L2 norm `norm` scaled down to `max_norm`, if it is larger.

    The fused optimiser scales them while it reads them, which spares a pass over all of them
    (`torch.amp.GradScaler` has it do so too).

    Raises
    ------
    NbutilsError
        Its moments, two numbers for each weight that trains, do not fit into memory.
    """
    try:
        _step_clipped(optimizer, norm, max_norm)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NbutilsError(
            "the optimiser's moments, twice the size of the weights that train, do not fit into "
            "memory; set fine_tune.freeze_layers or fine_tune.lora_rank, or take a smaller "
            "fine_tune.model"
        ) from error


def _step_clipped(optimizer: torch.optim.AdamW, norm: float, max_norm: float) -> None:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    device = weights[0].device
    if device.type not in {"cpu", "cuda"}:  # elsewhere the fused optimiser does not scale
        torch.nn.utils.clip_grads_with_norm_(weights, max_norm, torch.tensor(norm, device=device))
        optimizer.step()
        return
    found: Any = optimizer  # these two are not among its declared attributes
    found.grad_scale = torch.tensor(max(1.0, norm / max_norm), device=device)
    found.found_inf = torch.zeros((), device=device)
    optimizer.step()
