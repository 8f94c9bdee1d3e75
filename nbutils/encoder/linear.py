"""The pieces around a layer's matrix products: residual sums, dropout, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nbutils.encoder.masks import DropoutBits, drop_, kept_scale
from nbutils.encoder.weights import Norm

Wanted = tuple[bool, bool]


@dataclass(frozen=True)
class Residual:
    """The sum of a layer's input and its branch after dropout, and the mask; None: no dropout."""

    total: Tensor
    keep: Tensor | None

    @classmethod
    def add(cls, rows: Tensor, branch: Tensor, p: float, bits: DropoutBits | None) -> Residual:
        """Return rows (N, D) plus branch (N, D), which is changed in place."""
        if bits is None or p == 0:
            return cls(branch.add_(rows), None)
        keep = bits.keep(branch.shape, p)
        total = torch.add(rows, drop_(branch, keep), alpha=kept_scale(p))
        return cls(total, keep)

    @staticmethod
    def branch_gradient(d_total: Tensor, keep: Tensor | None, p: float) -> Tensor:
        """Return the gradient of the branch for that of the total."""
        return d_total if keep is None else drop_(d_total * kept_scale(p), keep)


def normalise(rows: Tensor, norm: Norm) -> tuple[Tensor, Tensor, Tensor]:
    """Return the layer normalisation of rows (N, D), their means and inverse deviations."""
    return torch.native_layer_norm(rows, rows.shape[-1:], norm.weight, norm.bias, norm.eps)


def normalise_backward(
    d_output: Tensor,
    rows: Tensor,
    statistics: tuple[Tensor, Tensor],
    norm: Norm,
    wanted: Wanted = (True, True),
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the gradients of the rows, the weight and the bias of `normalise`.

    Parameters
    ----------
    d_output
        The gradient of its result.
    rows, norm
        Its input.
    statistics
        The means and inverse deviations that it returned.
    wanted
        Which gradients are asked for, of weight and bias.
    """
    backward = torch.ops.aten.native_layer_norm_backward
    found: tuple[Tensor, Tensor | None, Tensor | None] = backward(
        d_output, rows, rows.shape[-1:], *statistics, norm.weight, norm.bias, [True, *wanted]
    )
    return found


def linear_gradients(
    d_output: Tensor, rows: Tensor, wanted: Wanted = (True, True)
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of the weight (outputs, inputs) and the bias of a linear map.

    Parameters
    ----------
    d_output
        The gradient of its result, (N, outputs).
    rows
        Its input, (N, inputs).
    wanted
        Which gradients are asked for: what is frozen costs nothing.
    """
    of_weight, of_bias = wanted
    d_weight = torch.mm(d_output.t(), rows) if of_weight else None
    return d_weight, d_output.sum(0) if of_bias else None


def joint_gradients(d_output: Tensor, rows: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
    """Return `linear_gradients` of maps that read the same rows: weight, bias, weight, bias ...

    Parameters
    ----------
    d_output
        The gradients of their results side by side, each as wide as the rows, (N, maps * D).
    rows
        Their input, (N, D).
    wanted
        Which gradients are asked for, two for each map.
    """
    width = rows.shape[-1]
    if all(wanted):  # one product, which is faster than one for each map
        d_weights = torch.split(torch.mm(d_output.t(), rows), width)
        d_biases = torch.split(d_output.sum(0), width)
        return [d for pair in zip(d_weights, d_biases, strict=True) for d in pair]
    parts = torch.split(d_output, width, 1)
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return [
        d for part, own in zip(parts, pairs, strict=True) for d in linear_gradients(part, rows, own)
    ]
