"""The pieces around a layer's matrix products: residual sums, dropout, normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nbutils.encoder.masks import DropoutBits, drop_, kept_scale
from nbutils.encoder.weights import Norm


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
    d_output: Tensor, rows: Tensor, mean: Tensor, spread: Tensor, norm: Norm
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the rows, the weight and the bias of `normalise`."""
    backward = torch.ops.aten.native_layer_norm_backward
    found: tuple[Tensor, Tensor, Tensor] = backward(
        d_output, rows, rows.shape[-1:], mean, spread, norm.weight, norm.bias, [True] * 3
    )
    return found


def linear_gradients(d_output: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of the weight (outputs, inputs) and the bias of a linear map."""
    return torch.mm(d_output.t(), rows), d_output.sum(0)
