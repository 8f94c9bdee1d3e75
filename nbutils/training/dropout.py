"""Dropout by `DropoutBits` in the modules that `nbutils.encoder` does not stand in for."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nbutils.checkpoints.loading import quiet_transformers
from nbutils.encoder.masks import DropoutBits, kept_scale

ATTENTION_NAME = "nbutils_masked"
# Architectures whose attention is of every token to every other, with no bias by position: what
# `masked_attention` computes. (ModernBERT's windows are in its mask.)
PLAIN_ATTENTION = {
    "bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie", "data2vec-text", "albert",
    "distilbert", "modernbert",
}  # fmt: skip


def scaled_mask(bits: DropoutBits, like: torch.Tensor, p: float) -> torch.Tensor:
    """Return a tensor like `like`: 0 with probability `p`, else 1 / (1 - p)."""
    return bits.keep(like.shape, p).to(like.dtype).mul_(-kept_scale(p))


class FastDropout(nn.Dropout):
    """`torch.nn.Dropout` with masks from `DropoutBits`."""

    def __init__(self, p: float, bits: DropoutBits) -> None:
        super().__init__(p)
        self.bits = bits

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the input with a share of its elements dropped, in training mode."""
        if not self.training or self.p == 0:
            return input
        return input * scaled_mask(self.bits, input, self.p)


def masked_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention with `FastDropout` masks, in the type of its inputs.

    Vaswani et al., "Attention is all you need", 2017, equation 1.

    Parameters
    ----------
    module
        The attention layer; in training mode it carries `bits: DropoutBits`.
    query, key, value
        Shape (B, heads, L, width).
    attention_mask
        Boolean, broadcastable to (B, heads, L, L), true where attention is allowed; None: always.
    scaling
        Factor of the scores; None: width ** -0.5.
    dropout
        Share of attention weights dropped in training mode.
    **kwargs
        What transformers passes to every attention function; those of `PLAIN_ATTENTION` need none.

    Returns
    -------
    tuple
        (B, L, heads, width) and None: the weights are not kept.
    """
    scale = query.size(-1) ** -0.5 if scaling is None else scaling
    with torch.autocast(query.device.type, enabled=False):
        scores = torch.matmul(query * scale, key.transpose(2, 3))
        if attention_mask is not None:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)
        bits = getattr(module, "bits", None)
        if module.training and dropout > 0 and bits is not None:
            weights = weights * scaled_mask(bits, weights, dropout)
        elif module.training and dropout > 0:
            weights = nn.functional.dropout(weights, dropout)
        mixed = torch.matmul(weights, value)
    return mixed.transpose(1, 2).contiguous(), None


def use_fast_dropout(model: Any, seed: int) -> DropoutBits | None:
    """Replace a model's dropout in place, where it runs on a CPU; weights are not touched.

    Parameters
    ----------
    model
        A transformers model.
    seed
        Seed of the masks.

    Returns
    -------
    DropoutBits or None
        The source of the masks; None: the model is not on a CPU and keeps torch's dropout.
    """
    if model.device.type != "cpu":
        return None
    bits = DropoutBits(seed)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, FastDropout(child.p, bits).train(child.training))
    _use_masked_attention(model, bits)
    return bits


def _use_masked_attention(model: Any, bits: DropoutBits) -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = model.config
    if config.model_type not in PLAIN_ATTENTION or getattr(config, "is_decoder", False):
        return
    if config._attn_implementation != "sdpa":  # asked for by name, and given back as it was
        return
    AttentionInterface.register(ATTENTION_NAME, masked_attention)
    AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
    try:
        with quiet_transformers():
            model.set_attn_implementation(ATTENTION_NAME)
    except (ValueError, KeyError):  # an architecture with attention code of its own keeps it
        return
    for module in model.modules():
        module.bits = bits


def restore_dropout(model: Any) -> None:
    """Undo `use_fast_dropout`, so that what is saved or handed on is a plain model."""
    for parent in list(model.modules()):
        parent.__dict__.pop("bits", None)
        for name, child in list(parent.named_children()):
            if type(child) is FastDropout:
                setattr(parent, name, nn.Dropout(child.p).train(child.training))
    if model.config._attn_implementation == ATTENTION_NAME:
        model.set_attn_implementation("sdpa")
