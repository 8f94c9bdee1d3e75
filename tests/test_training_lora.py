"""Low-rank updates are merged, and what is left is a plain model."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from test_training_freezing import CONFIGS, build

import nbutils
from nbutils.checkpoints.loading import load_classifier
from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training import checkpointing
from nbutils.training.history import History
from nbutils.training.lora import merge_lora, use_lora
from nbutils.training.watcher import Watcher

pytestmark = pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
RECIPE = {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, "max_length": 16, "lora_rank": 2}


def train(model: Path, reviews: pd.DataFrame, **changes: object) -> nbutils.FineTuned:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    return nbutils.fine_tune(
        texts[:60],
        labels[:60],
        validation=(texts[60:], labels[60:]),
        **{**RECIPE, "model": str(model), **changes},
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_changes_is_of_low_rank_and_the_head(
    tiny_bert: Path, reviews: pd.DataFrame, precision: str
) -> None:
    before = load_classifier(str(tiny_bert), label_names=["neg", "pos"]).state_dict()
    after = train(tiny_bert, reviews, precision=precision).model.state_dict()
    assert list(after) == list(before)
    for name, tensor in after.items():
        change = tensor - before[name]
        if "encoder" in name and tensor.dim() == 2:
            assert 0 < torch.linalg.matrix_rank(change, rtol=1e-3) <= 2, name
        elif "bert.pooler" in name:
            assert change.abs().max() > 0, name
        elif "bert." in name:
            assert change.abs().max() == 0, name


def test_saved_model_is_a_plain_one_with_the_same_labels(
    tiny_bert: Path, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    from transformers import pipeline

    classifier = train(
        tiny_bert, reviews, epochs=25, learning_rate=3e-3, lora_rank=8, precision="fp32"
    )
    assert all(weight.requires_grad for weight in classifier.model.parameters())
    assert not hasattr(classifier.model, "peft_config")
    folder = classifier.save(tmp_path / "model")
    assert not list(folder.glob("adapter*"))
    texts = reviews["text"].tolist()
    plain = [answer["label"] for answer in pipeline("text-classification", str(folder))(texts)]
    assert list(classifier.predict(texts)) == plain
    assert set(plain) == {"neg", "pos"}
    right = sum(a == b for a, b in zip(plain, reviews["label"], strict=True))
    assert right >= 0.9 * len(plain)


@pytest.mark.parametrize("kind", CONFIGS)
def test_merged_model_answers_as_the_one_with_updates(kind: str) -> None:
    model = build(kind).eval()
    names = list(model.state_dict())
    inputs = {"input_ids": torch.arange(5, 15).reshape(2, 5)}
    first = model(**inputs).logits
    use_lora(model, FineTuneParams.of({"lora_rank": 2}))
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert any("classifier" in name for name in trained)
    assert all("lora" in name for name in trained if "layer." in name)
    torch.testing.assert_close(model(**inputs).logits, first)  # an update begins at nothing
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    with_updates = model(**inputs).logits
    assert (with_updates - first).abs().max() > 1e-3
    merge_lora(model)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(**inputs).logits, with_updates, atol=1e-5, rtol=1e-4)


def test_package_is_imported_only_where_it_is_used(tiny_bert: Path) -> None:
    script = (
        "import sys, nbutils; nbutils.fine_tune(['a', 'b'], [0, 1], max_length=16, "
        f"model={str(tiny_bert)!r}, epochs=1); print('peft' in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.stdout.strip() == "False", done.stderr


class Cut(Watcher):
    """A watcher that ends the training at a step, as a power cut would."""

    def on_step(self, history: History) -> None:
        if len(history.steps) == 13:
            raise RuntimeError("power cut")

    def on_validation(self, history: History) -> None:
        pass


@pytest.mark.parametrize("option", [{}, {"gradient_checkpointing": True}])
def test_training_of_updates_goes_on_bit_for_bit(
    tiny_bert: Path,
    reviews: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: dict[str, bool],
) -> None:
    for name in ("SHORTEST_GAP", "LONGEST_GAP"):
        monkeypatch.setattr(checkpointing, name, 0.0)
    whole = train(tiny_bert, reviews, **option)
    folder = tmp_path / "states"
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny_bert, reviews, checkpoint_dir=folder, watcher=Cut(), **option)
    torch.manual_seed(999)  # what another process would have
    resumed = train(tiny_bert, reviews, checkpoint_dir=folder, **option)
    assert resumed.history.losses == whole.history.losses
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, whole.model.state_dict()[name]), name


def test_missing_package_is_refused_with_what_to_install(
    tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> object:
        return None if name == "peft" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ParameterError, match=r'lora_rank: needs peft.*"nbutils\[lora\]"'):
        train(tiny_bert, reviews)
    assert train(tiny_bert, reviews, lora_rank=None, epochs=1).history.losses
