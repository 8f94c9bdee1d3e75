"""The embedding that learns by rows, and the step that clips while it reads."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from nbutils.checkpoints.loading import load_classifier
from nbutils.training.embedding import RowEmbedding, restore_embedding, use_row_embedding
from nbutils.training.optimizer import gradient_norm, step_clipped

IDS = torch.tensor([[2, 5, 5, 0], [7, 5, 2, 0]])


def test_gradient_is_that_of_the_original() -> None:
    torch.manual_seed(0)
    original = nn.Embedding(9, 4, padding_idx=0)
    rows = RowEmbedding(copy.deepcopy(original))
    target = torch.randn(2, 4, 4)
    for _ in range(2):  # accumulated
        (original(IDS) * target).sum().backward()
        (rows(IDS) * target).sum().backward()
    assert torch.equal(rows(IDS), original(IDS))
    torch.testing.assert_close(rows.weight.grad, original.weight.grad)
    assert set(rows.touched.tolist()) == {0, 2, 5, 7}
    rows.clear()
    assert rows.weight.grad is None
    original.zero_grad()
    (original(IDS[:1]) * target[:1]).sum().backward()
    (rows(IDS[:1]) * target[:1]).sum().backward()
    torch.testing.assert_close(rows.weight.grad, original.weight.grad)  # nothing old is left


def test_frozen_embedding_stays_frozen() -> None:
    rows = RowEmbedding(nn.Embedding(9, 4))
    rows.weight.requires_grad_(False)
    assert not rows(IDS).requires_grad


def test_model_gets_its_own_embedding_back(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"])
    original, names = model.get_input_embeddings(), list(model.state_dict())
    assert use_row_embedding(model) is model.get_input_embeddings()
    assert list(model.state_dict()) == names
    restore_embedding(model)
    assert model.get_input_embeddings() is original


@pytest.mark.parametrize("max_norm", [0.01, 1e6])
def test_clipped_step_is_clipping_and_then_a_step(tiny_bert: Path, max_norm: float) -> None:
    stock = load_classifier(str(tiny_bert), label_names=["a", "b"]).eval()
    ours = copy.deepcopy(stock)
    use_row_embedding(ours)
    optimizers = [torch.optim.AdamW(m.parameters(), lr=1e-2, fused=True) for m in (stock, ours)]
    for _ in range(3):
        for model in (stock, ours):
            model(input_ids=IDS, labels=torch.tensor([0, 1])).loss.backward()
        expected = float(nn.utils.clip_grad_norm_(stock.parameters(), max_norm))
        optimizers[0].step()
        optimizers[0].zero_grad()
        norm = gradient_norm(ours)
        assert norm == pytest.approx(expected, rel=1e-5)
        step_clipped(optimizers[1], norm, max_norm=max_norm)
        ours.get_input_embeddings().clear()
        optimizers[1].zero_grad()
    for mine, theirs in zip(ours.parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
