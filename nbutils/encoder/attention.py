"""Self-attention with its output projection, dropout, residual and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from nbutils.encoder.heads import Heads, split_heads
from nbutils.encoder.linear import (
    Residual,
    joint_gradients,
    linear_gradients,
    normalise,
    normalise_backward,
)
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
        """Return the gradients of the input and of the ten parameters, those that are asked for."""
        plan: Plan = ctx.plan
        heads: Heads = ctx.heads
        weights, asked = plan.weights, ctx.needs_input_grad
        x, gathered, total, keep, *statistics = ctx.saved_tensors
        d_output = gradients[0].reshape(total.shape)
        d_total, *d_norm = normalise_backward(
            d_output, total, statistics, weights.attention_norm, asked[10:]
        )
        d_branch = Residual.branch_gradient(d_total, keep, weights.hidden_dropout)
        d_after = linear_gradients(d_branch, gathered, asked[8:10])
        ctx.heads = None  # its memory is of use to the layers below
        if not any(asked[:8]):
            return (*[None] * 8, *d_after, *d_norm)
        d_gathered = torch.mm(d_branch, weights.attention_output.weight)
        d_products = heads.attend_backward(heads.split(d_gathered), heads.split(gathered))
        del heads
        d_projection = projection_gradients(x, d_products, plan, asked[2:8])
        d_x = input_gradient(x, d_products, d_total, plan) if asked[0] else None
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
        return Heads(query, key, value, bias, count=count, first_only=False)
    first, others = dense.part(slice(width))(x[:, 0]), dense.part(slice(width, None))(rows)
    key, value = split_heads(others, (batch, length, 2, count))
    query = first.view(batch * count, 1, -1)
    return Heads(query, key, value, bias, count=count, first_only=True)


def input_gradient(x: Tensor, d_products: list[Tensor], d_total: Tensor, plan: Plan) -> Tensor:
    """Return the gradient of the input of `project`.

    Parameters
    ----------
    x
        The input (B, L, D).
    d_products
        The gradients of its results, as `Heads.attend_backward` returns them.
    d_total
        The gradient that reaches the input past the attention, (B * L, D) or (B, D); it becomes
        part of the result.
    plan
        As in `project`.
    """
    weight, width = plan.weights.projection.weight, x.shape[-1]
    if not plan.first_only:
        return d_total.addmm_(d_products[0], weight).view(x.shape)
    d_query, d_others = d_products
    d_x = torch.mm(d_others, weight[width:]).view(x.shape)
    d_x[:, 0] += torch.addmm(d_total, d_query, weight[:width])
    return d_x


def projection_gradients(
    x: Tensor, d_products: list[Tensor], plan: Plan, wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of the three weights and biases of `project`.

    Parameters
    ----------
    x, d_products, plan
        As for `input_gradient`.
    wanted
        Which of the six are asked for.
    """
    rows = x.view(-1, x.shape[-1])
    if plan.first_only:
        d_query, d_others = d_products
        found = joint_gradients(d_query, x[:, 0], wanted[:2])
        found += joint_gradients(d_others, rows, wanted[2:])
    else:
        found = joint_gradients(d_products[0], rows, wanted)
    scale = plan.weights.query_scale  # of the query, whose weights were scaled
    factors = (scale, scale, 1, 1, 1, 1)
    return [
        None if gradient is None else gradient.float() * factor
        for gradient, factor in zip(found, factors, strict=True)
    ]
