"""Self-attention with its output projection, dropout, residual and normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from nbutils.encoder.heads import Heads, split_heads
from nbutils.encoder.linear import Residual, linear_gradients, normalise, normalise_backward
from nbutils.encoder.masks import DropoutBits
from nbutils.encoder.weights import LayerWeights


@dataclass(frozen=True)
class Plan:
    """What a layer's forward pass needs beside its input.

    Attributes
    ----------
    weights
        Of the layer.
    bias
        Added to the scores, shape (B, L): 0, or minus infinity where there is padding; None: no
        padding.
    bits
        Source of dropout masks; None: nothing is dropped.
    first_only
        Only the first token is computed; the others serve as keys and values.
    """

    weights: LayerWeights
    bias: Tensor | None
    bits: DropoutBits | None
    first_only: bool = False


class Attention(Function):
    """(B, L, D) to (B, L, D), or to (B, 1, D) where only the first token is asked for.

    Its parameters are `parameters_of(layer)[:10]`, passed for their gradients alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, plan: Plan, *parameters: Tensor) -> Tensor:
        """Return the normalised sum of the input and what its tokens gathered."""
        weights, size = plan.weights, x.shape
        rows = x[:, 0].contiguous() if plan.first_only else x.view(-1, size[-1])
        heads = project(x, plan)
        gathered = heads.join(heads.attend(plan.bits, weights.attention_dropout))
        branch = weights.attention_output(gathered)
        residual = Residual.add(rows, branch, weights.hidden_dropout, plan.bits)
        output, mean, spread = normalise(residual.total, weights.attention_norm)
        ctx.plan, ctx.heads, ctx.size = plan, heads, size
        ctx.save_for_backward(x, gathered, residual.total, residual.keep, mean, spread)
        return output.view(size[0], -1, size[-1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the input and of the ten parameters."""
        plan: Plan = ctx.plan
        heads: Heads = ctx.heads
        weights = plan.weights
        x, gathered, total, keep, mean, spread = ctx.saved_tensors
        d_output = gradients[0].reshape(total.shape)
        d_total, *d_norm = normalise_backward(d_output, total, mean, spread, weights.attention_norm)
        d_branch = Residual.branch_gradient(d_total, keep, weights.hidden_dropout)
        d_gathered = torch.mm(d_branch, weights.attention_output.weight)
        d_heads = heads.attend_backward(heads.split(d_gathered), heads.split(gathered))
        ctx.heads = None  # its memory is of use to the layers below
        d_x, d_projection = project_backward(x, d_heads, d_total, plan)
        d_after = linear_gradients(d_branch, gathered)
        return (d_x, None, *d_projection, *d_after, *d_norm)


def project(x: Tensor, plan: Plan) -> Heads:
    """Return the queries, keys and values of an input (B, L, D)."""
    batch, length, width = x.shape
    dense, count = plan.weights.projection, plan.weights.heads
    rows = x.view(-1, width)
    bias = plan.bias
    if bias is not None:
        bias = bias.repeat_interleave(count, 0)[:, None, :]
    if not plan.first_only:
        query, key, value = split_heads(dense(rows), (batch, length, 3, count))
        return Heads(query, key, value, bias, count)
    first = torch.addmm(dense.bias[:width], x[:, 0], dense.weight[:width].t())
    others = torch.addmm(dense.bias[width:], rows, dense.weight[width:].t())
    key, value = split_heads(others, (batch, length, 2, count))
    return Heads(first.view(batch * count, 1, -1), key, value, bias, count)


def project_backward(
    x: Tensor, d_heads: Heads, d_total: Tensor, plan: Plan
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the gradient of the input, and of the three weights and biases of `project`.

    Parameters
    ----------
    x
        The input (B, L, D).
    d_heads
        The gradients of its queries, keys and values.
    d_total
        The gradient that reaches the input past the attention, (B * L, D) or (B, D).
    plan
        As in `project`.
    """
    dense, width, rows = plan.weights.projection, x.shape[-1], x.view(-1, x.shape[-1])
    d_query, d_key, d_value = (d_heads.join(d) for d in (d_heads.query, d_heads.key, d_heads.value))
    if plan.first_only:
        d_first = linear_gradients(d_query, x[:, 0])
        d_rows = torch.cat([d_key, d_value], 1)
        d_x = torch.mm(d_rows, dense.weight[width:]).view(x.shape)
        d_x[:, 0] += torch.addmm(d_total, d_query, dense.weight[:width])
        d_others = linear_gradients(d_rows, rows)
        d_weight, d_bias = (torch.cat(pair) for pair in zip(d_first, d_others, strict=True))
    else:
        d_rows = torch.cat([d_query, d_key, d_value], 1)
        d_x = torch.addmm(d_total, d_rows, dense.weight).view(x.shape)
        d_weight, d_bias = linear_gradients(d_rows, rows)
    scale = plan.weights.query_scale
    gradients = []
    for part, factor in enumerate((scale, 1, 1)):  # of the query, whose weights were scaled
        place = slice(part * width, (part + 1) * width)
        gradients += [d_weight[place].float() * factor, d_bias[place].float() * factor]
    return d_x, tuple(gradients)
