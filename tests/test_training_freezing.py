"""What stays as pretrained, and which learning rate reaches which layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
)

import nbutils
from nbutils.checkpoints.checks import check_layers
from nbutils.checkpoints.loading import load_classifier
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training import checkpointing
from nbutils.training.freezing import find_levels, freeze_layers, rate_scales
from nbutils.training.history import History
from nbutils.training.preparing import ready_to_train
from nbutils.training.watcher import Watcher

SMALL = {"vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
CONFIGS = {
    "bert": BertConfig(num_hidden_layers=3, **SMALL),
    "roberta": RobertaConfig(num_hidden_layers=3, **SMALL),
    "electra": ElectraConfig(num_hidden_layers=3, embedding_size=8, **SMALL),
    "distilbert": DistilBertConfig(vocab_size=40, dim=16, n_layers=3, n_heads=2, hidden_dim=16),
}
RECIPE = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "max_length": 16}
pytestmark = pytest.mark.filterwarnings("ignore:learning_rate")


def build(kind: str) -> Any:
    return AutoModelForSequenceClassification.from_config(CONFIGS[kind])


def train(model: Path, reviews: pd.DataFrame, **changes: object) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(texts, labels, **{**RECIPE, "model": str(model), **changes})


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_architecture_has_embeddings_layers_and_a_head(kind: str) -> None:
    levels = find_levels(build(kind), reason="freeze_layers")
    at: dict[int, list[str]] = {}
    for name, level in levels.items():
        at.setdefault(level, []).append(name)
    assert sorted(at) == [0, 1, 2, 3, 4]
    assert all("embeddings" in name for name in at[0])
    for k in (1, 2, 3):
        assert all(f"layer.{k - 1}." in name for name in at[k])
    assert all(word not in name for name in at[4] for word in ("embeddings", "layer."))
    assert any("classifier" in name for name in at[4])


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("count", [0, 2, 3])
def test_frozen_weights_are_those_below(kind: str, count: int) -> None:
    model = build(kind)
    levels = find_levels(model, reason="freeze_layers")
    freeze_layers(model, count)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (levels[name] > count), name


@pytest.mark.parametrize("kind", CONFIGS)
def test_rate_falls_by_the_factor_from_layer_to_layer(kind: str) -> None:
    model = build(kind)
    levels = find_levels(model, reason="layerwise_decay")
    expected = {0: 0.125, 1: 0.25, 2: 0.5, 3: 1.0, 4: 1.0}
    assert rate_scales(model, 0.5) == {name: expected[level] for name, level in levels.items()}
    assert set(rate_scales(model, None).values()) == {1.0}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_frozen_weights_stay_and_the_others_learn(
    tiny_bert: Path, reviews: pd.DataFrame, count: int, precision: str
) -> None:
    before = load_classifier(str(tiny_bert), label_names=["neg", "pos"])
    pretrained = {name: tensor for name, tensor in before.named_parameters() if "bert." in name}
    levels = find_levels(before, reason="freeze_layers")
    classifier = train(tiny_bert, reviews, freeze_layers=count, precision=precision)
    for name, tensor in classifier.model.named_parameters():
        assert tensor.requires_grad  # what is handed on is a plain model
        if name in pretrained and not ("pooler" in name or name.endswith("key.bias")):
            assert torch.equal(tensor, pretrained[name]) == (levels[name] <= count), name


NEXT_TO_NO_GRADIENT = ("query.bias", "key.bias")


class Counter(Watcher):
    """A watcher that counts steps."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step(self, history: History) -> None:
        self.steps += 1

    def on_validation(self, history: History) -> None:
        pass


