"""The weights of one encoder layer, found in a transformers module and cast for a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

LOG2_E = math.log2(math.e)


@dataclass(frozen=True)
class Dense:
    """A linear map: `weight` (outputs, inputs) and `bias` (outputs)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return x (N, inputs) times the weight, plus the bias: (N, outputs)."""
        if x.dtype == torch.bfloat16 and adds_bias_in_product():
            product = torch.ops.mkldnn._linear_pointwise
            found: Tensor = product(x, self.weight, self.bias, "none", [], "")
            return found
        return torch.addmm(self.bias, x, self.weight.t())

    def part(self, rows: slice) -> Dense:
        """Return the map to some of the outputs."""
        return Dense(self.weight[rows], self.bias[rows])


@dataclass(frozen=True)
class Norm:
    """A layer normalisation over D values."""

    weight: Tensor
    bias: Tensor
    eps: float


@dataclass(frozen=True)
class LayerWeights:
    """One layer, width D, `heads` heads, inner width I, matrices in the type of the arithmetic.

    `projection` (3D, D) makes queries, keys and values at once. Its first D rows hold the queries
    times `query_scale`, so that scores come out ready for a power of two.
    """

    heads: int
    query_scale: float
    attention_dropout: float
    hidden_dropout: float
    projection: Dense
    attention_output: Dense
    attention_norm: Norm
    inner: Dense
    output: Dense
    output_norm: Norm


@cache
def adds_bias_in_product() -> bool:
    """Return whether oneDNN's product with a bias is at hand for bf16, as torch's compiler uses it.

    `torch.addmm` writes the bias into every row first, which takes a sixth of the product's time.
    """
    x = torch.ones(1, 2, dtype=torch.bfloat16)
    try:
        found = torch.ops.mkldnn._linear_pointwise(x, x, x[:, 0], "none", [], "")
    except (AttributeError, RuntimeError, TypeError):  # no oneDNN, no bf16, or another signature
        return False
    return bool(torch.equal(found, torch.full((1, 1), 3.0, dtype=x.dtype)))


def is_supported(layer: nn.Module) -> bool:
    """Return whether a module is built as BERT's layer is, and nothing else."""
    try:
        attention, inner = layer.attention.self, layer.intermediate  # type: ignore[union-attr]
        modules = linear_modules(layer)
        activation = inner.intermediate_act_fn  # type: ignore[union-attr]
        known = isinstance(activation, nn.GELU) or type(activation).__name__ == "GELUActivation"
        plain = not getattr(layer, "add_cross_attention", False)
        chunked = getattr(layer, "chunk_size_feed_forward", 0)
        position = getattr(attention, "position_embedding_type", None) or "absolute"
        whole = all(type(module) is nn.Linear and module.bias is not None for module in modules)
        return known and plain and not chunked and position == "absolute" and whole
    except AttributeError:
        return False


def linear_modules(layer: Any) -> list[nn.Module]:
    """Return the six linear maps of a layer."""
    attention = layer.attention.self
    first = [attention.query, attention.key, attention.value, layer.attention.output.dense]
    return [*first, layer.intermediate.dense, layer.output.dense]


def parameters_of(layer: Any) -> list[nn.Parameter]:
    """Return the parameters of a layer: ten of its attention, then six of its feed-forward part."""
    attention, after = layer.attention.self, layer.attention.output
    modules = [
        *(attention.query, attention.key, attention.value, after.dense, after.LayerNorm),
        *(layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm),
    ]
    return [parameter for module in modules for parameter in (module.weight, module.bias)]


def cast_layer(layer: Any, dtype: torch.dtype) -> LayerWeights:
    """Return a layer's weights, detached, with matrices and their biases in `dtype`."""
    attention, after = layer.attention.self, layer.attention.output
    heads = attention.num_attention_heads
    scale = LOG2_E * (attention.query.out_features // heads) ** -0.5
    return LayerWeights(
        heads=heads,
        query_scale=scale,
        attention_dropout=attention.dropout.p,
        hidden_dropout=layer.output.dropout.p,
        projection=_join(attention, scale, dtype),
        attention_output=_dense(after.dense, dtype),
        attention_norm=_norm(after.LayerNorm),
        inner=_dense(layer.intermediate.dense, dtype),
        output=_dense(layer.output.dense, dtype),
        output_norm=_norm(layer.output.LayerNorm),
    )


def _join(attention: Any, scale: float, dtype: torch.dtype) -> Dense:
    query, key, value = (attention.query, attention.key, attention.value)
    weights = [query.weight.detach() * scale, key.weight.detach(), value.weight.detach()]
    biases = [query.bias.detach() * scale, key.bias.detach(), value.bias.detach()]
    return Dense(torch.cat(weights).to(dtype), torch.cat(biases).to(dtype))


def _dense(module: Any, dtype: torch.dtype) -> Dense:
    return Dense(module.weight.detach().to(dtype), module.bias.detach().to(dtype))


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach(), module.bias.detach(), module.eps)
