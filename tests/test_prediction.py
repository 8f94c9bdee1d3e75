"""Predictions: aligned with their texts, untouched by padding, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from nbutils import batching
from nbutils.batching import encode_texts
from nbutils.checkpoints.loading import load_classifier, load_tokenizer
from nbutils.errors import NbutilsError
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
    monkeypatch.setattr(batching, "CPU_TOKENS", batch_tokens)
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


@contextmanager
def cramped(model: torch.nn.Module, *, most: int, single_fits: bool = True) -> Iterator[list[int]]:
    """Let forward passes of more than `most` padded tokens ask for memory that nobody has."""
    seen: list[int] = []

    def look(module: torch.nn.Module, inputs: object, given: dict[str, torch.Tensor]) -> None:
        seen.append(len(given["input_ids"]))
        if given["input_ids"].numel() > most and not (single_fits and seen[-1] == 1):
            torch.empty(1 << 60, dtype=torch.uint8)

    handle = model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cutting", [Cutting(32), Cutting(12, "chunks")])
def test_batches_that_do_not_fit_are_made_smaller_with_the_same_logits(
    tiny_bert: Path,
    model: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    cutting: Cutting,
    threads: int,
) -> None:
    monkeypatch.setattr(batching, "CPU_TOKENS", 800)
    encoded = encode_texts(TEXTS * 40, load_tokenizer(str(tiny_bert)), cutting=cutting)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        expected = predict_logits(model, encoded)
        with cramped(model, most=300) as seen:
            found = predict_logits(model, encoded)
    finally:
        torch.set_num_threads(before)
    assert found == pytest.approx(expected, abs=1e-5)
    assert len(np.unique(expected[:5].round(4), axis=0)) == 5  # a swapped row would be seen
    assert max(seen) > 20  # it did not fit,
    assert seen.count(1) < len(seen) / 2  # and was not taken apart to the last text


def test_text_that_fits_alone_is_predicted_alone(tiny_bert: Path, model: torch.nn.Module) -> None:
    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=Cutting(32))
    expected = predict_logits(model, encoded)
    with cramped(model, most=0) as seen:
        assert predict_logits(model, encoded) == pytest.approx(expected, abs=1e-5)
    assert seen.count(1) == len(TEXTS)


def test_single_text_that_does_not_fit_is_named_with_advice(
    tiny_bert: Path, model: torch.nn.Module
) -> None:
    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=Cutting(32))
    message = r"prediction: a single text of 12 tokens does not fit.*max_length.*fine_tune\.model"
    with cramped(model, most=11, single_fits=False), pytest.raises(NbutilsError, match=message):
        predict_logits(model, encoded)
    assert predict_logits(model, encoded).any()  # and the model can be used again


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("could not create a primitive", NbutilsError, "the error was: could not create a primi"),
        ("index out of range", RuntimeError, "^index out of range$"),  # no lack of memory
    ],
)
def test_what_an_error_of_a_prediction_said_is_told(
    tiny_bert: Path, model: torch.nn.Module, said: str, kind: type[Exception], told: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(said)

    encoded = encode_texts(TEXTS, load_tokenizer(str(tiny_bert)), cutting=Cutting(32))
    handle = model.register_forward_pre_hook(fail)
    with pytest.raises(kind, match=told):
        predict_logits(model, encoded)
    handle.remove()


def test_softmax_and_cross_entropy_are_those_of_torch() -> None:
    logits = np.random.default_rng(0).normal(size=(7, 3)) * 50
    labels = np.arange(7) % 3
    tensor = torch.from_numpy(logits)
    assert softmax(logits) == pytest.approx(tensor.softmax(1).numpy())
    expected = torch.nn.functional.cross_entropy(tensor, torch.from_numpy(labels))
    assert cross_entropy(logits, labels) == pytest.approx(float(expected))
