"""The feed-forward half of a layer: two linear maps around GELU, dropout, residual, norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import gelu

from nbutils.encoder.attention import Plan
from nbutils.encoder.linear import Residual, linear_gradients, normalise, normalise_backward


class FeedForward(Function):
    """(B, T, D) to (B, T, D); its parameters are `parameters_of(layer)[10:]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, plan: Plan, *parameters: Tensor) -> Tensor:
        """Return the normalised sum of the input and its transformation."""
        weights = plan.weights
        rows = x.reshape(-1, x.shape[-1])
        inner = weights.inner(rows)
        active = gelu(inner)
        branch = weights.output(active)
        residual = Residual.add(rows, branch, weights.hidden_dropout, plan.bits)
        output, mean, spread = normalise(residual.total, weights.output_norm)
        ctx.plan = plan
        ctx.save_for_backward(rows, inner, active, residual.total, residual.keep, mean, spread)
        return output.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the input and of the six parameters, those that are asked for."""
        weights, asked = ctx.plan.weights, ctx.needs_input_grad
        of_inner, of_output, of_norm = asked[2:4], asked[4:6], asked[6:]
        rows, inner, active, total, keep, *statistics = ctx.saved_tensors
        d_output = gradients[0].reshape(rows.shape)
        d_total, *d_norm = normalise_backward(
            d_output, total, statistics, weights.output_norm, of_norm
        )
        d_branch = Residual.branch_gradient(d_total, keep, weights.hidden_dropout)
        d_second = linear_gradients(d_branch, active, of_output)
        if not (asked[0] or any(of_inner)):
            return (None, None, None, None, *d_second, *d_norm)
        d_active = torch.mm(d_branch, weights.output.weight)
        d_inner = torch.ops.aten.gelu_backward(d_active, inner)
        d_first = linear_gradients(d_inner, rows, of_inner)
        d_x = None
        if asked[0]:
            d_x = d_total.addmm_(d_inner, weights.inner.weight).view(gradients[0].shape)
        return (d_x, None, *d_first, *d_second, *d_norm)
