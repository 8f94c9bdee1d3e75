"""Our dropout against torch's: same law, seeded, and gone when training is over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nbutils.checkpoints.loading import load_classifier
from nbutils.encoder.masks import DropoutBits
from nbutils.training.dropout import (
    ATTENTION_NAME,
    FastDropout,
    masked_attention,
    restore_dropout,
    scaled_mask,
    use_fast_dropout,
)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mask_keeps_the_expectation(p: float, dtype: torch.dtype) -> None:
    mask = scaled_mask(DropoutBits(0), torch.empty(1001, 999, dtype=dtype), p)
    assert float(mask.float().mean()) == pytest.approx(1, abs=0.01)
    assert mask.dtype == dtype
    assert mask.float().unique().numel() == 2


def test_evaluation_drops_nothing() -> None:
    layer = FastDropout(0.5, DropoutBits(0)).eval()
    x = torch.ones(8)
    assert layer(x) is x


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_torchs_own_where_nothing_is_dropped(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 8, dtype=dtype, requires_grad=True) for _ in "qkv")
    mask = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    mask[1, :, :, 4:] = False
    module = nn.Module().train()
    ours, _ = masked_attention(module, query, key, value, mask)
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    close = {"atol": 1e-6, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 2e-2, "rtol": 2e-2}
    torch.testing.assert_close(ours, theirs.transpose(1, 2), **close)
    gradients = torch.autograd.grad(ours.float().pow(2).sum(), (query, key, value))
    expected = torch.autograd.grad(theirs.float().pow(2).sum(), (query, key, value))
    for mine, reference in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, reference, atol=close["atol"] * 5, rtol=close["rtol"] * 5)


def test_dropped_attention_weights_keep_the_expectation() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 1, 6, 8) for _ in "qkv")
    module = nn.Module().train()
    module.bits = DropoutBits(0)
    mean = torch.stack(
        [masked_attention(module, query, key, value, None, dropout=0.3)[0] for _ in range(4000)]
    ).mean(0)
    whole, _ = masked_attention(module.eval(), query, key, value, None, dropout=0.3)
    torch.testing.assert_close(mean, whole, atol=0.05, rtol=0.05)


def test_model_is_plain_again_afterwards(tiny_bert: Path) -> None:
    model = load_classifier(str(tiny_bert), label_names=["a", "b"])
    before = {name: type(module) for name, module in model.named_modules()}
    inputs = {
        "input_ids": torch.tensor([[2, 5, 3, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 0]]),
    }
    expected = model.eval()(**inputs).logits
    use_fast_dropout(model, 0)
    assert model.config._attn_implementation == ATTENTION_NAME
    assert any(type(module) is FastDropout for module in model.modules())
    torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
    restore_dropout(model)
    assert {name: type(module) for name, module in model.named_modules()} == before
    assert model.config._attn_implementation == "sdpa"
    assert not any(hasattr(module, "bits") for module in model.modules())
