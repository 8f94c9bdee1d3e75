"""Forward passes that do not fit are halved, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_training_api import without_dropout

import nbutils
from nbutils.batching import Encoded, split_passes
from nbutils.encoder.masks import DropoutBits
from nbutils.errors import NbutilsError
from nbutils.memory import is_out_of_memory
from nbutils.training import api, checkpointing
from nbutils.training.history import History
from nbutils.training.memory import halve_passes
from nbutils.training.watcher import Watcher

RECIPE = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-4, "max_length": 16}
LONGEST = 13  # tokens of a review
ERRORS = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    torch.cuda.OutOfMemoryError("CUDA out of memory."),
]


def cramp(monkeypatch: pytest.MonkeyPatch, *, most: int, error: Exception, layer: str) -> list[int]:
    """Let a layer of every model that is trained fail for more than `most` texts; note sizes."""
    seen: list[int] = []
    load = api.load_model

    def look(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if module.training:
            seen.append(len(output))
            if len(output) > most and layer == "forward":
                raise error
            if len(output) > most:
                output.register_hook(fail)
        return output

    def fail(_: torch.Tensor) -> None:
        raise error

    def load_cramped(*arguments: Any) -> Any:
        loaded = load(*arguments)
        loaded.model.get_submodule("bert.pooler").register_forward_hook(look)
        return loaded

    monkeypatch.setattr(api, "load_model", load_cramped)
    return seen


def train(model: Path, reviews: pd.DataFrame, **changes: object) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(texts, labels, **{**RECIPE, "model": str(model), **changes})


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("layer", ["forward", "backward"])
def test_pass_that_does_not_fit_is_halved_with_the_same_result(
    tiny_bert: Path,
    tmp_path: Path,
    reviews: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    layer: str,
) -> None:
    model = without_dropout(tiny_bert, tmp_path)
    whole = train(model, reviews.iloc[:77], precision="fp32")
    seen = cramp(monkeypatch, most=5, error=error, layer=layer)
    parts = train(model, reviews.iloc[:77], precision="fp32")
    history = parts.history
    assert history.batch_tokens == 4 * LONGEST
    assert seen[:6] == [16, 8, 4, 4, 4, 4]
    assert max(seen[2:]) == 4  # it does not try again
    assert [note.split(";")[0] for note in history.notes] == [
        f"step 1: {texts} texts ({texts * LONGEST} tokens with padding) in one forward pass did "
        "not fit into memory"
        for texts in (16, 8)
    ]
    assert history.losses == pytest.approx(whole.history.losses, rel=1e-4)
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(tensor, parts.model.state_dict()[name], atol=1e-4, rtol=1e-3)


# Of passes of 6, 6 and 4 texts. The last is smaller than what did fit: it is tried again once.
@pytest.mark.parametrize(("failing", "left"), [([2], 3), ([3], 6), ([3, 6], 2)])
def test_gradients_of_passes_that_did_fit_do_not_count_twice(
    tiny_bert: Path,
    tmp_path: Path,
    reviews: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    failing: list[int],
    left: int,
) -> None:
    split = {"batch_tokens": 6 * LONGEST, "epochs": 1, "precision": "fp32"}
    model = without_dropout(tiny_bert, tmp_path)
    whole = train(model, reviews, **split)
    fail(monkeypatch, at=failing)
    parts = train(model, reviews, **split)
    assert parts.history.batch_tokens == left * LONGEST
    assert parts.history.losses == pytest.approx(whole.history.losses, rel=1e-4)
    norms = [run.history.train["gradient_norm"].tolist() for run in (parts, whole)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_single_text_is_tried_again_once(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny_bert, reviews, batch_tokens=1, max_steps=2)
    fail(monkeypatch, at=[3])
    parts = train(tiny_bert, reviews, batch_tokens=1, max_steps=2)
    assert parts.history.losses == whole.history.losses
    assert not parts.history.notes


def fail(monkeypatch: pytest.MonkeyPatch, *, at: list[int]) -> None:
    """Let forward passes of a training, counted from 1, ask for memory that nobody has."""
    load, seen = api.load_model, []

    def look(*_: Any) -> None:
        seen.append(None)
        if len(seen) in at:
            torch.empty(1 << 60, dtype=torch.uint8)

    def load_cramped(*arguments: Any) -> Any:
        loaded = load(*arguments)
        loaded.model.get_submodule("bert.pooler").register_forward_hook(look)
        return loaded

    monkeypatch.setattr(api, "load_model", load_cramped)


def test_each_pass_of_each_step_has_masks_of_its_own(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[tuple[int, ...]] = []
    begin = DropoutBits.begin

    def note(self: DropoutBits, *place: int) -> None:
        places.append(place)
        begin(self, *place)

    monkeypatch.setattr(DropoutBits, "begin", note)
    train(tiny_bert, reviews.iloc[:32], batch_tokens=5 * LONGEST, epochs=2)
    passes = places[1:]  # the first is the source's own
    assert passes == [(step, start) for step in range(4) for start in (0, 5, 10, 15)]


def test_optimiser_that_does_not_fit_says_what_to_train_less(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr(torch.optim.AdamW, "step", fail)
    with pytest.raises(NbutilsError, match=r"optimiser's moments.*fine_tune.lora_rank"):
        train(tiny_bert, reviews)


@pytest.mark.parametrize(
    "saying",
    [
        "std::bad_alloc",
        "could not create a memory object",
        "could not create a primitive",
        "CUBLAS_STATUS_ALLOC_FAILED when",
        "unable to mmap 90864192 bytes from file </m>: Cannot allocate memory (12)",
    ],
)
def test_other_libraries_say_it_in_other_words(saying: str) -> None:
    assert is_out_of_memory(RuntimeError(saying))


def test_other_complaints_are_not_taken_for_it() -> None:
    for saying in ("could not create a primitive descriptor iterator", "shapes do not match"):
        assert not is_out_of_memory(RuntimeError(saying))


def test_shorter_texts_keep_their_larger_passes() -> None:
    lengths = [64] * 5 + [8] * 40
    encoded = Encoded([np.ones(length, np.int64) for length in lengths], None, 0)
    history, long, short = History(), np.arange(5), np.arange(5, 45)
    halve_passes(history, texts=5, tokens=encoded.padded_tokens(long), shortage="")
    passes = [
        [len(part) for part in split_passes(encoded, rows, texts=64, tokens=history.batch_tokens)]
        for rows in (long, short)
    ]
    assert history.batch_tokens == 160
    assert passes == [[2, 2, 1], [20, 20]]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), r"fine_tune\.model$"),
        (
            RuntimeError("could not create a primitive"),
            r"\(the error was: could not .* primitive\)$",
        ),
    ],
)
def test_single_text_that_does_not_fit_ends_it_with_advice(
    tiny_bert: Path,
    reviews: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: str,
) -> None:
    cramp(monkeypatch, most=0, error=error, layer="forward")
    with pytest.raises(
        NbutilsError, match=rf"step 1: a single text of 13 tokens does not fit.*max_length.*{told}"
    ):
        train(tiny_bert, reviews)


def test_other_errors_are_not_taken_for_it(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))
    cramp(monkeypatch, most=5, error=RuntimeError("index out of range"), layer="forward")
    with pytest.raises(RuntimeError, match="index out of range"):
        train(tiny_bert, reviews)


def test_validation_that_does_not_fit_costs_no_training(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = reviews.iloc[50:]
    validation = (rest["text"].tolist(), rest["label"].tolist())
    whole = train(tiny_bert, reviews.iloc[:50], validation=validation)
    load, seen = api.load_model, []

    def look(module: torch.nn.Module, inputs: Any, given: Any) -> None:
        seen.append((module.training, len(given["input_ids"])))
        if not module.training and len(given["input_ids"]) > 7:
            torch.empty(1 << 60, dtype=torch.uint8)  # the real error: nobody has that much

    def load_cramped(*arguments: Any) -> Any:
        loaded = load(*arguments)
        loaded.model.register_forward_pre_hook(look, with_kwargs=True)
        return loaded

    monkeypatch.setattr(api, "load_model", load_cramped)
    cramped = train(tiny_bert, reviews.iloc[:50], validation=validation)
    assert (False, 30) in seen  # tried,
    assert (False, 7) in seen  # and made smaller
    assert cramped.history.losses == whole.history.losses
    assert cramped.history.batch_tokens == whole.history.batch_tokens
    for ours, theirs in zip(cramped.history.validations, whole.history.validations, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
    texts = reviews["text"].tolist()
    difference = cramped.predict(texts).pred_probs - whole.predict(texts).pred_probs
    assert abs(difference).max() < 1e-2


class Cut(Watcher):
    """A watcher that ends the training at a step, as a power cut would."""

    def on_step(self, history: History) -> None:
        if len(history.steps) == 6:
            raise RuntimeError("power cut")

    def on_validation(self, history: History) -> None:
        pass


def test_halved_training_goes_on_bit_for_bit(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    seen = cramp(monkeypatch, most=8, error=MemoryError(), layer="forward")
    whole = train(tiny_bert, reviews)
    folder = tmp_path / "states"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, checkpoint_dir=folder, watcher=Cut())
    seen.clear()
    resumed = train(tiny_bert, reviews, checkpoint_dir=folder)
    assert set(seen) == {8}  # what is known is not tried again
    assert resumed.history.notes == whole.history.notes
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, whole.model.state_dict()[name]), name
