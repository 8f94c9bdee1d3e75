"""Predictions: aligned with their texts, untouched by padding, in evaluation mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nbutils import prediction
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.params.cutting import Cutting
from nbutils.prediction import cross_entropy, evaluation_mode, predict_logits, softmax

TEXTS = ["good", "bad film " * 5, "a", "the plot is not fine and the actor dreadful", "music " * 9]


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    return load_classifier(str(tiny_bert), label_names=["a", "b", "c"])


@pytest.mark.parametrize("batch_tokens", [1, 16, 40, 8192])
def test_logits_stay_with_their_texts_under_every_batching(
    tiny_bert: Path, model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, batch_tokens: int
) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    alone = [
        predict_logits(model, encode_texts([text], tokenizer, cutting=Cutting(32)))[0]
        for text in TEXTS
    ]
    monkeypatch.setattr(prediction, "BATCH_TOKENS", batch_tokens)
    together = predict_logits(model, encode_texts(TEXTS, tokenizer, cutting=Cutting(32)))
    assert together == pytest.approx(np.array(alone), abs=1e-5)


@pytest.mark.parametrize("mode", [True, False])
def test_model_is_left_in_the_mode_it_was_found_in(
    tiny_bert: Path, model: torch.nn.Module, mode: bool
) -> None:
    model.train(mode)
    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=Cutting(32))
    first, again = (predict_logits(model, encoded) for _ in range(2))
    assert np.array_equal(first, again)  # dropout was off
    assert model.training is mode


def test_mode_is_restored_after_an_error(model: torch.nn.Module) -> None:
    model.train()
    with pytest.raises(RuntimeError, match="inside"), evaluation_mode(model):
        raise RuntimeError("inside")
    assert model.training
    assert torch.is_grad_enabled()


def test_softmax_and_cross_entropy_are_those_of_torch() -> None:
    logits = np.random.default_rng(0).normal(size=(7, 3)) * 50
    labels = np.arange(7) % 3
    tensor = torch.from_numpy(logits)
    assert softmax(logits) == pytest.approx(tensor.softmax(1).numpy())
    expected = torch.nn.functional.cross_entropy(tensor, torch.from_numpy(labels))
    assert cross_entropy(logits, labels) == pytest.approx(float(expected))
