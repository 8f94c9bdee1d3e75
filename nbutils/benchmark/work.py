"""Floating-point operations of an optimiser step, counted on paper.

A product of an (n, k) with a (k, m) matrix is 2 n k m operations: a multiplication and an addition
each. Only matrix products count; normalisation, GELU, dropout and the optimiser do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What the functions below compute, for readers of the report.
FORMULAS = {
    "letters": "B texts, L tokens of each, width D, inner width I, K classes, N layers",
    "linear maps of a layer, forward": "2 B L (4 D² + 2 D I)",
    "attention of a layer, forward": "4 B L² D",
    "pooler and classifier, forward": "2 B (D² + D K)",
    "backward": "twice the forward pass: a gradient for either factor of each product",
    "nominal": "forward and backward of N layers, pooler and classifier",
    "performed by nbutils": "N - 1 layers, each with 2 B L² D more for the scores computed again; "
    "of the last layer 3 · 2 B (2 D² + 2 D I) for the first tokens, 3 · 4 B L D² for keys and "
    "values of all, 14 B L D for attention; pooler and classifier",
}


@dataclass(frozen=True)
class Size:
    """The size of a model and of a batch.

    Attributes
    ----------
    layers, width, inner, classes
        Of a BERT with a pooler and a linear classifier.
    batch, length
        Texts, and tokens of each.
    """

    layers: int
    width: int
    inner: int
    classes: int
    batch: int
    length: int

    @classmethod
    def of(cls, config: Any, *, batch: int, length: int) -> Size:
        """Return the size of a model of that configuration, with a batch."""
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            inner=config.intermediate_size,
            classes=config.num_labels,
            batch=batch,
            length=length,
        )


def nominal_work(size: Size) -> int:
    """Return the operations of a step as the model is defined: all layers for all tokens."""
    tokens = size.batch * size.length
    linear = 2 * tokens * (4 * size.width**2 + 2 * size.width * size.inner)
    attention = 4 * tokens * size.length * size.width
    return 3 * (size.layers * (linear + attention) + _head(size))


def performed_work(size: Size) -> int:
    """Return the operations of a step that our encoder really performs.

    The last layer computes the first token alone: its keys and values are made of all tokens, all
    else of one. The backward pass computes the scores once more instead of keeping them, a product
    of 2 B L^2 D operations in each full layer and 2 B L D in the last.
    """
    tokens, width, length = size.batch * size.length, size.width, size.length
    linear = 2 * tokens * (4 * width**2 + 2 * width * size.inner)
    full = 3 * linear + 14 * tokens * length * width
    one_token = 2 * size.batch * (2 * width**2 + 2 * width * size.inner)
    keys_and_values = 2 * tokens * 2 * width**2
    last = 3 * (one_token + keys_and_values) + 14 * size.batch * length * width
    return (size.layers - 1) * full + last + 3 * _head(size)


def _head(size: Size) -> int:
    return 2 * size.batch * (size.width**2 + size.width * size.classes)
