"""An embedding whose gradient costs what its batch costs, not what its vocabulary does.

torch fills a gradient of the whole table for every backward pass: half of BERT's parameters, of
which a batch touches a few hundred rows. Here the rows are added to one table that stays, and
cleared again after the step. The optimiser sees the same dense gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function


class RowEmbedding(nn.Module):
    """Stands in for an `nn.Embedding` while a model is trained, and shares its weight.

    Parameters
    ----------
    embedding
        The original.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight = embedding.weight
        self.padding_idx = embedding.padding_idx
        self._original: list[nn.Embedding] = [embedding]
        self._table: Tensor | None = None
        self._touched: list[Tensor] = []

    @property
    def original(self) -> nn.Embedding:
        """The embedding that this one stands in for."""
        return self._original[0]

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings (..., D) of token ids (...)."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return self.weight[ids]
        found: Tensor = _Lookup.apply(self.weight, ids, self)  # type: ignore[no-untyped-call]
        return found

    def add_gradient(self, ids: Tensor, gradient: Tensor) -> None:
        """Add the gradients (N, D) of the embeddings of token ids (N,) to that of the weight."""
        if self._table is None:
            self._table = torch.zeros_like(self.weight)
        self._touched.append(ids)  # first: what fails halfway, out of memory, can still be cleared
        self._table.index_add_(0, ids, gradient.to(self._table.dtype))
        if self.padding_idx is not None:  # it never learns
            self._table[self.padding_idx] = 0
        self.weight.grad = self._table

    @property
    def touched(self) -> Tensor:
        """The rows of the weight that have a gradient, some more than once, shape (N,)."""
        return torch.cat(self._touched) if self._touched else torch.empty(0, dtype=torch.int64)

    def clear(self) -> None:
        """Make the gradient zero again, after a step."""
        if self._table is not None:
            self._table.index_fill_(0, self.touched, 0.0)
        self._touched.clear()
        self.weight.grad = None


class _Lookup(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, embedding: RowEmbedding) -> Tensor:
        ctx.ids, ctx.embedding = ids, embedding
        return weight[ids]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        (gradient,) = gradients
        ctx.embedding.add_gradient(ctx.ids.reshape(-1), gradient.reshape(-1, gradient.shape[-1]))
        return None, None, None


def use_row_embedding(model: Any) -> RowEmbedding | None:
    """Put a `RowEmbedding` into a model on a CPU, where its token embedding is a plain one."""
    embedding = model.get_input_embeddings()
    if model.device.type != "cpu" or type(embedding) is not nn.Embedding:
        return None
    if embedding.max_norm is not None or embedding.scale_grad_by_freq or embedding.sparse:
        return None
    replacement = RowEmbedding(embedding)
    model.set_input_embeddings(replacement)
    return replacement


def restore_embedding(model: Any) -> None:
    """Give a model its own token embedding back."""
    embedding = model.get_input_embeddings()
    if isinstance(embedding, RowEmbedding):
        embedding.clear()
        model.set_input_embeddings(embedding.original)