def test_first_step_moves_each_level_by_its_own_rate(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    # Adam's first step moves every weight by its learning rate, whatever the gradient
    changes = {"max_steps": 1, "warmup_fraction": 0, "weight_decay": 0, "precision": "fp32"}
    before = load_classifier(str(tiny_bert), label_names=["neg", "pos"])
    old = before.state_dict()
    levels = find_levels(before, reason="layerwise_decay")
    new = train(tiny_bert, reviews, layerwise_decay=0.5, **changes).model
    expected = {0: 0.25e-3, 1: 0.5e-3, 2: 1e-3, 3: 1e-3}
    for name, tensor in new.named_parameters():
        if "classifier" not in name and not name.endswith(NEXT_TO_NO_GRADIENT):
            moved = float((tensor.detach() - old[name]).abs().max())
            assert moved == pytest.approx(expected[levels[name]], rel=0.02), name


def test_recorded_rate_is_that_of_the_head(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    plain, decayed = (
        train(tiny_bert, reviews, layerwise_decay=decay).history for decay in (None, 0.5)
    )
    assert plain.train["learning_rate"].tolist() == decayed.train["learning_rate"].tolist()
    assert plain.losses[2:] != decayed.losses[2:]


def test_factor_of_one_changes_nothing(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    plain, same = (train(tiny_bert, reviews, layerwise_decay=decay) for decay in (None, 1.0))
    assert plain.history.losses == same.history.losses


def test_frozen_and_decayed_training_goes_on_bit_for_bit(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    changes = {"freeze_layers": 1, "layerwise_decay": 0.8}
    whole = train(tiny_bert, reviews, **changes)

    class Cut(Counter):
        def on_step(self, history: History) -> None:
            if len(history.steps) == 9:
                raise RuntimeError("power cut")

    folder = tmp_path / "states"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, checkpoint_dir=folder, watcher=Cut(), **changes)
    rest = Counter()
    resumed = train(tiny_bert, reviews, checkpoint_dir=folder, watcher=rest, **changes)
    assert rest.steps == 20 - 8
    assert resumed.history.losses == whole.history.losses
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, whole.model.state_dict()[name]), name


def test_weights_that_were_frozen_before_stay_so() -> None:
    model = build("bert")
    model.bert.embeddings.requires_grad_(False)
    found = {name: weight.requires_grad for name, weight in model.named_parameters()}
    with ready_to_train(model, FineTuneParams.of({"freeze_layers": 2})):
        pass
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == found


def test_more_layers_than_there_are_is_refused(tiny_bert: Path, reviews: pd.DataFrame) -> None:
    with pytest.raises(ParameterError, match=r"freeze_layers: expected at most 2.*found 3"):
        train(tiny_bert, reviews, freeze_layers=3)


@pytest.mark.parametrize("kind", CONFIGS)
def test_files_of_a_checkpoint_tell_how_many_layers_can_be_frozen(
    kind: str, tmp_path: Path
) -> None:
    build(kind).save_pretrained(tmp_path)
    check_layers(FineTuneParams.of({"model": str(tmp_path), "freeze_layers": 3}))
    with pytest.raises(ParameterError, match=r"freeze_layers: expected at most 3.*found 4"):
        check_layers(FineTuneParams.of({"model": str(tmp_path), "freeze_layers": 4}))


def test_checkpoint_that_does_not_tell_is_left_to_the_training(tmp_path: Path) -> None:
    build("bert").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "strange"}', encoding="utf-8")
    check_layers(FineTuneParams.of({"model": str(tmp_path), "freeze_layers": 99}))


@pytest.mark.parametrize("option", ["freeze_layers", "layerwise_decay"])
def test_architecture_whose_layers_are_one_is_refused(option: str, tmp_path: Path) -> None:
    config = AlbertConfig(embedding_size=8, num_hidden_layers=2, **SMALL)
    model = AutoModelForSequenceClassification.from_config(config)
    refused = f"{option}: expected a model with a list.*albert"
    with pytest.raises(ParameterError, match=refused):
        find_levels(model, reason=option)
    model.save_pretrained(tmp_path)
    with pytest.raises(ParameterError, match=refused):  # and before anything is loaded
        check_layers(FineTuneParams.of({"model": str(tmp_path), option: 1}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"freeze_layers": -1}, "freeze_layers: should be greater than or equal to 0, found -1"),
        ({"layerwise_decay": 0}, "layerwise_decay: should be greater than 0, found 0"),
        ({"layerwise_decay": 1.1}, "layerwise_decay: should be less than or equal to 1"),
        ({"lora_rank": 8, "freeze_layers": 2}, "lora_rank: expected no freeze_layers .*found 2"),
    ],
)
def test_value_out_of_range_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FineTuneParams.of(change)
