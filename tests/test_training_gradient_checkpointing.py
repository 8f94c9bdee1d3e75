"""Activations that are computed twice change the memory and not the result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from test_training_api import without_dropout

import nbutils
from nbutils.training import api, checkpointing, preparing
from nbutils.training.history import History
from nbutils.training.watcher import Watcher

RECIPE = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-4, "max_length": 16}


def train(model: Path, reviews: pd.DataFrame, **changes: object) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        **{**RECIPE, "model": str(model), "gradient_checkpointing": True, **changes},
    )


def test_each_layer_is_computed_twice_a_step_and_not_afterwards(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[bool] = []
    load = api.load_model

    def load_watched(*arguments: Any) -> Any:
        loaded = load(*arguments)
        layer = loaded.model.get_submodule("bert.encoder.layer.1.intermediate")
        layer.register_forward_hook(lambda module, *_: passes.append(module.training))
        return loaded

    monkeypatch.setattr(api, "load_model", load_watched)
    classifier = train(tiny_bert, reviews, max_steps=3)
    assert passes.count(True) == 2 * 3
    assert not classifier.model.is_activation_checkpointing


def test_nothing_is_said_of_a_cache_that_nobody_asked_for(tiny_bert: Path, tmp_path: Path) -> None:
    code = (
        "import nbutils\n"
        f"made = nbutils.fine_tune(['a good film', 'a bad film'] * 4, [1, 0] * 4, epochs=1, "
        f"model={str(tiny_bert)!r}, max_length=16, gradient_checkpointing=True)\n"
        "assert getattr(made.model.config, 'use_cache', True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_result_is_that_of_our_encoder_but_for_rounding(
    tiny_bert: Path, tmp_path: Path, reviews: pd.DataFrame, precision: str
) -> None:
    model = without_dropout(tiny_bert, tmp_path)
    twice, once = (
        train(model, reviews, gradient_checkpointing=twice, precision=precision).history.losses
        for twice in (True, False)
    )
    assert twice == pytest.approx(once, rel=1e-4 if precision == "fp32" else 2e-2)


def test_second_computation_drops_what_the_first_one_dropped(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = train(tiny_bert, reviews, precision="fp32")
    monkeypatch.setattr(preparing, "_use_checkpointing", lambda model: None)
    once = train(tiny_bert, reviews, precision="fp32")
    assert twice.history.losses == once.history.losses
    for name, tensor in twice.model.state_dict().items():
        assert torch.equal(tensor, once.model.state_dict()[name]), name


class Cut(Watcher):
    """A watcher that ends the training at a step, as a power cut would."""

    def on_step(self, history: History) -> None:
        if len(history.steps) == 11:
            raise RuntimeError("power cut")

    def on_validation(self, history: History) -> None:
        pass


def test_it_goes_on_bit_for_bit(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    whole = train(tiny_bert, reviews)
    folder = tmp_path / "states"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, checkpoint_dir=folder, watcher=Cut())
    torch.manual_seed(999)  # what another process would have
    resumed = train(tiny_bert, reviews, checkpoint_dir=folder)
    assert resumed.history.losses == whole.history.losses
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, whole.model.state_dict()[name]), name
